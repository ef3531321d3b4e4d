# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests that travel as an ordinary module: slower, but wherever ansible-core can run a module this works.

Private to this collection.
"""

from __future__ import annotations

import base64
import json
import typing as t
import zlib

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import run_module, task_of
from ansible_collections.background.jobs.plugins.plugin_utils._places.transport import Transport
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import readable_lines


class Module(Transport):
    """The module async_wrapper for each request, which brings the runtime with it."""

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any]) -> None:
        self._action = action
        self._task_vars = task_vars

    def send(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        task = task_of(self._action)
        # ansible-core would put the environment of the task into a command line; jobs have theirs in the request.
        environment, task.environment = task.environment, []
        try:
            result = run_module(
                self._action,
                'background.jobs.async_wrapper',
                {'request': base64.b64encode(zlib.compress(json.dumps(request).encode())).decode()},
                self._task_vars,
            )
        finally:
            task.environment = environment
        if 'response' not in result:
            parts = [result.get(key) for key in ('module_stderr', 'msg', 'exception')]
            texts = [part.strip() for part in parts if isinstance(part, str)]  # from 2.19 on, an exception is an object
            raise AnsibleActionFail(
                'The target could not run the runtime of background.jobs: '
                + readable_lines('\n'.join([*filter(None, texts), 'The runtime needs Python 3.6 or later.']))
            )
        return t.cast('dict[str, t.Any]', json.loads(result['response']))
