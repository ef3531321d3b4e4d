# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Catches the module that an action plugin ends in. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import hashlib
import json
import pathlib
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import (
    discovered_facts,
    discovery_of,
    environment_of,
    take_tmpdir,
    task_environment_of,
    task_of,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_build import BuiltModule
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import resolved_action
from ansible_collections.background.jobs.plugins.plugin_utils._payload.payload import Payload
from ansible_collections.background.jobs.plugins.plugin_utils._payload.reader import Reading
from ansible_collections.background.jobs.plugins.plugin_utils._payload.summary import summary_of

PLACEHOLDER = {'started': True, 'finished': False, 'changed': True}
"""What an action plugin sees of its module, which has not been sent yet: the shape that ansible-core's async returns."""


class Catcher:
    """Keeps the module that an action plugin sends."""

    def __init__(self) -> None:
        self.caught: Payload | None = None
        """None until the plugin has sent one."""
        self.is_refused = False
        """Whether the plugin has to run on the controller."""

    def send(
        self, plugin: ActionBase, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        """Keep the module *name* with *args*, which *plugin* sends; what *plugin* sees as its result."""
        self.caught = _payload(plugin, name, args, task_vars)
        return dict(PLACEHOLDER)

    def refuse(self) -> None:
        self.is_refused = True


def _payload(plugin: ActionBase, name: str, args: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Payload:
    module = BuiltModule.build(plugin, name, args, task_vars)
    # All words, because of ``/usr/bin/env python3``.
    python = module.style == 'new' and any('python' in pathlib.PurePosixPath(word).name for word in module.interpreter)
    argv = module.interpreter if python else [*module.interpreter, '{job}/payload']
    args_file = None
    if module.style != 'new':
        argv, args_file = [*argv, '{job}/args'], module.arguments_file(args)
    return Payload(
        module=resolved_action(task_of(plugin)),
        summary=summary_of(task_of(plugin).args),
        argv=argv,
        file=module.file(),
        args=args_file,
        stdin=python,
        environment=environment_of(plugin),
        tmpdir=take_tmpdir(plugin),
        work=digest_of(plugin, resolved_action(task_of(plugin)), task_of(plugin).args),
        reading=Reading(
            action=task_of(plugin).action,
            resolved=resolved_action(task_of(plugin)),
            module=module.without_file(),
            discovery=discovery_of(plugin),
            facts=discovered_facts(plugin),
            extra={},
        ),
    )


def digest_of(action: ActionBase, name: str, args: t.Any) -> str:
    """A digest of the work *name* with *args*, and the `environment` and check mode of the task of *action*.

    The arguments are those of the task. Those of the module have paths of temporary directories and variables of
    ansible-core in them, which are not the same in the next run.
    """
    text = json.dumps(_plain([name, args, task_environment_of(action), bool(task_of(action).check_mode)]))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: t.Any) -> t.Any:
    """*value* in lists and texts, the same for equal values."""
    if isinstance(value, c.Mapping):
        return sorted(([str(key), _plain(item)] for key, item in value.items()), key=lambda pair: pair[0])
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)
