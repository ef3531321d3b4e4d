# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils import _lifecycle, _result
from ansible_collections.background.jobs.plugins.plugin_utils._keywords import take
from ansible_collections.background.jobs.plugins.plugin_utils._payload import build
from ansible_collections.background.jobs.plugins.plugin_utils._remote import Remote


class ActionModule(ActionBase):
    """Starts one job; with `poll` above 0 waits for it and returns what the module returned."""

    _supports_async = True
    _VALID_ARGS = frozenset(('task', 'cmd'))

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        keywords = take(self._task)
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        payload = build(self, self._wanted(), task_vars)
        remote = Remote(self, task_vars)
        look = _lifecycle.start(remote, payload, keywords)
        if not look['ended'] and not keywords.poll:
            return _result.started(look, payload)
        look = _lifecycle.wait(remote, look, keywords)
        result = _result.ended(look, payload)
        remote.ask('remove', ids=[look['id']])
        return result

    def _wanted(self) -> t.Any:
        args = self._task.args
        if len(args) != 1:
            raise AnsibleActionFail(f"Exactly one of 'task' and 'cmd' is required, found: {', '.join(args) or 'none'}.")
        if 'task' in args:
            return args['task']
        return {'ansible.builtin.command': {'cmd': args['cmd']}}
