# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of the actions that are part of a playbook's structure. Private to this collection."""

from __future__ import annotations

from ansible import constants as C

PLAYBOOK_ACTIONS = frozenset(
    [  # all of 2.16 to 2.22
        *C._ACTION_ALL_INCLUDE_IMPORT_TASKS,
        *C._ACTION_ALL_PROPER_INCLUDE_IMPORT_ROLES,
        *C._ACTION_IMPORT_PLAYBOOK,
        *C._ACTION_META,
    ]
)
"""Actions without a module: includes, imports and `meta`."""
