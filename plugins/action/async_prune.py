# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import ENDED
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import without_empty_traceback
from ansible_collections.background.jobs.plugins.plugin_utils._options import references as _asked
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show import results as _result


class ActionModule(ActionBase):
    """Removes the files of ended jobs."""

    @without_empty_traceback
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        args = self.validate_argument_spec(
            {
                **_settings.OF_THE_GROUP,
                'older_than': {'type': 'str', 'default': '7d'},
                'states': {
                    'type': 'list',
                    'elements': 'str',
                    'choices': list(ENDED),
                    'default': list(ENDED),
                },
                'keep': {'type': 'int', 'default': 0},
            }
        )[1]
        if args['keep'] < 0:
            raise AnsibleActionFail(f"'keep' must not be negative, found {args['keep']}.")
        looks = Remote(self, task_vars or {}).ask(
            'prune',
            older_than=_asked.seconds(args['older_than'], 'older_than'),
            states=args['states'],
            keep=args['keep'],
            check=self._task.check_mode,
        )
        return _result.with_facts(
            {'changed': bool(looks), 'jobs': [look.job for look in looks]}, discovered_facts(self)
        )
