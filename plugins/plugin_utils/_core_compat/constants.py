# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of the actions that are part of a playbook's structure. Private to this collection."""

from __future__ import annotations

from ansible import constants as C

TASK_BRINGERS = frozenset(  # 2.16 to 2.22
    [*C._ACTION_ALL_INCLUDE_IMPORT_TASKS, *C._ACTION_ALL_PROPER_INCLUDE_IMPORT_ROLES]
)
"""Actions in whose place other tasks run: those that include or import tasks and roles."""
PLAYBOOK_ACTIONS = TASK_BRINGERS | {*C._ACTION_IMPORT_PLAYBOOK, *C._ACTION_META}  # 2.16 to 2.22
"""Actions without a module: includes, imports and `meta`."""
