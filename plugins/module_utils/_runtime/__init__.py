# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runtime: what runs on the target. `door.respond()` is its only entrance.

Its packages stand on floors: files, contain, output, schedule, supervise, requests, core. Each imports only from itself
and from packages that come before it in this list. `protocol` is below all of them, `door` above all but core.
Standard library only, Python 3.6 and up, nothing of Ansible. Private to this collection."""
