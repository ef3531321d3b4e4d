# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module printed -> its result, read by the code of ansible-core that reads a synchronous module's output.

So the result is the synchronous task's on every version. Private to this collection.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import merge_hash
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovery_of, task_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.interception import result_of_output
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_build import BuiltModule
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import task_with_other_action


@dataclasses.dataclass(frozen=True)
class Reading:
    """What reads the output of one module. It can be pickled, for another process that goes on with the task."""

    action: str
    """The name of the module, as the task has it."""
    resolved: str
    """Its full name."""
    module: BuiltModule
    discovery: dict[str, t.Any]
    """What interpreter discovery found (discovery_of())."""
    facts: dict[str, t.Any]
    """Facts found while the module was built: the interpreter that was discovered."""
    extra: dict[str, t.Any]
    """What the action plugin in front of the module adds to its result."""

    def result(self, action: ActionBase, task_vars: dict[str, t.Any], output: dict[str, t.Any]) -> dict[str, t.Any]:
        """The result that the synchronous task would have returned for this *output* (rc, stdout, stderr).

        *action*: that of the task that has started the module.
        """
        task = task_with_other_action(task_of(action), self.action, self.resolved)
        result = _read(action, task, self.module, output, task_vars, self.discovery)
        return t.cast('dict[str, t.Any]', merge_hash(self.extra, result))


def _read(action: ActionBase, *what: t.Any) -> dict[str, t.Any]:
    """What result_of_output() returns, or a failure that says why ansible-core refuses to read it."""
    try:
        return result_of_output(action, *what)
    except AnsibleError as error:  # the task fails, but the result still tells what is known of the job
        return {'failed': True, 'changed': False, 'msg': error.message}


def read_result(action: ActionBase, result: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """A module's result from a result file, as ansible-core would have read it from the module itself."""
    return read_output(action, task_vars, {'rc': 0, 'stdout': json.dumps(result), 'stderr': ''})


def read_output(action: ActionBase, task_vars: dict[str, t.Any], output: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of a module that another task sent, from what it printed (rc, stdout, stderr)."""
    return _read(action, task_of(action), BuiltModule.unknown(), output, task_vars, discovery_of(action))
