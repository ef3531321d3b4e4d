# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_INFO

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_info import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import with_clean_failures
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import arguments, refuse_follow
from ansible_collections.background.jobs.plugins.plugin_utils._places.host_places import HostPlaces
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import with_facts, with_last_line

display = Display()


class ActionModule(ActionBase):
    """Lists the jobs of a host."""

    @with_clean_failures
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        options = arguments(self, ASYNC_INFO)
        refuse_follow(self, options)
        filters = {key: options[key] for key in ('states', 'names', 'queues')}
        remote = HostPlaces(self, task_vars or {})
        looks = remote.ask('list', output=options['output'], **filters)
        for look in looks:
            if look.error:
                display.warning(f'{remote.host}: a job is left out: {look.error}')
        jobs = [
            with_last_line(look) if options['output'] and not look.ended else look.job
            for look in looks
            if not look.error
        ]
        return with_facts({'changed': False, 'jobs': jobs}, discovered_facts(self))
