# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task of async_run says -> the payload of a job. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._branch.payload import (
    BranchPayload,
    action_payload,
    block_payload,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.raw_arguments import BLOCK
from ansible_collections.background.jobs.plugins.plugin_utils._options.settings import request_timeout
from ansible_collections.background.jobs.plugins.plugin_utils._payload.build import RunsOnController, build
from ansible_collections.background.jobs.plugins.plugin_utils._payload.payload import Payload
from ansible_collections.background.jobs.plugins.plugin_utils._payload.task import Path, parse

_PREPARATION_SECONDS = 60
"""What a command on the target may take that is needed before the start: the facts that `package` looks up, for example."""


def only_payload(action: ActionBase, options: dict[str, t.Any], task_vars: dict[str, t.Any]) -> Payload | BranchPayload:
    """The payload of the only job that *options* (of async_run, checked) ask for. Raises AnsibleActionFail."""
    if options['block'] is not None:
        return block_payload(action, task_vars, {key: options[key] for key in BLOCK if options[key] is not None})
    task = options['task'] if options['cmd'] is None else {'ansible.builtin.command': {'cmd': options['cmd']}}
    return payload_of(action, task, ('task',), task_vars)


def payload_of(action: ActionBase, task: t.Any, path: Path, task_vars: dict[str, t.Any]) -> Payload | BranchPayload:
    """The payload of *task*, which stands at *path*: of a branch if its action works on the controller. Raises AnsibleActionFail."""
    silence = request_timeout(action, task_vars)
    try:
        return build(action, task, path, task_vars, silence + _PREPARATION_SECONDS if silence else None)
    except RunsOnController as error:
        name, args = error.name, error.args_of_task
    # Not above: before 2.19, ansible-core shows people the traceback of an exception that is being handled.
    return action_payload(action, task_vars, name, args)


def end_payload(action: ActionBase, task: t.Any, path: Path, task_vars: dict[str, t.Any]) -> BranchPayload:
    """The payload of *task*, which stands at *path*, as a branch that is to run at the end of another. Raises AnsibleActionFail."""
    name, args = parse(action, task, path)
    return action_payload(action, task_vars, name, args, is_on_end=True)
