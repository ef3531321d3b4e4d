# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queues the task of a host again, in ansible-core's main process. Private to this collection.

Private names of ansible-core, all of them in 2.16 to 2.22:

- ``StrategyBase._process_pending_results(iterator, one_pass, max_passes)``, ``_queue_task(host, task, task_vars,
  play_context)``, ``_queued_task_cache``, ``_pending_results``, ``_workers``, ``_tqm``, ``_final_q``
- ``Task._uuid``, ``_parent``, and ``post_validate``, ``dump_attrs``, ``from_attrs``, ``copy``
- ``WorkerProcess._host``, ``_task``
"""

from __future__ import annotations

import collections.abc as c
import functools
import inspect
import typing as t

from ansible.plugins.strategy import StrategyBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task_result import event_arguments

_EXPECTED = {
    '_process_pending_results': ['self', 'iterator', 'one_pass', 'max_passes'],
    '_queue_task': ['self', 'host', 'task', 'task_vars', 'play_context'],
}
"""The methods of StrategyBase that are used here, and their parameters."""
_NOT_TEMPLATED = ('loop_control', 'vars', 'when')
"""The keywords that are left as the playbook has them. `when` was true, and is not asked again."""
_SHARED_VARIABLES = (
    'ansible_current_hosts',
    'ansible_failed_hosts',
    'ansible_play_batch',
    'ansible_play_hosts',
    'ansible_play_hosts_all',
    'play_hosts',
)
"""Lists as long as the play, of which each host has its own, with the same names in it."""

Key = tuple[str, str]
"""The name of a host and the id of its task: what ansible-core knows a queued task by."""


def is_as_expected() -> bool:
    """Whether this ansible-core has what is used here."""
    methods = {name: getattr(StrategyBase, name, None) for name in _EXPECTED}
    return all(
        method is not None and list(inspect.signature(method).parameters) == _EXPECTED[name]
        for name, method in methods.items()
    )


def call_while_results_are_awaited(
    call: c.Callable[[StrategyBase, bool], None], before_a_task: c.Callable[[StrategyBase], None]
) -> None:
    """Have *call* called each time that a strategy looks for results: 1,000 times a second while it waits.

    It gets the strategy, and whether that still queues tasks. *before_a_task* is called before each task that a strategy
    queues: `free` queues one for every host before it looks for results again.
    """
    original: t.Any = StrategyBase._process_pending_results
    queue: t.Any = StrategyBase._queue_task

    @functools.wraps(queue)
    def queue_task(self: StrategyBase, host: t.Any, task: t.Any, task_vars: t.Any, play_context: t.Any) -> None:
        before_a_task(self)
        queue(self, host, task, task_vars, play_context)

    @functools.wraps(original)
    def process(
        self: StrategyBase, iterator: t.Any, one_pass: bool = False, max_passes: int | None = None
    ) -> list[t.Any]:
        call(self, max_passes is not None)
        return t.cast('list[t.Any]', original(self, iterator, one_pass=one_pass, max_passes=max_passes))

    StrategyBase._process_pending_results = process
    StrategyBase._queue_task = queue_task


def key_of(worker: t.Any) -> Key:
    """The key of the task of *worker*."""
    return worker._host.name, worker._task._uuid


def validated_keywords(task: t.Any) -> dict[str, t.Any]:
    """The keywords of *task*, whose templates are filled in, as validated_task() takes them."""
    return {name: value for name, value in task.dump_attrs().items() if name not in _NOT_TEMPLATED}


def is_expected(strategy: t.Any, key: Key) -> bool:
    """Whether *strategy* waits for the result of the task *key*."""
    return key in strategy._queued_task_cache


def number_of_expected(strategy: t.Any) -> int:
    """How many results *strategy* waits for."""
    return t.cast('int', strategy._pending_results)


def has_free_worker(strategy: t.Any) -> bool:
    """Whether *strategy* could have a task run now."""
    return any(worker is None or not worker.is_alive() for worker in strategy._workers)


def share_variables(strategy: t.Any, key: Key, shared: dict[str, t.Any]) -> None:
    """Have the variables of the task *key* share their long lists with those of other hosts, kept in *shared*."""
    _share(strategy._queued_task_cache[key]['task_vars'], shared)


def _share(variables: dict[str, t.Any], shared: dict[str, t.Any]) -> None:
    for name in _SHARED_VARIABLES:
        if name in variables:
            if shared.get(name) != variables[name]:
                shared[name] = variables[name]
            variables[name] = shared[name]
    if 'vars' in variables:  # a copy of all variables; from ansible-core 2.20 on it has lists and a `vars` of its own
        _share(variables['vars'], shared.setdefault('vars', {}))


def queue_again(strategy: t.Any, key: Key, keywords: dict[str, t.Any]) -> bool:
    """Have a fresh worker run the task *key*, whose *keywords* (validated_keywords()) are not templated again.

    Callback plugins are not told that it starts. Returns False if this machine could make no process for it.
    """
    queued = strategy._queued_task_cache[key]
    task = queued['task']
    again = validated_task(task, keywords)
    again.when = []
    pending = strategy._pending_results
    send = strategy._tqm.send_callback
    strategy._tqm.send_callback = lambda name, *args, **kwargs: (
        None if name == 'v2_runner_on_start' else send(name, *args, **kwargs)
    )
    try:
        strategy._queue_task(queued['host'], again, queued['task_vars'], queued['play_context'])
    finally:
        del strategy._tqm.send_callback
        strategy._queued_task_cache[key]['task'] = task
        was_queued = strategy._pending_results > pending
        strategy._pending_results = pending  # the result is still expected, and was counted
    return was_queued


def validated_task(task: t.Any, keywords: dict[str, t.Any]) -> t.Any:
    """A copy of *task* with *keywords*, which are final."""
    copy = task.copy(exclude_parent=True, exclude_tasks=True)
    copy._parent = task._parent
    copy.from_attrs(keywords)
    copy.post_validate = _nothing_to_validate
    return copy


def _nothing_to_validate(templar: t.Any) -> None:
    pass


def send_event_of(strategy: t.Any, key: Key, keywords: dict[str, t.Any], event: str, result: dict[str, t.Any]) -> None:
    """Have *event* of the callback plugins called with *result* of the task *key*."""
    queued = strategy._queued_task_cache[key]
    arguments = event_arguments(queued['host'], validated_task(queued['task'], keywords), result)
    strategy._final_q.send_callback(event, *arguments)


def send_failure(strategy: t.Any, key: Key, message: str) -> None:
    """Send a failed result of the task *key*, which no worker will send."""
    queued = strategy._queued_task_cache[key]
    result = {'failed': True, 'changed': False, 'msg': message}
    strategy._final_q.send_task_result(*event_arguments(queued['host'], queued['task'], result))
