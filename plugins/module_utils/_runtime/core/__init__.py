# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-core's own async_wrapper and async_status, for drop-in use.

Imports `door`, `files` and `output`. Nothing of the runtime imports this package."""
