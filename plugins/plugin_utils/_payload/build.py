# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task -> what runs it on the target, and what it printed there -> the task's result.

The only file that knows ansible-core's private build calls. An action plugin in front of a module (command,
package, uri, ...) is run as ansible-core's own async runs it, and the module it ends in is caught instead of
sent. The result later goes through the same code of ansible-core that reads a synchronous module's output, so
that it is the synchronous task's result on every version. Private to this collection.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import hashlib
import inspect
import json
import pathlib
import shlex
import sys
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleActionSkip, AnsibleError
from ansible.executor.interpreter_discovery import InterpreterDiscoveryRequiredError, discover_interpreter
from ansible.executor.module_common import _get_shebang
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import action_loader, module_loader
from ansible.utils.vars import merge_hash
from ansible_collections.background.jobs.plugins.plugin_utils._payload.task import parse

try:
    from ansible.executor.module_common import _apply_action_arg_defaults, _BuiltModule
    from ansible.module_utils.common.json import Direction, get_module_encoder
except ImportError:  # ansible-core before 2.19
    from ansible.executor.module_common import get_action_args_with_defaults

    _BuiltModule = None

    def _apply_action_arg_defaults(action: str, task: t.Any, args: dict[str, t.Any], templar: t.Any) -> t.Any:
        return get_action_args_with_defaults(
            action, args, task.module_defaults, templar, action_groups=task._parent._play._action_groups
        )


_EXECUTE_MODULE = inspect.signature(ActionBase._execute_module)
_NOT_IN_BACKGROUND = "'%s' cannot run in the background: its action plugin %s."
_NO_ASYNC = 'does not support async'
_COMMANDS = 'runs commands on the target by itself'
_WAITS = 'goes on when it has sent its module to the target, and waits for it by itself'
# Whose commands are no work of an action plugin's own.
_HELPERS = (ActionBase.__module__, discover_interpreter.__module__)
# What an action plugin sees of its module, which has not even been sent: the shape ansible-core's async returns.
_PLACEHOLDER = {'started': True, 'finished': False, 'changed': True}
# ansible-core has no word for "in the background, without a limit", only a number that must not be 0.
_IN_BACKGROUND = 1
# Where a task keeps the full name of its action, from 2.19 on.
_RESOLVED = '_resolved_action'
# Where an action plugin keeps what interpreter discovery found; the last two until 2.18.
_DISCOVERED = (
    '_discovered_interpreter_key',
    '_discovered_interpreter',
    '_discovery_warnings',
    '_discovery_deprecation_warnings',
)


@dataclasses.dataclass
class Payload:
    """One module, ready to run: what the runtime needs, and what reads the module's output afterwards."""

    module: str
    argv: list[str]
    environment: dict[str, str]
    stdin: bool
    file: bytes
    """The module's own file, its arguments in it where it is of the new style."""
    args: bytes | None
    """The file of arguments that a module of the older styles reads."""
    tmpdir: str | None
    work: str
    """A digest of what the module does, equal in two runs of the same task."""
    facts: dict[str, t.Any]
    """Facts found while it was built: the interpreter that was discovered."""
    read: c.Callable[[dict[str, t.Any]], dict[str, t.Any]]
    """rc, stdout and stderr of the module's process -> the module's result."""
    extra: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    """What the action plugin in front of the module adds to that result."""

    def result(self, output: dict[str, t.Any]) -> dict[str, t.Any]:
        """The result that the synchronous task would have returned for this output (rc, stdout, stderr)."""
        return merge_hash(self.extra, self.read(output))


def build(action: ActionBase, task: t.Any, place: tuple[str | int, ...], task_vars: dict[str, t.Any]) -> Payload:
    """The payload of *task* (a mapping of one module name to its arguments) on the host of *action*.

    *place*: where it stands in the arguments of the action, for its errors.

    Raises AnsibleActionFail where it is no such task or cannot run in the background, AnsibleActionSkip where
    it cannot run in check mode.
    """
    name, args = parse(action, task, place)
    plugin_class, resolved = _found(name, tuple(action._task.collections or ()))
    if isinstance(action, plugin_class):
        raise AnsibleActionFail(f"'{name}' cannot run in the background: it starts jobs itself.")
    catcher = _Catcher()
    plugin = catcher.plugin(
        plugin_class,
        task=_inner_task(action, name, resolved, args),
        **around(action),
    )
    try:
        returned = plugin.run(task_vars=task_vars)
    except Exception as error:
        if catcher.caught is None:
            _clean_up(plugin, None)
            raise
        returned = {'failed': True, 'msg': error}
    caught = catcher.caught
    if caught is None or returned.get('failed'):
        _clean_up(plugin, caught)
    if caught is not None and returned.get('failed'):
        raise _waits_by_itself(name, returned.get('msg'))
    if caught is None:
        ended = AnsibleActionFail if returned.get('failed') else AnsibleActionSkip if returned.get('skipped') else None
        if ended:  # before it came to its module, as without us
            raise ended(returned.get('msg', 'no message'), result=returned)
        raise AnsibleActionFail(f"'{name}' cannot run in the background: its action plugin runs no module there.")
    caught.extra = {key: value for key, value in returned.items() if key not in _PLACEHOLDER}
    return caught


def _clean_up(plugin: ActionBase, caught: Payload | None) -> None:
    """Remove the temporary directory of *plugin* on the target, which no job will remove."""
    if caught is not None:
        plugin._connection._shell.tmpdir = caught.tmpdir
    plugin.cleanup(force=True)


def _waits_by_itself(name: str, error: t.Any) -> AnsibleActionFail:
    """What to raise for an action plugin that has failed with *error* after it had sent its module."""
    return AnsibleActionFail(
        f"{_NOT_IN_BACKGROUND % (name, _WAITS)} Make it a task of its own. If its documentation asks for async, set async "
        f'and poll of that task as it says. (The action plugin failed with: {error})'
    )


def around(action: ActionBase) -> dict[str, t.Any]:
    """What an action plugin that runs in the place of *action* is made with, beside its task."""
    return {
        'connection': action._connection,
        'play_context': action._play_context,
        'loader': action._loader,
        'templar': action._templar,
        'shared_loader_obj': action._shared_loader_obj,
    }


@functools.cache  # a hundred `tasks` are mostly of one module, and ansible-core looks for it on the disk each time
def _found(name: str, collections: tuple[str, ...]) -> tuple[type[ActionBase], str]:
    """The action plugin that ansible-core's executor would choose for *name*, and the full name of the module."""
    wanted = list(collections)
    module = module_loader.find_plugin_with_context(name, collection_list=wanted)
    resolved = module.resolved_fqcn or name
    if module.resolved and module.action_plugin:
        return action_loader.get(module.action_plugin, class_only=True), resolved
    if action_loader.has_plugin(name, collection_list=wanted):
        return action_loader.get(name, class_only=True, collection_list=wanted), resolved
    return action_loader.get('ansible.legacy.normal', class_only=True), resolved


def _inner_task(action: ActionBase, name: str, resolved: str, args: dict[str, t.Any]) -> t.Any:
    """The task object that the inner plugin sees: this task, but for what it runs."""
    task = action._task.copy(exclude_parent=True, exclude_tasks=True)
    task._parent = action._task._parent
    task.action = name
    task.async_val, task.poll = _IN_BACKGROUND, 0
    setattr(task, _RESOLVED if hasattr(task, _RESOLVED) else 'resolved_action', resolved)
    task.args = _apply_action_arg_defaults(resolved, task, args, action._templar)
    return task


class _Admission(ActionBase):
    """Between an action plugin and ActionBase: lets in what can run in the background, in check mode too."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        if not self._supports_async:
            raise AnsibleActionFail(_NOT_IN_BACKGROUND % (self._task.action, _NO_ASYNC))
        self._task.async_val = 0  # ansible-core before 2.18 refuses check mode together with async
        try:
            return super().run(tmp, task_vars)
        finally:
            self._task.async_val = _IN_BACKGROUND


class _Catcher:
    """Makes action plugins whose last step, sending a module to run in the background, ends here instead."""

    def __init__(self) -> None:
        self.caught: Payload | None = None

    def plugin(self, plugin_class: type[ActionBase], **kwargs: t.Any) -> ActionBase:
        plugin: ActionBase = self._in_background(plugin_class)(**kwargs)
        plugin._shared_loader_obj = _Loaders(self, plugin._shared_loader_obj)
        return plugin

    def _in_background(self, plugin_class: t.Any) -> t.Any:
        catcher = self

        class InBackground(plugin_class, _Admission):
            def _execute_module(self, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
                call = _EXECUTE_MODULE.bind(self, *args, **kwargs).arguments
                if not call.get('wrap_async'):  # the plugin looks around first: `package` asks for facts
                    return super()._execute_module(*args, **kwargs)
                name = call.get('module_name') or self._task.action
                module_args = dict(self._task.args if call.get('module_args') is None else call['module_args'])
                options = {key: call[key] for key in ('ignore_unknown_opts',) if key in call}  # from 2.19 on
                self._update_module_args(name, module_args, call.get('task_vars') or {}, **options)
                catcher.caught = _catch(self, name, module_args, call.get('task_vars') or {})
                return dict(_PLACEHOLDER)

            def _low_level_execute_command(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
                # Helpers of ActionBase may (temporary directories, facts, interpreter discovery); a plugin that runs
                # commands by itself does its work before there is a module to catch: `reboot` of 2.16 claims to
                # support async, and reboots.
                if sys._getframe(1).f_globals.get('__name__') not in _HELPERS:
                    raise AnsibleActionFail(_NOT_IN_BACKGROUND % (self._task.action, _COMMANDS))
                return super()._low_level_execute_command(*args, **kwargs)

        return InBackground


class _Loaders:
    """ansible-core's plugin loaders as an action plugin sees them: one that it asks for is caught as well.

    `shell` is nothing but such a call for `command`.
    """

    def __init__(self, catcher: _Catcher, loaders: t.Any) -> None:
        self._catcher = catcher
        self._loaders = loaders
        self.action_loader = self

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._loaders, name)

    def get(self, name: str, *, collection_list: t.Any = None, class_only: bool = False, **kwargs: t.Any) -> t.Any:
        plugin_class = self._loaders.action_loader.get(name, class_only=True, collection_list=collection_list)
        return plugin_class if class_only or plugin_class is None else self._catcher.plugin(plugin_class, **kwargs)


def _resolved(task: t.Any) -> str:
    return getattr(task, _RESOLVED, None) or task.resolved_action


def _catch(plugin: ActionBase, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Payload:
    # Of ActionBase: mitogen puts one that refuses in front of it, since it builds no such files.
    configured = ActionBase._configure_module(plugin, module_name=name, module_args=args, task_vars=task_vars)
    style, shebang, data = _bits(configured)
    interpreter = shlex.split(shebang.lstrip('#!')) if shebang else []
    python = style == 'new' and 'python' in pathlib.PurePosixPath(interpreter[0]).name
    argv, args_file = interpreter if python else [*interpreter, '{job}/payload'], None
    if style != 'new':
        argv, args_file = [*argv, '{job}/args'], _args_file(configured, args)
    environment: dict[str, t.Any] = {}
    plugin._compute_environment_string(environment)
    work = _work(plugin._task, environment)
    environment = {**getattr(plugin._connection._shell, 'env', {}), **environment}
    return Payload(
        module=_resolved(plugin._task),
        argv=argv,
        file=data,
        args=args_file,
        stdin=python,
        environment={str(key): str(value) for key, value in environment.items()},
        tmpdir=_take_tmpdir(plugin),
        work=work,
        facts=discovered(plugin),
        read=functools.partial(_read, plugin, _as_pipelined(configured), task_vars),
    )


def _work(task: t.Any, environment: dict[str, t.Any]) -> str:
    """A digest of module, arguments, `environment` and check mode.

    The arguments are those of the task. Those of the module have paths of temporary directories and variables of
    ansible-core in them, which are not the same in the next run.
    """
    written = json.dumps(_plain([_resolved(task), task.args, environment, bool(task.check_mode)]))
    return hashlib.sha256(written.encode()).hexdigest()


def _plain(value: t.Any) -> t.Any:
    """*value* in lists and texts, the same for equal values."""
    if isinstance(value, c.Mapping):
        return sorted(([str(key), _plain(item)] for key, item in value.items()), key=lambda pair: pair[0])
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)


def discovered(action: ActionBase) -> dict[str, t.Any]:
    """The facts of interpreter discovery, where it happened in the task of *action*; the next task need not repeat it."""
    key = action._discovered_interpreter_key
    return {key: action._discovered_interpreter} if key else {}


def _bits(configured: t.Any) -> tuple[str, str | None, bytes]:
    """(style, shebang, file) of what _configure_module returned."""
    if isinstance(configured[0], str):  # ansible-core before 2.19
        style, shebang, data, path = configured
    else:
        built, path = configured
        style, shebang, data = built.module_style, built.shebang, built.b_module_data
    if not shebang and style != 'binary':
        raise AnsibleActionFail(f"The module {path} has no interpreter line.")
    return style, shebang, data or pathlib.Path(path).read_bytes()


def python_of(action: ActionBase, task_vars: dict[str, t.Any]) -> list[str] | None:
    """The command of the target's Python, or None where ansible-core has not found it out yet."""
    if action._task.delegate_to:
        task_vars = task_vars['ansible_delegated_vars'][action._task.delegate_to]
    local = bool(getattr(action._connection, '_remote_is_local', False))
    try:
        shebang = _get_shebang('/usr/bin/python', task_vars, action._templar, remote_is_local=local)[0]
    except InterpreterDiscoveryRequiredError:
        return None
    return shlex.split(shebang.lstrip('#!'))


def _as_pipelined(configured: t.Any) -> t.Any:
    """*configured* in the style whose execution needs no file on the target, but an interpreter, which a binary has not."""
    if isinstance(configured[0], str):
        return ('new', configured[1] or '#!', *configured[2:])
    return dataclasses.replace(configured[0], module_style='new', shebang=configured[0].shebang or '#!'), configured[1]


def _args_file(configured: t.Any, args: dict[str, t.Any]) -> bytes:
    """The arguments of a module that reads them from a file, as ansible-core writes that file."""
    if _bits(configured)[0] == 'old':
        return ''.join(f'{key}={shlex.quote(str(value))} ' for key, value in args.items()).encode()
    if isinstance(configured[0], str):
        return json.dumps(args).encode()
    encoder = get_module_encoder(configured[0].serialization_profile, Direction.CONTROLLER_TO_MODULE)
    return json.dumps(args, cls=encoder).encode()


def _take_tmpdir(plugin: ActionBase) -> str | None:
    """The plugin's temporary directory on the target, which is the job's from now on (`uri` puts files there)."""
    shell = plugin._connection._shell
    tmpdir, shell.tmpdir = shell.tmpdir, None
    return tmpdir if plugin._should_remove_tmp_path(tmpdir) else None


class _Reader(ActionBase):
    """Reads what a module printed with ansible-core's own code, by handing it the output instead of running it."""

    configured: t.Any
    output: dict[str, t.Any]

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """The result; *task_vars* as for an action."""
        return self._execute_module(module_name=self._task.action, module_args={}, task_vars=task_vars)

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        return True  # nothing is to be put on the target

    def _configure_module(self, module_name: str, module_args: t.Any, task_vars: t.Any) -> t.Any:
        return self.configured

    def _low_level_execute_command(self, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
        return {**self.output, 'stdout_lines': [], 'stderr_lines': []}


def _read(
    action: ActionBase,
    configured: t.Any,
    task_vars: dict[str, t.Any],
    output: dict[str, t.Any],
) -> dict[str, t.Any]:
    reader = _Reader(
        task=action._task,
        **around(action),
    )
    reader.configured, reader.output = configured, output
    for attribute in _DISCOVERED:
        if hasattr(action, attribute):
            setattr(reader, attribute, getattr(action, attribute))
    try:
        return reader.run(task_vars=task_vars)
    except AnsibleError as error:  # ansible-core refuses it (not UTF-8, say); what is known of the job still counts
        return {'failed': True, 'changed': False, 'msg': error.message}


def read_result(action: ActionBase, result: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """A module's result from a job file, as ansible-core would have read it from the module itself."""
    return read_output(action, task_vars, {'rc': 0, 'stdout': json.dumps(result), 'stderr': ''})


def read_output(action: ActionBase, task_vars: dict[str, t.Any], output: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of a module that another task sent, from what it printed (rc, stdout, stderr)."""
    configured = (
        ('new', '#!', b'', '')
        if _BuiltModule is None
        else (_BuiltModule(b_module_data=b'', module_style='new', shebang='#!', serialization_profile='legacy'), '')
    )
    return _read(action, configured, task_vars, output)
