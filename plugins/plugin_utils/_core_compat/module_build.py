# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How ansible-core makes the file of a module, and chooses the interpreter for it. Private to this collection."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shlex
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.executor.interpreter_discovery import InterpreterDiscoveryRequiredError
from ansible.executor.module_common import _get_shebang  # 2.16 to 2.22
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.connection import is_local

try:  # all from 2.19 on
    from ansible.executor.module_common import _apply_action_arg_defaults, _BuiltModule
    from ansible.module_utils.common.json import Direction, get_module_encoder
except ImportError:
    from ansible.executor.module_common import get_action_args_with_defaults  # 2.16 to 2.18

    _BuiltModule = None

    def _apply_action_arg_defaults(action: str, task: t.Any, args: dict[str, t.Any], templar: t.Any) -> t.Any:
        return get_action_args_with_defaults(
            action, args, task.module_defaults, templar, action_groups=task._parent._play._action_groups
        )


def with_defaults(action: ActionBase, resolved_action: str, task: t.Any, args: dict[str, t.Any]) -> dict[str, t.Any]:
    """*args* with the `module_defaults` of *task* for *resolved_action*."""
    return t.cast('dict[str, t.Any]', _apply_action_arg_defaults(resolved_action, task, args, action._templar))


def python_command(action: ActionBase, task_vars: dict[str, t.Any]) -> list[str] | None:
    """The command of the target's Python, or None where ansible-core has not found it out yet."""
    delegate = action._task.delegate_to
    if delegate:
        task_vars = task_vars['ansible_delegated_vars'][delegate]
    local = is_local(action._connection)
    try:
        shebang = _get_shebang('/usr/bin/python', task_vars, action._templar, remote_is_local=local)[0]
    except InterpreterDiscoveryRequiredError:
        return None
    return shlex.split(shebang.lstrip('#!'))


class BuiltModule:
    """The file of a module, as ansible-core has made it.

    *configured*: what `ActionBase._configure_module` returned: `(style, shebang, data, path)` in 2.16 to 2.18,
    `(_BuiltModule, path)` from 2.19 on.
    """

    def __init__(self, configured: tuple[t.Any, ...]) -> None:
        self.configured = configured
        if isinstance(configured[0], str):
            self.style, shebang, data, path = configured
        else:
            built, path = configured
            self.style, shebang, data = built.module_style, built.shebang, built.b_module_data
        if not shebang and self.style != 'binary':
            raise AnsibleActionFail(f"The module {path} has no interpreter line.")
        self.interpreter: list[str] = shlex.split(shebang.lstrip('#!')) if shebang else []
        self._path = path
        self._data: bytes | None = data

    @classmethod
    def build(cls, action: ActionBase, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> BuiltModule:
        """The file of the module *name* with *args*."""
        # Call it on ActionBase: mitogen's own `_configure_module` raises an error, because mitogen builds no files.
        return cls(ActionBase._configure_module(action, module_name=name, module_args=args, task_vars=task_vars))

    @classmethod
    def unknown(cls) -> BuiltModule:
        """Stands for the module of a job that another task has started: enough to read what it printed."""
        if _BuiltModule is None:
            return cls(('new', '#!', b'', ''))
        module = _BuiltModule(b_module_data=b'', module_style='new', shebang='#!', serialization_profile='legacy')
        return cls((module, ''))

    def file(self) -> bytes:
        """The content of the file."""
        return self._data or pathlib.Path(self._path).read_bytes()

    def arguments_file(self, args: dict[str, t.Any]) -> bytes:
        """The content of the file that a module of an older style reads its arguments from."""
        if self.style == 'old':
            return ''.join(f'{key}={shlex.quote(str(value))} ' for key, value in args.items()).encode()
        if isinstance(self.configured[0], str):
            return json.dumps(args).encode()
        encoder = get_module_encoder(self.configured[0].serialization_profile, Direction.CONTROLLER_TO_MODULE)
        return json.dumps(args, cls=encoder).encode()

    def without_file(self) -> BuiltModule:
        """This module for those who only read what it printed. It can be pickled."""
        if isinstance(self.configured[0], str):
            return BuiltModule((*self.configured[:2], b'', ''))
        return BuiltModule((dataclasses.replace(self.configured[0], b_module_data=b''), ''))

    def for_reading(self) -> BuiltModule:
        """This module in a style that needs no file on the target, only an interpreter, which a binary has not."""
        if isinstance(self.configured[0], str):
            return BuiltModule(('new', self.configured[1] or '#!', *self.configured[2:]))
        built, path = self.configured
        return BuiltModule((dataclasses.replace(built, module_style='new', shebang=built.shebang or '#!'), path))
