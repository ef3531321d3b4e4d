# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import typing as t

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import without_empty_traceback
from ansible_collections.background.jobs.plugins.plugin_utils._options import references as _asked
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._options.keywords import take
from ansible_collections.background.jobs.plugins.plugin_utils._payload.reader import read_output
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show import results as _result
from ansible_collections.background.jobs.plugins.plugin_utils._show.main_process import set_up_main_process
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import Reporter
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.collect import mark_collected
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN, wait
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import Worker

set_up_main_process()


class ActionModule(ActionBase):
    """Waits for many jobs of one host."""

    _supports_async = True

    @without_empty_traceback
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        keywords = take(self._task)
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = self.validate_argument_spec(
            {**_settings.OF_THE_GROUP, 'jobs': {'type': 'raw', 'required': True}, 'timeout': {'type': 'str'}}
        )[1]
        ids = _asked.jobs(args['jobs'])
        timeout = None if args['timeout'] is None else _asked.seconds(args['timeout'], 'timeout')
        margin = _settings.number(self, task_vars, 'background_jobs_margin', MARGIN)
        if not ids:
            return _result.many([])
        remote = Remote(self, task_vars)
        looks = remote.ask('wait', ids=ids, seconds=0)
        _result.check_known(looks)
        ids = [look.id for look in looks]  # a name may be given to another job meanwhile
        turns = None
        follow = _settings.follow(self, task_vars, args['follow'])
        if follow or not all(look.ended for look in looks):
            labels = {look.id: look.job['name'] or look.id for look in looks}
            poll = keywords.poll or C.DEFAULT_POLL_INTERVAL
            reporter = Reporter(self, task_vars, labels, poll=poll, follow=follow, together=True)
            turns = Worker(self, task_vars).give_back(ids)
            looks = wait(remote, looks, reporter, timeout=timeout, margin=margin, turns=turns)
        mark_collected(remote, looks, turns)
        read = functools.partial(read_output, self, task_vars)
        results = [
            _result.ended(look, read) if look.ended or not look.job else _result.live(look, changed=False)
            for look in looks
        ]
        result = _result.with_facts(_result.in_time(_result.many(results), timeout), discovered_facts(self))
        _result.hide_loop(self, result)
        return result
