# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one action on many hosts of the play from within one task: ansible-core's TaskExecutor in forks of its worker.

Private names of ansible-core, all of them in 2.16 to 2.22:

- ``WorkerProcess._task, _variable_manager, _play_context, _loader, _final_q``
- ``VariableManager._inventory``

Private to this collection.
"""

from __future__ import annotations

import contextvars
import json
import multiprocessing
import os
import selectors
import traceback
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.executor.process.worker import WorkerProcess
from ansible.playbook.task import Task
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.executor import (
    HOW_TO_REACH,
    execute,
    place_of,
    plain,
    play_of,
    written_keywords,
)


def run_on_hosts(hosts: list[str], action: str, args: dict[str, t.Any], at_once: int) -> dict[str, dict[str, t.Any]]:
    """The result of *action* with *args* on each of *hosts* (inventory names), at most *at_once* at the same time.

    The action has the keywords of the task that calls this: become, environment and the like. A host that cannot be
    reached has ``unreachable`` in its result. Raises AnsibleActionFail where this process is no worker of ansible-core.
    """
    worker = multiprocessing.current_process()
    if not isinstance(worker, WorkerProcess):
        raise AnsibleActionFail('This action works only in a worker process of ansible-core, not under this strategy.')
    task = _load(worker, action, args)
    results: dict[str, dict[str, t.Any]] = {}
    waiting = list(reversed(hosts))
    with selectors.DefaultSelector() as selector:
        while waiting or selector.get_map():
            if waiting and len(selector.get_map()) < at_once:
                host = waiting.pop()
                try:
                    child = _Child(worker, task, host)
                except OSError as error:
                    results[host] = _failed(f'This machine could make no process that looks at this host: {error}.')
                else:
                    selector.register(child.reader, selectors.EVENT_READ, child)
                continue
            for key, _events in selector.select():
                if key.data.read():
                    selector.unregister(key.fileobj)
                    results[key.data.host] = key.data.result()
    return results


def _load(worker: t.Any, action: str, args: dict[str, t.Any]) -> Task:
    """A task of *action* with the keywords of the worker's own one."""
    calling = worker._task
    return Task.load(
        {**written_keywords(calling, (*HOW_TO_REACH, 'timeout')), 'name': calling.name, action: args},
        variable_manager=worker._variable_manager,
        loader=worker._loader,
        **place_of(calling),
    )


class _Child:
    """A fork that runs the task on one host, and writes the result into a pipe. Raises OSError."""

    def __init__(self, worker: t.Any, task: Task, host: str) -> None:
        self.host = host
        self._data = b''
        reader, writer = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if self._pid == 0:
            try:
                os.close(reader)
                # A context of its own: this process's has the task that called us.
                result = contextvars.Context().run(_execute, worker, task, host)
                with open(writer, 'wb') as pipe:
                    pipe.write(json.dumps(plain(result)).encode())
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(writer)
        self.reader = reader

    def read(self) -> bool:
        """Take what has come. True once that is all."""
        data = os.read(self.reader, 1 << 20)
        self._data += data
        return not data

    def result(self) -> dict[str, t.Any]:
        os.close(self.reader)
        os.waitpid(self._pid, 0)
        try:
            return t.cast('dict[str, t.Any]', json.loads(self._data))
        except ValueError:  # it was killed, perhaps in the middle of the result
            return _failed('The process that looked at this host ended without an answer.')


def _failed(message: str) -> dict[str, t.Any]:
    return {'failed': True, 'msg': f'{message} Run the task again.'}


def _execute(worker: t.Any, task: Task, host_name: str) -> dict[str, t.Any]:
    variable_manager = worker._variable_manager
    host = variable_manager._inventory.get_host(host_name)
    task_vars = variable_manager.get_vars(play=play_of(task), host=host, task=task)
    return execute(task, host, task_vars, worker._play_context.copy(), worker, worker._final_q)
