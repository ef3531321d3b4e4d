# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worker process in which a task runs. Private to this collection."""

from __future__ import annotations

import multiprocessing
import typing as t

from ansible.executor.process.worker import WorkerProcess
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task_result import event_arguments


def current_worker() -> WorkerProcess | None:
    """The worker that this process is, or a child of; None where no worker runs the task (mitogen, tests)."""
    process = multiprocessing.current_process()
    return process if isinstance(process, WorkerProcess) else None


def task_of_worker(worker: WorkerProcess) -> t.Any:
    """The task that *worker* was made for. The action may run another one, where ansible-core itself polls a job."""
    return worker._task  # 2.16 to 2.22


def send_event(worker: WorkerProcess, event: str, task: t.Any, result: dict[str, t.Any]) -> None:
    """Have the main process call *event* of the callback plugins with *result* of *task*.

    Raises AttributeError or TypeError where the internals of ansible-core are not as expected.
    """
    arguments = event_arguments(worker._host, task, result)  # _host: 2.16 to 2.22
    worker._final_q.send_callback(event, *arguments)  # _final_q: 2.16 to 2.22
