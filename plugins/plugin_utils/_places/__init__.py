# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a job lives, and how a request travels there.

Actions use `host_places`; `place` is the target alone. Imports `_core_compat`, `_options` and `_show`. Private to this collection."""
