# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worker process in which a task runs. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import multiprocessing
import pickle
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


class _Packer:
    """In the place of the final queue: keeps what would be put into it."""

    def put(self, item: t.Any) -> None:
        self.packed = pickle.dumps(item)


def packed_result(worker: WorkerProcess, result: dict[str, t.Any]) -> bytes:
    """*result* of the task of *worker*, as send_packed() takes it, in any process that was forked by a worker.

    Raises AttributeError or TypeError where the internals of ansible-core are not as expected.
    """
    packer = _Packer()
    # _final_q, _host, _task: 2.16 to 2.22. send_task_result() takes what an event takes.
    arguments = event_arguments(worker._host, worker._task, result)
    type(worker._final_q).send_task_result(t.cast('t.Any', packer), *arguments)
    return packer.packed


def send_packed(worker: WorkerProcess, packed: bytes) -> None:
    """Send a result that packed_result() has made; *worker* need not be the one of its task."""
    worker._final_q.put(pickle.loads(packed))


def after_result(worker: WorkerProcess, call: c.Callable[[], None]) -> None:
    """Have *call* called as soon as the result of the task was sent, in the process that sends it."""
    queue: t.Any = worker._final_q
    send = queue.send_task_result

    def send_and_call(*args: t.Any, **kwargs: t.Any) -> None:
        send(*args, **kwargs)
        call()

    queue.send_task_result = send_and_call


def queue_descriptors(worker: WorkerProcess) -> list[int]:
    """The descriptors of the queue that carries results to ansible's main process."""
    queue: t.Any = worker._final_q
    return [
        queue._reader.fileno(),
        queue._writer.fileno(),
    ]  # of multiprocessing.queues.SimpleQueue, Python 3.10 to 3.14
