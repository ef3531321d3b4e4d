# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of an action plugin. Ansible's documentation describes them on `self`, for the plugin's own code only.

All exist from ansible-core 2.16 to 2.22. Private to this collection.
"""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

_DISCOVERY = (
    '_discovered_interpreter_key',  # 2.16 to 2.22
    '_discovered_interpreter',  # 2.16 to 2.22
    '_discovery_warnings',  # 2.16 to 2.18
    '_discovery_deprecation_warnings',  # 2.16 to 2.18
)
"""Where an action plugin keeps what interpreter discovery found."""


def task_of(action: ActionBase) -> t.Any:
    """The task that *action* runs."""
    return action._task


def connection_of(action: ActionBase) -> ConnectionBase:
    """The connection to the target of *action*."""
    return action._connection


def target_name(action: ActionBase, task_vars: dict[str, t.Any]) -> str:
    """The host that the task of *action* works on: that of `delegate_to`, or else that of the inventory."""
    return str(action._task.delegate_to or task_vars.get('inventory_hostname', ''))


def hides_result(action: ActionBase) -> bool:
    """Whether `no_log` hides what the task of *action* does."""
    return bool(action._task.no_log or action._play_context.no_log)


def template(action: ActionBase, value: t.Any) -> t.Any:
    """*value* with its templates filled in."""
    return action._templar.template(value)


def plugin_arguments(action: ActionBase) -> dict[str, t.Any]:
    """What the loader of action plugins needs, besides the task, to make one that runs in the place of *action*."""
    return {
        'connection': action._connection,
        'play_context': action._play_context,
        'loader': action._loader,
        'templar': action._templar,
        'shared_loader_obj': action._shared_loader_obj,
    }


def other_action(action: ActionBase, name: str) -> ActionBase:
    """The action plugin *name*, made for the task of *action*."""
    plugin: ActionBase = action._shared_loader_obj.action_loader.get(
        name, task=action._task, **plugin_arguments(action)
    )
    return plugin


def run_command(action: ActionBase, command: str, data: bytes | None) -> dict[str, t.Any]:
    """Run *command* on the target, with *data* on its standard input; a dict with rc, stdout and stderr."""
    return action._low_level_execute_command(command, in_data=data)


def run_module(action: ActionBase, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of the module *name*, run on the target now."""
    return action._execute_module(module_name=name, module_args=args, task_vars=task_vars)


def discovered_facts(action: ActionBase) -> dict[str, t.Any]:
    """The facts of interpreter discovery, if it happened in *action*; with them the next task need not repeat it."""
    key = action._discovered_interpreter_key
    return {key: action._discovered_interpreter} if key else {}


def discovery_of(action: ActionBase) -> dict[str, t.Any]:
    """What interpreter discovery found in *action*, as set_discovery() takes it. It can be pickled."""
    return {attribute: getattr(action, attribute) for attribute in _DISCOVERY if hasattr(action, attribute)}


def set_discovery(action: ActionBase, discovery: dict[str, t.Any]) -> None:
    """Tell *action* what interpreter discovery found in another one."""
    for attribute, value in discovery.items():
        setattr(action, attribute, value)


def tell_discovered_facts(action: ActionBase, task_vars: dict[str, t.Any], facts: dict[str, t.Any]) -> None:
    """Put *facts* (discovered_facts()) of the target of *action* where the rest of its task looks for them."""
    delegate = action._task.delegate_to
    variables = task_vars['ansible_delegated_vars'][delegate] if delegate else task_vars
    variables.setdefault('ansible_facts', {}).update(facts)


def remove_local_files(action: ActionBase) -> None:
    """Remove the files that the task of *action* has made on the controller, before its worker ends."""
    action._loader.cleanup_all_tmp_files()


def environment_of(action: ActionBase) -> dict[str, str]:
    """The environment variables that the connection's shell and the task's `environment` set for a module."""
    environment = {**getattr(action._connection._shell, 'env', {}), **task_environment_of(action)}
    return {str(key): str(value) for key, value in environment.items()}


def task_environment_of(action: ActionBase) -> dict[str, t.Any]:
    """The environment variables that the task's `environment` sets for a module."""
    environment: dict[str, t.Any] = {}
    action._compute_environment_string(environment)
    return environment


def remove_tmpdir(action: ActionBase, taken: str | None) -> None:
    """Remove the temporary directory of *action* on the target, also if it was *taken* (take_tmpdir())."""
    if taken is not None:
        action._connection._shell.tmpdir = taken
    action.cleanup(force=True)


def take_tmpdir(action: ActionBase) -> str | None:
    """The temporary directory of *action* on the target, which *action* does not remove any more; None if it has none."""
    shell = action._connection._shell
    tmpdir, shell.tmpdir = shell.tmpdir, None
    return tmpdir if action._should_remove_tmp_path(tmpdir) else None
