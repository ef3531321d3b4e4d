# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one action on many hosts of the play from within one task: ansible-core's TaskExecutor in forks of its worker.

Private names of ansible-core, all of them in 2.16 to 2.22 unless marked:

- ``WorkerProcess._task, _variable_manager, _play_context, _loader, _shared_loader_obj, _final_q``
- ``VariableManager._inventory``
- ``Task._ds, _parent, _role``, ``Block._play``
- ``ansible._internal._task.TaskContext``, from 2.19 on
- the arguments ``task`` and ``job_vars`` of TaskExecutor, up to 2.19; later ones take both from TaskContext
- the argument ``new_stdin`` of TaskExecutor, before 2.19

Private to this collection.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import json
import multiprocessing
import os
import selectors
import sys
import traceback
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from ansible.playbook.block import Block
from ansible.playbook.task import Task

try:
    from ansible._internal._task import TaskContext
except ImportError:  # ansible-core before 2.19
    TaskContext = None

_KEYWORDS = (
    'become',
    'become_exe',
    'become_flags',
    'become_method',
    'become_user',
    'check_mode',
    'collections',
    'connection',
    'environment',
    'module_defaults',
    'no_log',
    'port',
    'remote_user',
    'timeout',
    'vars',
)
"""The keywords of the calling task that concern how a host is reached."""
_EXECUTOR_ARGUMENTS = inspect.signature(TaskExecutor.__init__).parameters


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
            while waiting and len(selector.get_map()) < at_once:
                host = waiting.pop()
                child = _Child(worker, task, host)
                selector.register(child.reader, selectors.EVENT_READ, child)
            for key, _events in selector.select():
                if key.data.read():
                    selector.unregister(key.fileobj)
                    results[key.data.host] = key.data.result()
    return results


def _load(worker: t.Any, action: str, args: dict[str, t.Any]) -> Task:
    """A task of *action* with the keywords of the worker's own one, as they were written.

    The worker's task itself is of no use: its values are those of the worker's host, the connection for one.
    """
    calling = worker._task
    keywords = {key: calling._ds[key] for key in _KEYWORDS if key in calling._ds}
    parent = calling._parent
    place = {'block': parent} if isinstance(parent, Block) else {'task_include': parent}
    return Task.load(
        {**keywords, 'name': calling.name, action: args},
        role=calling._role,
        variable_manager=worker._variable_manager,
        loader=worker._loader,
        **place,
    )


class _Child:
    """A fork that runs the task on one host, and writes the result into a pipe."""

    def __init__(self, worker: t.Any, task: Task, host: str) -> None:
        self.host = host
        self._data = b''
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(reader)
                # A context of its own: this process's has the task that called us.
                result = contextvars.Context().run(_execute, worker, task, host)
                with open(writer, 'wb') as pipe:
                    pipe.write(json.dumps(_plain(result)).encode())
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
        if not self._data:
            return {'failed': True, 'msg': 'The process that looked at this host ended without an answer.'}
        return t.cast('dict[str, t.Any]', json.loads(self._data))


def _execute(worker: t.Any, task: Task, host_name: str) -> dict[str, t.Any]:
    variable_manager = worker._variable_manager
    host = variable_manager._inventory.get_host(host_name)
    task_vars = variable_manager.get_vars(play=_play_of(task), host=host, task=task)
    arguments = {
        'host': host,
        'play_context': worker._play_context.copy(),
        'loader': worker._loader,
        'shared_loader_obj': worker._shared_loader_obj,
        'final_q': worker._final_q,
        'variable_manager': variable_manager,
    }
    if 'task' not in _EXECUTOR_ARGUMENTS:
        with TaskContext.create(task=task, task_vars=task_vars, host_name=host_name):
            task.squash()
            result = TaskExecutor(**arguments).run()
            return {**result.as_result_dict(), 'failed': bool(result.failed), 'unreachable': bool(result.unreachable)}
    if 'new_stdin' in _EXECUTOR_ARGUMENTS:
        arguments['new_stdin'] = sys.stdin
    context = contextlib.nullcontext() if TaskContext is None else TaskContext(task)  # pylint: disable=missing-kwoa  # of 2.19
    with context:
        return t.cast('dict[str, t.Any]', TaskExecutor(task=task, job_vars=task_vars, **arguments).run())


def _play_of(task: Task) -> t.Any:
    parent = task._parent
    while not isinstance(parent, Block):
        parent = parent._parent
    return parent._play


def _plain(value: t.Any) -> t.Any:
    """*value* as JSON can hold it: results of 2.19 and later have tagged strings and dataclasses in them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
