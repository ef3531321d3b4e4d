# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_PRUNE

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_prune import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import with_clean_failures
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import arguments, refuse_follow
from ansible_collections.background.jobs.plugins.plugin_utils._options.durations import seconds
from ansible_collections.background.jobs.plugins.plugin_utils._places.host_places import HostPlaces
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import with_facts


class ActionModule(ActionBase):
    """Removes the files of ended jobs."""

    @with_clean_failures
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        options = arguments(self, ASYNC_PRUNE)
        refuse_follow(self, options)
        if options['keep'] < 0:
            raise AnsibleActionFail(f"'keep' must not be negative, found {options['keep']}.")
        looks = HostPlaces(self, task_vars or {}).ask(
            'prune',
            older_than=seconds(options['older_than'], 'older_than'),
            states=options['states'],
            keep=options['keep'],
            check=self._task.check_mode,
        )
        return with_facts({'changed': bool(looks), 'jobs': [look.job for look in looks]}, discovered_facts(self))
