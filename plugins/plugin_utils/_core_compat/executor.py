# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a task on a host in this process: ansible-core's TaskExecutor. And what it takes to make such a task.

Private names of ansible-core, all of them in 2.16 to 2.22 unless marked:

- ``Task._ds, _parent, _role``, ``Block._play``
- ``ansible._internal._task.TaskContext``, from 2.19 on
- the arguments ``task`` and ``job_vars`` of TaskExecutor, up to 2.19; later ones take both from TaskContext
- the argument ``new_stdin`` of TaskExecutor, before 2.19

Private to this collection.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import inspect
import sys
import typing as t

from ansible.executor.task_executor import TaskExecutor
from ansible.playbook.block import Block
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.summaries import as_modules_say

try:
    from ansible._internal._task import TaskContext
except ImportError:  # ansible-core before 2.19
    TaskContext = None

HOW_TO_REACH = (
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
    'vars',
)
"""The keywords of a task that concern how a host is reached, and in what state its module runs."""
_EXECUTOR_ARGUMENTS = inspect.signature(TaskExecutor.__init__).parameters


def written_keywords(task: t.Any, names: c.Iterable[str]) -> dict[str, t.Any]:
    """Those keywords *names* that *task* itself has, as they were written.

    The values of a task that runs are of no use for another one: they are those of its host, the connection for one.
    """
    written = task._ds
    if 'local_action' in written:
        written = {**written, 'delegate_to': 'localhost'}  # as ModuleArgsParser reads it
    return {name: written[name] for name in names if name in written}


def place_of(task: t.Any) -> dict[str, t.Any]:
    """Where *task* stands in the play, as arguments of Task.load()."""
    parent = task._parent
    return {'role': task._role, **({'block': parent} if isinstance(parent, Block) else {'task_include': parent})}


def play_of(task: t.Any) -> t.Any:
    """The play of *task*."""
    parent = task._parent
    while not isinstance(parent, Block):
        parent = parent._parent
    return parent._play


def execute(
    task: t.Any, host: t.Any, task_vars: dict[str, t.Any], play_context: t.Any, worker: t.Any, final_q: t.Any
) -> dict[str, t.Any]:
    """The result of *task* on *host*, in this process, which *worker* is or was forked from.

    *final_q*: takes what the executor reports meanwhile.
    """
    arguments = {
        'host': host,
        'play_context': play_context,
        'loader': worker._loader,
        'shared_loader_obj': worker._shared_loader_obj,
        'final_q': final_q,
        'variable_manager': worker._variable_manager,
    }
    if 'task' not in _EXECUTOR_ARGUMENTS:
        with TaskContext.create(task=task, task_vars=task_vars, host_name=host.name):
            task.squash()
            result = TaskExecutor(**arguments).run()
            return {
                **result.as_result_dict(),
                'failed': bool(result.failed),
                'unreachable': bool(result.unreachable),
                '_ansible_no_log': bool(result.no_log),
            }
    if 'new_stdin' in _EXECUTOR_ARGUMENTS:
        arguments['new_stdin'] = sys.stdin
    context = contextlib.nullcontext() if TaskContext is None else TaskContext(task)  # pylint: disable=missing-kwoa  # of 2.19
    with context:
        return t.cast('dict[str, t.Any]', TaskExecutor(task=task, job_vars=task_vars, **arguments).run())


def plain(value: t.Any) -> t.Any:
    """*value* as JSON can hold it: results of 2.19 and later have tagged strings and dataclasses in them."""
    value = as_modules_say(value)
    if isinstance(value, c.Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)  # without tags
    return float(value) if isinstance(value, float) else str(value)
