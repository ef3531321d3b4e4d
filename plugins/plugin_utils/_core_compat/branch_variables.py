# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that the tasks of a branch set, each in the layer of precedence that it belongs to.

Private names of ansible-core, all of them in 2.16 to 2.22 unless marked:

- ``VariableManager._fact_cache, _vars_cache, _nonpersistent_fact_cache``
- ``StrategyBase._process_pending_results``, ``StrategyBase._variable_manager``
- ``TaskResult._result, _host``, before 2.19; ``_RawTaskResult._return_data``, 2.19 and 2.20
- ``ansible._internal._task.TaskContext``, ``PendingChanges.register_host_variables``, from 2.21 on

Private to this collection.
"""

from __future__ import annotations

import collections.abc as c
import functools
import multiprocessing
import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.strategy import StrategyBase
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.executor import plain
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import resolved_action

try:
    from ansible._internal._task import PendingChanges, TaskContext
except ImportError:  # ansible-core before 2.21
    PendingChanges = TaskContext = None

FACTS, INCLUDED, SET = 'facts', 'included', 'set'
"""The layers, the weakest first: facts, what include_vars reads, and what set_fact and `register` set."""

Layers = dict[str, dict[str, dict[str, t.Any]]]
"""Layer -> host -> variable -> value."""

_SETTERS = {'set_host_facts': FACTS, 'set_host_variable': INCLUDED, 'set_nonpersistent_facts': SET}
"""The methods of VariableManager that set variables of a host, and the layers that they set them in."""
_KEY = '_ansible_background_jobs_layers'
"""Where a result has layers before 2.21. Callbacks and registered variables leave keys out that begin like this."""

_NO_JOIN = (
    'The variables of a branch cannot be set in this play: its strategy did not load the action of this task in the main '
    'process of ansible. The result of the branch can be looked at with async_status.'
)

_pid_of_main: int | None = None
"""The process in which apply_joined_layers() was called."""


class SetVariables:
    """Those that are set from now on by the play that *variable_manager* belongs to."""

    def __init__(self, variable_manager: t.Any) -> None:
        self._variable_manager = variable_manager
        self._changed: dict[tuple[str, str, str], None] = {}
        self._hidden: set[str] = set()
        self._recent: set[str] = set()
        for name, layer in _SETTERS.items():
            setattr(variable_manager, name, self._tracked(getattr(variable_manager, name), layer))

    def _tracked(self, setter: c.Callable[..., None], layer: str) -> c.Callable[..., None]:
        @functools.wraps(setter)
        def tracked(host: str, variables: t.Any, *value: t.Any) -> None:
            setter(host, variables, *value)
            names = [variables] if value else list(variables)
            self._recent.update(names)
            self._changed.update(((layer, str(host), str(name)), None) for name in names)

        return tracked

    def task_started(self) -> None:
        """A task starts; all that earlier ones set and registered is set."""
        self._recent.clear()

    def hide(self, registered: c.Iterable[str]) -> None:
        """Keep back what the task that has just ended has set, and what it is about to register: `no_log` hides it."""
        self._hidden.update(self._recent, registered)

    def layers(self) -> Layers:
        """What has been set, and what `no_log` does not hide."""
        layers: Layers = {}
        for layer, host, name in self._changed:
            values = self._values(layer, host)
            if name not in self._hidden and name in values:
                layers.setdefault(layer, {}).setdefault(host, {})[name] = plain(values[name])
        return layers

    def _values(self, layer: str, host: str) -> c.Mapping[str, t.Any]:
        manager = self._variable_manager
        if layer == FACTS:
            try:
                return t.cast('c.Mapping[str, t.Any]', manager._fact_cache.get(host) or {})
            except KeyError:  # `meta: clear_facts`
                return {}
        cache = manager._vars_cache if layer == INCLUDED else manager._nonpersistent_fact_cache
        return t.cast('c.Mapping[str, t.Any]', cache.get(host, {}))


def layers_of_action(task: t.Any) -> tuple[str, ...]:
    """The layers of what the result of *task* has as `ansible_facts`. Ask before it runs: set_fact forgets its `cacheable`."""
    action = resolved_action(task)
    if action == 'ansible.builtin.set_fact':
        return (FACTS, SET) if boolean(task.args.get('cacheable', False)) else (SET,)
    if action == 'ansible.builtin.include_vars':
        return (INCLUDED,)
    return () if action == 'ansible.builtin.debug' else (FACTS,)


class _WithLayers(dict):  # type: ignore[type-arg]
    """In the place of PendingChanges.register_host_variables, of 2.21 and later: brings layers along, which nobody else sees."""

    layers: Layers


def join(result: dict[str, t.Any], layers: Layers) -> dict[str, t.Any]:
    """*result* of the action that runs now, which brings *layers* to ansible's main process, also if it failed.

    Raises AnsibleActionFail where the main process would not set them.
    """
    if not is_applied():
        raise AnsibleActionFail(_NO_JOIN)
    if PendingChanges is None:
        return {**result, _KEY: layers}
    pending = TaskContext.current().pending_changes
    pending.register_host_variables = _WithLayers(pending.register_host_variables)
    pending.register_host_variables.layers = layers
    return result


def is_applied() -> bool:
    """Whether the main process of this worker has called apply_joined_layers()."""
    main = multiprocessing.parent_process()
    return main is not None and main.pid == _pid_of_main


def apply_joined_layers() -> None:
    """From now on, set the variables that results of tasks bring with them (join()). Call it in ansible's main process.

    ansible-core itself sets variables of one layer for each result, and none of a result that failed.
    """
    global _pid_of_main
    _pid_of_main = os.getpid()
    process: t.Any = StrategyBase._process_pending_results
    if not hasattr(process, 'applies_layers'):
        StrategyBase._process_pending_results = _applying(process)


def _applying(process: c.Callable[..., list[t.Any]]) -> c.Callable[..., list[t.Any]]:
    @functools.wraps(process)
    def applying(self: t.Any, *args: t.Any, **kwargs: t.Any) -> list[t.Any]:
        results = process(self, *args, **kwargs)
        for result in results:
            for layers in layers_of(result):
                _apply(self._variable_manager, layers)
        return results

    t.cast('t.Any', applying).applies_layers = True
    return applying


def layers_of(result: t.Any) -> list[Layers]:
    """The layers in *result* of a task, and in those of its loop."""
    if PendingChanges is None:
        data = result._return_data if hasattr(result, '_return_data') else result._result
        return [item.pop(_KEY) for item in (data, *_items(data.get('results'))) if _KEY in item]
    try:
        pending = [item.pending_changes for item in (result.utr, *(result.utr.loop_results or []))]
    except AttributeError:  # in a later ansible-core: plays without branches must not suffer from that
        return []
    found = [getattr(changes, 'register_host_variables', None) for changes in pending]
    return [variables.layers for variables in found if isinstance(variables, _WithLayers)]


def _items(results: t.Any) -> list[dict[str, t.Any]]:
    """The results of the items of a loop, where *results* are such: a module may return anything under this key."""
    return [item for item in results if isinstance(item, dict)] if isinstance(results, list) else []


def _apply(variable_manager: t.Any, layers: Layers) -> None:
    layers = wrap_var(layers)  # what a target printed is no template
    for host, variables in layers.get(FACTS, {}).items():
        variable_manager.set_host_facts(host, variables)
    for host, variables in layers.get(INCLUDED, {}).items():
        for name, value in variables.items():
            variable_manager.set_host_variable(host, name, value)
    for host, variables in layers.get(SET, {}).items():
        variable_manager.set_nonpersistent_facts(host, variables)
