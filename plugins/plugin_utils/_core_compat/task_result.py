# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of tasks, as callback plugins and the events for them have them. Private to this collection."""

from __future__ import annotations

import copy
import typing as t

from ansible.executor import task_result
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import uuid_of

try:
    from ansible._internal._task import UnifiedTaskResult  # 2.21, 2.22
except ImportError:
    UnifiedTaskResult = None


def part(result: t.Any, name: t.Literal['host', 'task', 'result']) -> t.Any:
    """A part of a task result; before 2.19 they had private names only (`_host`, `_task`, `_result`)."""
    return getattr(result, name if hasattr(result, name) else '_' + name)


def event_arguments(host: t.Any, task: t.Any, result: dict[str, t.Any]) -> tuple[t.Any, ...]:
    """What an event about *result* is sent with. Raises AttributeError or TypeError where this is not as expected."""
    if UnifiedTaskResult is not None:
        # It takes the keys out of each deprecation, and the task's own result needs them as well.
        mine = {**result, 'deprecations': copy.deepcopy(result['deprecations'])} if 'deprecations' in result else result
        return host, task, UnifiedTaskResult.from_action_result_dict(mine)
    fields = task.dump_attrs()
    if hasattr(task_result, '_RawTaskResult'):  # 2.19, 2.20
        return (task_result._RawTaskResult(host=host, task=task, return_data=result, task_fields=fields),)
    return (task_result.TaskResult(host.name, uuid_of(task), result, task_fields=fields),)  # 2.16 to 2.18
