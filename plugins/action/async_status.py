# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils import _status
from ansible_collections.background.jobs.plugins.plugin_utils._payload import discovered, read_result
from ansible_collections.background.jobs.plugins.plugin_utils._remote import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._result import hidden, with_facts


class ActionModule(ActionBase):
    """One look at one job."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        args = self.validate_argument_spec(
            argument_spec={
                'jid': {'type': 'str', 'required': True},
                'mode': {'type': 'str', 'choices': ['status', 'cleanup'], 'default': 'status'},
                'output': {'type': 'bool', 'default': False},
                'offset': {'type': 'int', 'default': 0},
            }
        )[1]
        empty = {'started': True, 'finished': False, 'stdout': '', 'stderr': '', 'stdout_lines': [], 'stderr_lines': []}
        task_vars = task_vars or {}
        remote = Remote(self, task_vars)
        if args['mode'] == 'cleanup':
            found = _status.cleanup(remote.ask('remove', ids=[args['jid']])[0])
            return with_facts({**empty, 'started': False, **found}, discovered(self))
        offsets = [max(0, args['offset'])] if args['output'] else None
        look = remote.ask('status', ids=[args['jid']], offsets=offsets)[0]
        return {**empty, **read_result(self, _status.status(look), task_vars), **hidden(look)}
