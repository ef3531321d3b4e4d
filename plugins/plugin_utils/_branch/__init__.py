# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Branches: a block, or an action that works on the controller, as a job on the controller. Loads, runs and joins them.

Imports `_core_compat`, `_payload` and `_show`. Private to this collection."""
