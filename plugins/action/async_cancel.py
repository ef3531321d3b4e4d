# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_CANCEL

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_cancel import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import with_clean_failures
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.registered import hosts_with_job
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import arguments, refuse_follow
from ansible_collections.background.jobs.plugins.plugin_utils._options.durations import seconds
from ansible_collections.background.jobs.plugins.plugin_utils._options.references import references
from ansible_collections.background.jobs.plugins.plugin_utils._places.host_places import HostPlaces
from ansible_collections.background.jobs.plugins.plugin_utils._places.patience import STOP_SECONDS
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import Missing, label_of, with_facts
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN_SECONDS, wait


class ActionModule(ActionBase):
    """Stops jobs, and returns when they have ended."""

    @with_clean_failures
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        options = arguments(self, ASYNC_CANCEL)
        refuse_follow(self, options)
        ids = references(options['jobs'])
        grace = seconds(options['grace'], 'grace')
        request = {'grace': grace, 'check': self._task.check_mode}
        margin = settings.duration(self, task_vars, 'background_jobs_margin', MARGIN_SECONDS)
        if not ids:
            return {'changed': False, 'jobs': []}
        remote = HostPlaces(self, task_vars)
        missing = Missing(
            remote.host, ok=options['missing'] == 'ok', others=functools.partial(hosts_with_job, task_vars)
        )
        looks = missing.known(ids, remote.ask('cancel', ids=ids, **request))
        if 0 < len(looks) < len(ids):  # the target stops none where one is unknown
            looks = remote.ask('cancel', ids=[look.id for look in looks], **request)
        changed = any(look.to_stop for look in looks)
        if changed and not self._task.check_mode:
            within = grace + STOP_SECONDS
            looks = wait(remote, looks, SilentReporter(), timeout=within, margin=margin)
            live = ', '.join(label_of(look) for look in looks if look.job and not look.ended)
            if live:
                raise AnsibleActionFail(
                    f'{remote.host}: {live} did not end within {within:g} s after the request to stop. Look with async_info '
                    'what goes on, and run the task again.'
                )
        return with_facts({'changed': changed, 'jobs': [look.job for look in looks]}, discovered_facts(self))
