# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a task. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible.parsing.mod_args import ModuleArgsParser

_RESOLVED_ACTION = '_resolved_action'
"""The full name of a task's action: from 2.19 on. `resolved_action` before."""


def belongs_to_a_play(task: t.Any) -> bool:
    """Whether *task* stands in a play; the one that ansible-core makes to poll a job does not."""
    return task._parent is not None  # 2.16 to 2.22


def strategy_of(task: t.Any) -> str:
    """The strategy of the play of *task*."""
    return str(task._parent._play.strategy)  # 2.16 to 2.22


def uuid_of(task: t.Any) -> str:
    """The id of *task*, the same on all hosts."""
    return str(task._uuid)  # 2.16 to 2.22


def resolved_action(task: t.Any) -> str:
    """The full name of the action of *task*."""
    return str(getattr(task, _RESOLVED_ACTION, None) or task.resolved_action)


def task_with_other_action(task: t.Any, name: str, resolved: str) -> t.Any:
    """A copy of *task* with the action *name*, whose full name is *resolved*. Its arguments are still those of *task*."""
    copy = task.copy(exclude_parent=True, exclude_tasks=True)
    copy._parent = task._parent  # 2.16 to 2.22
    copy.action = name
    setattr(copy, _RESOLVED_ACTION if hasattr(copy, _RESOLVED_ACTION) else 'resolved_action', resolved)
    return copy


def untemplated_arguments(task: t.Any) -> t.Any:
    """The arguments of *task* as the playbook has them, with templates in them.

    Raises AnsibleError, AttributeError or TypeError where they are not to be had.
    """
    return ModuleArgsParser(task._ds, collection_list=task.collections).parse()[1]  # _ds: 2.16 to 2.22
