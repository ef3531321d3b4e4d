# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task -> what runs it on the target.

An action plugin in front of a module (command, package, uri, ...) runs as ansible-core's own async runs it, and the
module that it ends in is caught instead of sent. Private to this collection.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleActionSkip
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import action_loader, module_loader
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import (
    plugin_arguments,
    remove_tmpdir,
    task_of,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.constants import TASK_BRINGERS
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.interception import (
    IN_BACKGROUND,
    TimeLimit,
    intercepted,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_build import with_defaults
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import task_with_other_action
from ansible_collections.background.jobs.plugins.plugin_utils._payload.catcher import PLACEHOLDER, Catcher
from ansible_collections.background.jobs.plugins.plugin_utils._payload.payload import Payload
from ansible_collections.background.jobs.plugins.plugin_utils._payload.task import parse

_WAITS = (
    "'%s' cannot run in the background: its action plugin goes on when it has sent its module to the target, and waits for "
    'it by itself. Make it a task of its own, or one of a block. If its documentation asks for async, set async and poll of '
    'that task as it says. (The action plugin failed with: %s)'
)


class RunsOnController(Exception):
    """The task cannot run as a module on the target: its action plugin, or an include, does its work on the controller.

    *name*, *args_of_task*: what `task` says.
    """

    def __init__(self, name: str, args: dict[str, t.Any]) -> None:
        super().__init__(name)
        self.name = name
        self.args_of_task = args


def build(
    action: ActionBase, task: t.Any, path: tuple[str | int, ...], task_vars: dict[str, t.Any], within: float | None
) -> Payload:
    """The payload of *task* (a mapping of one module name to its arguments) on the host of *action*.

    *path*: where it stands in the arguments of the action, for its errors. *within*: seconds for each command on the
    target that this takes: interpreter discovery, or the facts that `package` looks up. None: no limit.

    Raises RunsOnController, AnsibleActionFail if it is no such task or cannot run in the background, AnsibleActionSkip if
    it cannot run in check mode, AnsibleConnectionFailure if the host cannot be reached or does not answer in time.
    """
    name, args = parse(action, task, path)
    if name in TASK_BRINGERS:
        raise RunsOnController(name, args)
    plugin_class, resolved = _plugin_and_module(name, tuple(task_of(action).collections or ()))
    if isinstance(action, plugin_class):
        raise AnsibleActionFail(f"'{name}' cannot run in the background: it starts jobs itself.")
    catcher = Catcher()
    inner_task = _inner_task(action, name, resolved, args)
    plugin = intercepted(plugin_class, catcher, TimeLimit(within), task=inner_task, **plugin_arguments(action))
    try:
        returned = plugin.run(task_vars=task_vars)
    except Exception as error:
        if catcher.caught is None and not catcher.is_refused:
            remove_tmpdir(plugin, None)
            raise
        returned = {'failed': True, 'msg': error}
    if catcher.is_refused:
        remove_tmpdir(plugin, None)
        raise RunsOnController(name, args)
    try:
        return _payload_of(name, catcher.caught, returned)
    except (AnsibleActionFail, AnsibleActionSkip):
        remove_tmpdir(plugin, catcher.caught.tmpdir if catcher.caught else None)  # no job will do so
        raise


def _payload_of(name: str, caught: Payload | None, returned: dict[str, t.Any]) -> Payload:
    """The payload of the task *name*, whose action plugin has sent *caught* and then *returned*.

    Raises AnsibleActionFail if the plugin has sent nothing, or was not content with the PLACEHOLDER; AnsibleActionSkip if it
    has skipped its task.
    """
    if caught is not None and returned.get('failed'):
        raise AnsibleActionFail(_WAITS % (name, returned.get('msg')))
    if caught is None:
        ended = AnsibleActionFail if returned.get('failed') else AnsibleActionSkip if returned.get('skipped') else None
        if ended:  # before the plugin sent its module, as in a synchronous task
            raise ended(returned.get('msg', 'no message'), result=returned)
        raise AnsibleActionFail(f"'{name}' cannot run in the background: its action plugin runs no module there.")
    extra = {key: value for key, value in returned.items() if key not in PLACEHOLDER}
    return dataclasses.replace(caught, reading=dataclasses.replace(caught.reading, extra=extra))


@functools.cache  # a hundred `tasks` are mostly of one module, and ansible-core looks for it on the disk each time
def _plugin_and_module(name: str, collections: tuple[str, ...]) -> tuple[type[ActionBase], str]:
    """The action plugin that ansible-core's executor would choose for *name*, and the full name of the module."""
    searched = list(collections)
    module = module_loader.find_plugin_with_context(name, collection_list=searched)
    resolved = module.resolved_fqcn or name
    if module.resolved and module.action_plugin:
        return action_loader.get(module.action_plugin, class_only=True), resolved
    if action_loader.has_plugin(name, collection_list=searched):
        return action_loader.get(name, class_only=True, collection_list=searched), resolved
    return action_loader.get('ansible.legacy.normal', class_only=True), resolved


def _inner_task(action: ActionBase, name: str, resolved: str, args: dict[str, t.Any]) -> t.Any:
    """The task that the inner plugin sees: that of *action*, except for what it runs."""
    task = task_with_other_action(task_of(action), name, resolved)
    task.async_val, task.poll = IN_BACKGROUND, 0
    task.args = with_defaults(action, resolved, task, args)
    return task
