# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which job waits for which: `after`, `after_any` and `in_order` of async_run. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue
from ansible_collections.background.jobs.plugins.plugin_utils._options.references import Reference, references


class Dependencies(t.NamedTuple):
    """What one job waits for."""

    after: list[Reference | int]
    """The jobs; a number is the index of another one of `tasks`."""
    after_any: bool
    """Whether it starts however these end; else each of them must succeed."""


def of_the_task(options: dict[str, t.Any]) -> Dependencies:
    """Those that the task as a whole gives. *options*: of async_run, checked."""
    after = [] if options['after'] is None else references(options['after'], 'after')
    return Dependencies([*after], options['after_any'])


def of_each(options: dict[str, t.Any]) -> list[Dependencies]:
    """Those of each of `tasks`, which are mappings, and no two have the same name.

    Raises AnsibleActionFail for what cannot be: a job waits for jobs above it only. So no circle of jobs that wait for each
    other can be written.
    """
    tasks = options['tasks']
    indices = {str(task['name']): index for index, task in enumerate(tasks) if task.get('name') is not None}
    common = of_the_task(options)
    found = []
    for index, task in enumerate(tasks):
        in_row = options['in_order'] and index > 0
        after = [index - 1] if in_row else [*common.after]
        after += _own(task, index, indices)
        after_any = not in_row and common.after_any
        if task.get('after_any') is not None:
            after_any = _boolean(task['after_any'], f'after_any of tasks[{index}]')
            if after_any and not after:
                raise AnsibleActionFail(f"'after_any' of tasks[{index}] has no effect: the job waits for no other.")
        found.append(Dependencies(after, after_any))
    return found


def _own(task: c.Mapping[str, t.Any], index: int, indices: dict[str, int]) -> list[Reference | int]:
    """What `after` of *task* says.

    If a name is that of another one of `tasks`, it means that one, and not another job of the host.
    """
    if task.get('after') is None:
        return []
    found: list[Reference | int] = []
    for reference in references(task['after'], f'after of tasks[{index}]'):
        other = indices.get(reference['name']) if isinstance(reference, dict) else None
        if other is not None and other > index:
            raise AnsibleActionFail(
                f"'after' of tasks[{index}] names tasks[{other}], which stands below it: a job can wait for those above it. "
                'Put it behind the other.'
            )
        found.append(reference if other is None or other == index else other)
    return found


def _boolean(value: t.Any, what: str) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise WrongValue(f"'{what}' must be true or false", repr(value)) from None
