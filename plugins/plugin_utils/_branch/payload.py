# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A branch as what a job is made from. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import json
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import (
    CONTROLLER,
    ENDED_VARIABLES,
    Look,
)
from ansible_collections.background.jobs.plugins.plugin_utils._branch.branch import Branch
from ansible_collections.background.jobs.plugins.plugin_utils._branch.loading import load_action, load_branch
from ansible_collections.background.jobs.plugins.plugin_utils._payload.catcher import digest_of

_BLOCK = 'block'
"""In the place of the name of a module."""


@dataclasses.dataclass(frozen=True)
class BranchReading:
    """What reads the output of a branch."""

    facts: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    def result(self, _action: ActionBase, _task_vars: dict[str, t.Any], output: dict[str, t.Any]) -> dict[str, t.Any]:
        """The result of the branch for its output (rc, stdout, stderr)."""
        return read_branch(output)


@dataclasses.dataclass(frozen=True)
class BranchPayload:
    """What the runtime needs to run a branch on this controller, and what reads its output afterwards.

    *module*: the name of the action, or "block". *work*: a digest of what the branch does.
    """

    branch: Branch
    module: str
    work: str
    reading: BranchReading = BranchReading()

    @property
    def summary(self) -> str | None:
        """What it does, on one line."""
        return self.branch.summary


def block_payload(action: ActionBase, task_vars: dict[str, t.Any], raw: c.Mapping[str, t.Any]) -> BranchPayload:
    """The payload of a block: *raw* has block, rescue and always as they were written. Raises AnsibleActionFail."""
    item = task_vars.get(task_vars.get('ansible_loop_var', ''))  # one loop makes different branches of the same text
    return BranchPayload(load_branch(action, task_vars, raw), _BLOCK, digest_of(action, _BLOCK, [dict(raw), item]))


def action_payload(
    action: ActionBase, task_vars: dict[str, t.Any], name: str, args: dict[str, t.Any], *, is_on_end: bool = False
) -> BranchPayload:
    """The payload of the action *name* with *args*; *is_on_end*: it is told how another job has ended. Raises AnsibleActionFail."""
    branch = load_action(action, task_vars, name, args, ENDED_VARIABLES.values() if is_on_end else ())
    return BranchPayload(branch, name, digest_of(action, name, args))


def is_branch(look: Look) -> bool:
    """Whether the job of *look* is a branch."""
    return bool(look.job) and look.job['place'] == CONTROLLER


def read_branch(output: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of a branch that has ended, from what it printed (rc, stdout, stderr).

    Without `msg` where that is no result: then the reason of its job tells why.
    """
    try:
        result = json.loads(output['stdout'])
    except ValueError:
        return {'failed': True, 'changed': False}
    return t.cast('dict[str, t.Any]', wrap_var(result))
