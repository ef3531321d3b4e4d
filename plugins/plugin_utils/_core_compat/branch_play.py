# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A branch of the play: a block as a play of its own for one host, and how it is run in this process.

Private names of ansible-core, all of them in 2.16 to 2.22 unless marked:

- ``WorkerProcess._task, _host, _variable_manager, _loader, _play_context``
- ``Play._removed_hosts``
- ``VariableManager._inventory``
- ``Task._role``, ``Block.get_include_params``
- ``TaskQueueManager._start_at_done, _stats``
- ``TaskQueueManager._callback_plugins``, ``CallbackBase._init_callback_methods``, from 2.20 on
- ``TaskQueueManager._stdout_callback, _callbacks_loaded``, before 2.20

Private to this collection.
"""

from __future__ import annotations

import tempfile
import typing as t

from ansible.errors import AnsibleError
from ansible.executor.task_queue_manager import AnsibleEndPlay, TaskQueueManager
from ansible.playbook.block import Block
from ansible.playbook.play_context import PlayContext
from ansible.plugins.callback import CallbackBase
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_results import wait_for_results
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_variables import (
    FACTS,
    Layers,
    layers_of_action,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.constants import PLAYBOOK_ACTIONS
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.executor import (
    HOW_TO_REACH,
    execute,
    place_of,
    plain,
    play_of,
    written_keywords,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import explained
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import resolved_action

_INHERITED = (*HOW_TO_REACH, 'delegate_facts', 'delegate_to', 'diff', 'tags')
"""The keywords of the starting task that its branch has, as the tasks of a block have those of the block."""
_OWN = 'background.jobs.'
"""What the names of the actions of this collection begin with."""
_LOOP = ('ansible_loop_var', 'ansible_index_var', 'ansible_loop')
"""The variables of a loop, besides those that the first two of these name."""


class BranchPlay:
    """A block as a play for the host of *worker*: *raw* has block, rescue and always, as a playbook has them.

    Raises AnsibleError for whatever ansible-core refuses when it loads a playbook.
    """

    def __init__(self, worker: t.Any, task_vars: dict[str, t.Any], raw: dict[str, t.Any]) -> None:
        self.worker = worker
        task = worker._task
        outer = play_of(task)
        play = outer.copy()
        play._removed_hosts = list(outer._removed_hosts)
        loading = {'play': play, 'variable_manager': worker._variable_manager, 'loader': worker._loader}
        place = place_of(task)
        if 'block' in place:
            place['parent_block'] = place.pop('block')
        item = _Item(play=play, **place)
        item.vars = _loop_variables(task_vars)
        keywords = written_keywords(task, _INHERITED)
        self._block = Block.load({**keywords, **raw}, parent_block=item, role=task._role, **loading)
        flush = Block.load({'meta': 'flush_handlers', 'tags': ['always']}, **loading)
        for meta in flush.block:
            meta.implicit = True
        blocks = [self._block, flush]
        if play.force_handlers:
            forced = Block(play=play)
            forced.block, forced.always = [self._block], [flush]
            blocks = [forced]
        play.gather_facts, play.strategy = False, 'ansible.builtin.linear'
        play.copy = lambda: play
        play.compile = lambda: blocks
        self._play = play

    @property
    def variable_manager(self) -> t.Any:
        return self.worker._variable_manager

    @property
    def first_task(self) -> t.Any:
        return self._block.block[0]

    def needs_a_play(self) -> bool:
        """Whether the tasks take a play around them: there are several, or the one is an include, an import or `meta`.

        An action of this collection takes a worker process, which it may leave while it waits.
        """
        block = self._block
        tasks = [*block.block, *block.rescue, *block.always]
        return (
            len(tasks) != 1
            or isinstance(tasks[0], Block)
            or tasks[0].action in PLAYBOOK_ACTIONS
            or resolved_action(tasks[0]).startswith(_OWN)
        )

    def add_environment(self, variables: dict[str, str]) -> None:
        """Let all tasks have *variables* in their environment, wherever they run."""
        if variables:
            self._block.environment = [*(self._block.environment or []), wrap_var(variables)]

    def run(self, callback: CallbackBase) -> tuple[int, dict[str, int], str | None]:
        """Run all tasks and handlers, and report them to *callback* alone.

        (exit code as of a play, statistics, the error that has ended the play before its time or None).
        """
        worker = self.worker
        for block in self._play.handlers:
            for handler in block.block:
                handler.notified_hosts = []  # those that the play has notified are not the branch's to run
        worker._variable_manager._inventory.restrict_to_hosts([worker._host])
        manager: t.Any = TaskQueueManager(
            inventory=worker._variable_manager._inventory,
            variable_manager=worker._variable_manager,
            loader=worker._loader,
            passwords=self._passwords(),
            forks=1,
        )
        if hasattr(callback, '_init_callback_methods'):
            callback._init_callback_methods()
            manager._callback_plugins = [callback]
        else:
            manager._stdout_callback, manager._callbacks_loaded = callback, True
        manager._start_at_done = True
        error = None
        wait_for_results(manager)
        try:
            code = int(manager.run(self._play))
        except AnsibleEndPlay as end:
            code = int(end.result)
        except (
            AnsibleError
        ) as raised:  # an included file cannot be loaded, say; that would end ansible-playbook as a whole
            code, error = TaskQueueManager.RUN_UNKNOWN_ERROR, explained(raised)
        finally:
            manager.cleanup()
        return code, manager._stats.summarize(worker._host.name), error

    def run_first_task(self) -> tuple[dict[str, t.Any], Layers]:
        """The result of the first task, run in this very process, without a play around it, and the variables that it sets."""
        worker, task = self.worker, self.first_task
        layers = layers_of_action(task)
        with tempfile.TemporaryFile() as lock:
            play_context = PlayContext(self._play, self._passwords(), lock.fileno())
            task_vars = worker._variable_manager.get_vars(play=self._play, host=worker._host, task=task)
            result = execute(task, worker._host, task_vars, play_context, worker, _Unheard())
        facts = {} if result.get('failed') else plain(result.get('ansible_facts') or {})
        if layers and FACTS not in layers:
            # In the result of a job, they would be facts, and go into the cache of facts.
            result.pop('ansible_facts', None)
        host = task.delegate_to if task.delegate_to and task.delegate_facts else worker._host.name
        return result, {layer: {host: facts} for layer in layers if facts and not task.no_log}

    def _passwords(self) -> dict[str, str]:
        context = self.worker._play_context
        return {'conn_pass': context.password, 'become_pass': context.become_pass}


class _Item(Block):
    """What stands around the tasks of a branch: its variables are those of a loop.

    As in the foreground, they have precedence over variables that were set or registered, and over parameters of the
    includes and roles around. The variables of other blocks have not.
    """

    def get_include_params(self) -> dict[str, t.Any]:
        return {**super().get_include_params(), **self.vars}


class _Unheard:
    """In the place of the queue through which a worker reports to the main process: the result alone is of interest."""

    def send_callback(self, *args: t.Any, **kwargs: t.Any) -> None:
        pass

    send_task_result = send_display = send_prompt = send_callback


def _loop_variables(task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """The variables of the loop that *task_vars* are those of an item of."""
    names = [task_vars.get(name) for name in _LOOP[:2]]
    return {name: task_vars[name] for name in (*_LOOP, *names) if name and name in task_vars}


def registered_names(task: t.Any) -> list[str]:
    """The variables that *task* registers: from 2.21 on `register` may name several."""
    register = task.register
    return list(register) if isinstance(register, dict) else [str(register)] if register else []
