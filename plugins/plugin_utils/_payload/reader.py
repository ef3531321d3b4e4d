# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module printed -> its result, read by the code of ansible-core that reads a synchronous module's output.

So the result is the synchronous task's on every version. Private to this collection.
"""

from __future__ import annotations

import json
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.interception import result_of_output
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_build import BuiltModule


def result_of(
    action: ActionBase, module: BuiltModule, task_vars: dict[str, t.Any], output: dict[str, t.Any]
) -> dict[str, t.Any]:
    """The result of *module*, which *action* sent, from what it printed: *output* has rc, stdout and stderr."""
    try:
        return result_of_output(action, module, output, task_vars)
    except AnsibleError as error:  # the task fails, but the result still tells what is known of the job
        return {'failed': True, 'changed': False, 'msg': error.message}


def read_result(action: ActionBase, result: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """A module's result from a result file, as ansible-core would have read it from the module itself."""
    return read_output(action, task_vars, {'rc': 0, 'stdout': json.dumps(result), 'stderr': ''})


def read_output(action: ActionBase, task_vars: dict[str, t.Any], output: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of a module that another task sent, from what it printed (rc, stdout, stderr)."""
    return result_of(action, BuiltModule.unknown(), task_vars, output)
