# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_TABLE

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_table import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import with_clean_failures
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.host_tasks import run_on_hosts
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import arguments, refuse_follow
from ansible_collections.background.jobs.plugins.plugin_utils._options.numbers import whole
from ansible_collections.background.jobs.plugins.plugin_utils._show import table
from ansible_collections.background.jobs.plugins.plugin_utils._show.stream import stream

_FILTERS = ('states', 'names', 'queues')

display = Display()


class ActionModule(ActionBase):
    """Shows the jobs of all hosts of the play in one table, from one task that runs once."""

    BYPASS_HOST_LOOP = True

    @with_clean_failures
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        args = arguments(self, ASYNC_TABLE)
        refuse_follow(self, args)
        hosts = list((task_vars or {})['ansible_play_hosts_all'])
        filters = {key: args[key] for key in _FILTERS if args[key] is not None}
        results = run_on_hosts(hosts, 'background.jobs.async_info', {**filters, 'output': True}, settings.forks())
        rows = table.rows(results)
        for text, color in table.lines(rows, _columns(args['columns'])) if rows else ():
            display.display(text, color=color, **stream())
        display.display(table.summary(rows, len(hosts)), **stream())
        return {'changed': False, 'hosts': {host: results[host] for host in hosts}}


def _columns(option: int | None) -> int:
    """Cells of a line at most. A worker has no terminal of its own, so Display tells the width of ansible's."""
    wanted = whole(os.environ.get('COLUMNS')) if option is None else option
    return display.columns if wanted is None else max(0, wanted)
