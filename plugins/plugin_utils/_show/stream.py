# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where lines go that no stdout callback prints. Private to this collection."""

from __future__ import annotations

from ansible import constants as C

_FOR_PEOPLE = frozenset(
    (
        'actionable',
        'beautiful_output',
        'counter_enabled',
        'debug',
        'default',
        'default_without_diff',
        'dense',
        'diy',
        'full_skip',
        'minimal',
        'oneline',
        'print_task',
        'selective',
        'skippy',
        'stderr',
        'tasks_only',
        'timestamp',
        'unixy',
        'yaml',
    )
)
"""The stdout callbacks, without their collections, whose output people read and no program parses."""


def is_for_people() -> bool:
    """Whether the stdout callback of this run prints for people: a line more or less does no harm."""
    return str(C.DEFAULT_STDOUT_CALLBACK).rpartition('.')[2] in _FOR_PEOPLE


def stream() -> dict[str, bool]:
    """The keyword arguments of Display.display() for a line that no stdout callback prints.

    It goes to standard error where standard output may be JSON, say, that a program parses.
    """
    return {} if is_for_people() else {'stderr': True}
