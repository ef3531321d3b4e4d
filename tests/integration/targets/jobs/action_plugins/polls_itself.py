# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sends its module to run in the background, and waits for it by itself, as community.general.iptables_state does."""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        result = self._execute_module(
            module_name='ansible.legacy.command',
            module_args={'_raw_params': self._task.args['cmd']},
            task_vars=task_vars,
            wrap_async=bool(self._task.async_val),
        )
        job_id = result.get('ansible_job_id')
        if job_id is None:
            if self._task.args.get('returns'):
                return {'failed': True, 'msg': "Unable to get 'ansible_job_id'."}
            raise AnsibleActionFail("Unable to get 'ansible_job_id'.")
        status = self._task.copy()
        status.action, status.args, status.async_val = 'ansible.builtin.async_status', {'jid': job_id}, 0
        action = self._shared_loader_obj.action_loader.get(
            status.action,
            task=status,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        while not result.get('finished'):
            time.sleep(0.2)
            result = action.run(task_vars=task_vars)
        return t.cast('dict[str, t.Any]', result)
