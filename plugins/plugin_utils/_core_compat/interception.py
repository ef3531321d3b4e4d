# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes the place of the step in which an action plugin sends its module to the target. Private to this collection.

The methods of ActionBase that are replaced here exist from ansible-core 2.16 to 2.22, unless marked.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import functools
import inspect
import sys
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.executor.interpreter_discovery import discover_interpreter
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import (
    plugin_arguments,
    set_discovery,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_build import BuiltModule
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.watchdog import Watchdog

IN_BACKGROUND = 1
"""The `async` of a task that runs in the background. ansible-core has no word for "no limit", only a number above 0."""
_EXECUTE_MODULE = inspect.signature(ActionBase._execute_module)
_NO_ASYNC = "The action plugin of '%s' does not support async."
_COMMANDS = "The action plugin of '%s' runs commands on the target by itself."
_HELPERS = (ActionBase.__module__, discover_interpreter.__module__)
"""The modules of ansible-core whose commands on the target are not an action plugin's own work."""


class Interceptor(t.Protocol):
    """What an intercepted action plugin meets."""

    def send(
        self, plugin: ActionBase, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        """Called in place of sending the module *name* with *args*; the result that *plugin* sees."""

    def refuse(self) -> None:
        """Called when the plugin turns out to do its work on the controller. The plugin sees an AnsibleActionFail."""


class TimeLimit:
    """Bounds the commands and modules that an action plugin runs on the target before it sends its module.

    *seconds*: for each of them, None without a limit. Raises AnsibleConnectionFailure. Uploads of files are not bounded.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._is_entered = False

    @contextlib.contextmanager
    def bound(self) -> c.Iterator[None]:
        """Bound what runs meanwhile; within a bounded module, its commands have no limits of their own."""
        if self._is_entered:
            yield
            return
        self._is_entered = True
        try:
            with Watchdog(
                self._seconds, f'The host did not answer within {self._seconds or 0:g} s. No job has been started.'
            ):
                yield
        finally:
            self._is_entered = False


def intercepted(
    plugin_class: type[ActionBase], interceptor: Interceptor, limit: TimeLimit, **arguments: t.Any
) -> ActionBase:
    """An action plugin of *plugin_class*, made with *arguments*, that calls *interceptor* in place of sending its module.

    It ends before it has done anything if it does not support async, or does its work by commands on the target.
    """
    plugin: ActionBase = _in_background(plugin_class, interceptor, limit)(**arguments)
    plugin._shared_loader_obj = _Loaders(plugin._shared_loader_obj, interceptor, limit)
    return plugin


class _Admission(ActionBase):
    """Stands between an action plugin and ActionBase: admits what supports async, in check mode too."""

    interceptor: Interceptor

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        if not self._supports_async:
            self._refuse(_NO_ASYNC)
        self._task.async_val = 0  # ansible-core before 2.18 refuses check mode together with async
        try:
            return super().run(tmp, task_vars)
        finally:
            self._task.async_val = IN_BACKGROUND

    def _refuse(self, why: str) -> t.NoReturn:
        self.interceptor.refuse()
        raise AnsibleActionFail(why % self._task.action)


_WORDS_OF_ASYNC = ('_supports_async', 'async_val', 'action_loader')
"""One of these is in the code of each action plugin that supports async: it says so, hands the task's `async` to its module,
or asks for another action plugin, as `shell` does."""


@functools.cache
def _knows_async(plugin_class: type[ActionBase]) -> bool:
    """Whether *plugin_class* may support async, as far as its code tells.

    ActionBase.run() asks for that, but a plugin need not call it, and would do all its work before anybody knows.
    """
    own = plugin_class.__mro__[: plugin_class.__mro__.index(ActionBase)]
    try:
        sources = [inspect.getsource(sys.modules[one.__module__]) for one in own]
    except (KeyError, OSError, TypeError):  # there is no source
        return True
    return any(word in source for source in sources for word in _WORDS_OF_ASYNC)


def _in_background(plugin_class: t.Any, interceptor: Interceptor, limit: TimeLimit) -> t.Any:
    class InBackground(plugin_class, _Admission):
        def run(self, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
            if not _knows_async(plugin_class):
                self._refuse(_NO_ASYNC)
            return super().run(*args, **kwargs)

        def _execute_module(self, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
            call = _EXECUTE_MODULE.bind(self, *args, **kwargs).arguments
            if not call.get('wrap_async'):  # the plugin looks around first: `package` asks for facts
                with limit.bound():
                    return super()._execute_module(*args, **kwargs)
            name = call.get('module_name') or self._task.action
            module_args = dict(self._task.args if call.get('module_args') is None else call['module_args'])
            options = {key: call[key] for key in ('ignore_unknown_opts',) if key in call}  # from 2.19 on
            self._update_module_args(name, module_args, call.get('task_vars') or {}, **options)
            return interceptor.send(self, name, module_args, call.get('task_vars') or {})

        def _low_level_execute_command(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
            # Helpers of ActionBase may run commands (temporary directories, facts, interpreter discovery). A plugin that
            # runs them by itself does its work before it sends a module: `reboot` of 2.16 claims to support async, and
            # reboots.
            if sys._getframe(1).f_globals.get('__name__') not in _HELPERS:
                self._refuse(_COMMANDS)
            with limit.bound():
                return super()._low_level_execute_command(*args, **kwargs)

    InBackground.interceptor = interceptor
    return InBackground


class _Loaders:
    """ansible-core's plugin loaders as an action plugin sees them: an action plugin that it asks for is intercepted too.

    `shell` does nothing but ask for `command`.
    """

    def __init__(self, loaders: t.Any, interceptor: Interceptor, limit: TimeLimit) -> None:
        self._loaders = loaders
        self._interceptor = interceptor
        self._limit = limit
        self.action_loader = self

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._loaders, name)

    def get(self, name: str, *, collection_list: t.Any = None, class_only: bool = False, **kwargs: t.Any) -> t.Any:
        plugin_class = self._loaders.action_loader.get(name, class_only=True, collection_list=collection_list)
        if class_only or plugin_class is None:
            return plugin_class
        return intercepted(plugin_class, self._interceptor, self._limit, **kwargs)


class _Reader(ActionBase):
    """Has ansible-core read what a module printed, by handing it the output instead of running the module."""

    module: BuiltModule
    output: dict[str, t.Any]

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        return self._execute_module(module_name=self._task.action, module_args={}, task_vars=task_vars)

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        return True  # nothing is to be put on the target

    def _configure_module(self, module_name: str, module_args: t.Any, task_vars: t.Any) -> t.Any:
        return self.module.configured

    def _low_level_execute_command(self, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
        return {**self.output, 'stdout_lines': [], 'stderr_lines': []}


def result_of_output(
    action: ActionBase,
    task: t.Any,
    module: BuiltModule,
    output: dict[str, t.Any],
    task_vars: dict[str, t.Any],
    discovery: dict[str, t.Any],
) -> dict[str, t.Any]:
    """The result that ansible-core reads from *output* (rc, stdout, stderr) of *module*, which *task* has sent.

    *action*: the plugin that wants to know it. *discovery*: of the plugin that has sent the module. Raises AnsibleError for
    output that ansible-core refuses: output that is not UTF-8, for one.
    """
    reader = _Reader(task=task, **plugin_arguments(action))
    reader.module, reader.output = module.for_reading(), output
    set_discovery(reader, discovery)
    return reader.run(task_vars=task_vars)
