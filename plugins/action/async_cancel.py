# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import GRACE
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import without_empty_traceback
from ansible_collections.background.jobs.plugins.plugin_utils._options import references as _asked
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show import results as _result
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import wait


class ActionModule(ActionBase):
    """Stops jobs, and returns when they have ended."""

    @without_empty_traceback
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        args = self.validate_argument_spec(
            {
                **_settings.OF_THE_GROUP,
                'jobs': {'type': 'raw', 'required': True},
                'grace': {'type': 'float', 'default': GRACE},
            }
        )[1]
        ids = _asked.jobs(args['jobs'])
        if not ids:
            return {'changed': False, 'jobs': []}
        remote = Remote(self, task_vars or {})
        looks = remote.ask('cancel', ids=ids, grace=args['grace'], check=self._task.check_mode)
        _result.check_known(looks)
        asked = any(look.to_stop for look in looks)
        if asked and not self._task.check_mode:
            looks = wait(remote, looks, SilentReporter())
        return _result.with_facts({'changed': asked, 'jobs': [look.job for look in looks]}, discovered_facts(self))
