# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How bytes travel: one request to the runtime on the target, one response. The only file that knows.

Private to this collection.
"""

from __future__ import annotations

import base64
import json
import typing as t
import zlib

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class Remote:
    """The runtime of one target, reached over the connection of one action."""

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any]) -> None:
        self._action = action
        self._task_vars = task_vars
        self._async_dir = action.get_shell_option('async_dir', default='~/.ansible_async')

    def ask(self, op: str, **details: t.Any) -> list[dict[str, t.Any]]:
        """Send one request; the looks of its response (shapes: module_utils/_runtime.py).

        Raises AnsibleActionFail with what the runtime said was wrong, or with the failed result of a runtime
        that could not be run, and whatever the connection raises.
        """
        request = json.dumps(dict(details, op=op, async_dir=self._async_dir)).encode()
        result = self._action._execute_module(
            module_name='background.jobs.async_wrapper',
            module_args={'request': base64.b64encode(zlib.compress(request)).decode()},
            task_vars=self._task_vars,
        )
        if 'response' not in result:
            told = [str(result[key]).strip() for key in ('msg', 'module_stderr', 'exception') if result.get(key)]
            raise AnsibleActionFail('The runtime of background.jobs could not be run on the target: ' + '\n'.join(told))
        response = json.loads(result['response'])
        if 'error' in response:
            raise AnsibleActionFail(response['error'])
        return response['jobs']

    def reset(self) -> None:
        """Forget a connection that broke; the next request makes a new one."""
        reset = getattr(self._action._connection, 'reset', None)
        if reset is not None:
            reset()
