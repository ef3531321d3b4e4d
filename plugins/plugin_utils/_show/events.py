# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events that ansible-core's own polling sends to callback plugins, sent from here. Private to this collection."""

from __future__ import annotations

import multiprocessing
import typing as t

from ansible.executor import task_result
from ansible.executor.process.worker import WorkerProcess
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.core import status as _status

try:
    from ansible._internal._task import UnifiedTaskResult
except ImportError:  # ansible-core before 2.21
    UnifiedTaskResult = None

display = Display()


def send(action: ActionBase, event: t.Literal['poll', 'ok', 'failed'], result: dict[str, t.Any]) -> None:
    """Call ``v2_runner_on_async_<event>`` with *result* of the task of *action*.

    Nobody's task fails for want of it: where the internals are not as expected, nothing is sent.
    """
    worker = multiprocessing.current_process()
    if not isinstance(worker, WorkerProcess):
        return
    try:
        about = _about(worker, action._task, _status.as_told_by(__version__, {**result}))
    except (AttributeError, TypeError) as error:
        display.vvv(f'Callback plugins are not told of this job: {error}')
    else:
        worker._final_q.send_callback(f'v2_runner_on_async_{event}', *about)


def _about(worker: WorkerProcess, task: t.Any, result: dict[str, t.Any]) -> tuple[t.Any, ...]:
    """What an event is sent with, which is another thing in almost every version."""
    host = worker._host
    if UnifiedTaskResult is not None:
        return host, task, UnifiedTaskResult.from_action_result_dict(result)
    fields = task.dump_attrs()
    if hasattr(task_result, '_RawTaskResult'):  # 2.19
        return (task_result._RawTaskResult(host=host, task=task, return_data=result, task_fields=fields),)
    return (task_result.TaskResult(host.name, task._uuid, result, task_fields=fields),)
