# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.core import status as _status
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import without_empty_traceback
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._payload.reader import read_result
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show.main_process import set_up_main_process
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import (
    as_read,
    hidden,
    hide_loop,
    with_facts,
)
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import drop_in as _drop_in

_EMPTY = {'started': True, 'finished': False, 'stdout': '', 'stderr': '', 'stdout_lines': [], 'stderr_lines': []}
_OF_THE_JOB = ('started', 'finished', 'results_file', 'job')
"""What a result has of the job itself, whatever its module has printed."""

set_up_main_process()


class ActionModule(ActionBase):
    """One look at one job; where ansible-core itself polls, the look that it waits for."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._polling = _drop_in.polling(self)

    @without_empty_traceback
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if _drop_in.is_used(self) and _drop_in.is_of_windows(self):
            return _drop_in.of_core(self, task_vars)
        args = self.validate_argument_spec(
            argument_spec={
                **_settings.OF_THE_GROUP,
                'jid': {'type': 'str', 'required': True},
                'mode': {'type': 'str', 'choices': ['status', 'cleanup'], 'default': 'status'},
                'output': {'type': 'bool', 'default': False},
                'offset': {'type': 'int', 'default': 0},
            }
        )[1]
        remote = Remote(self, task_vars)
        result = {**_EMPTY, 'ansible_job_id': args['jid']}
        if args['mode'] == 'cleanup':
            look = self._polling.remove(remote, args['jid']) if self._polling else _ask(remote, 'remove', args['jid'])
            result = self._for_caller(look, {**result, 'started': False, **_status.cleanup(look)})
            return with_facts(result, discovered_facts(self))
        offsets = [max(0, args['offset'])] if args['output'] else None
        look = _ask(remote, 'status', args['jid'], offsets=offsets)
        if self._polling and look.job and not look.ended:
            look = self._polling.wait(self, remote, look, task_vars)
        status = self._for_caller(look, _status.status(look))
        read = read_result(self, status, task_vars)
        result.update({key: status[key] for key in _OF_THE_JOB if key in status})  # if ansible-core refuses the rest
        if look.ended and 'job' not in read:
            result['job'] = as_read(look.job, read)
        result.update(**read, **hidden(look))
        hide_loop(self, result)
        return self._polling.result(look, result) if self._polling else result

    def _for_caller(self, look: Look, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """*result*, made of *look*, as ansible-core's own async_status returns it if this action stands in for that."""
        return _drop_in.as_core(look, result) if _drop_in.is_used(self) else result


def _ask(remote: Remote, op: str, jid: str, **details: t.Any) -> Look:
    try:
        return remote.ask(op, ids=[jid], **details)[0]
    except AnsibleActionFail as error:
        return _status.failed(jid, error.message)
