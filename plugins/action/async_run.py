# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import without_empty_traceback
from ansible_collections.background.jobs.plugins.plugin_utils._options import job_requests as _job_requests
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._options.keywords import take, warn_of_short_limits
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show import results as _result
from ansible_collections.background.jobs.plugins.plugin_utils._show.attaching import report_existing
from ansible_collections.background.jobs.plugins.plugin_utils._show.main_process import set_up_main_process
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import Reporter
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.collect import collect, wait_and_remove
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.start import start
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import Worker

set_up_main_process()


class ActionModule(ActionBase):
    """Starts jobs; with `poll` above 0 waits for them and returns what their modules returned."""

    _supports_async = True

    @without_empty_traceback
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        keywords = take(self._task)
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        args = self.validate_argument_spec(
            _job_requests.OPTIONS, mutually_exclusive=[_job_requests.WAYS], required_one_of=[_job_requests.WAYS]
        )[1]
        remote = Remote(self, task_vars)
        requests = _job_requests.job_requests(self, args, keywords.limit, task_vars)
        if not keywords.poll:
            warn_of_short_limits(request.limit for request in requests)
        retention = _settings.time(self, task_vars, 'background_jobs_retention', '7d')
        margin = _settings.number(self, task_vars, 'background_jobs_margin', MARGIN)
        follow = _settings.follow(self, task_vars, args['follow'])
        many = args['tasks'] is not None
        worker = Worker(self, task_vars) if keywords.poll else None
        looks = start(remote, requests, retention)
        report_existing(remote.host, looks)
        reporter = None
        if worker is None:
            looks = collect(remote, looks, margin)
        else:
            labels = {
                look.id: request.name or (look.id if many else self._task.get_name())
                for request, look in zip(requests, looks, strict=True)
            }
            reporter = Reporter(self, task_vars, labels, poll=keywords.poll, follow=follow, together=many)
            turns = None
            if not all(look.ended for look in looks):
                turns = worker.give_back([look.id for look in looks])
            looks = wait_and_remove(remote, looks, reporter, margin, turns)
        results = [_result.of(look, request.payload.result) for look, request in zip(looks, requests, strict=True)]
        facts = {key: value for request in requests for key, value in request.payload.facts.items()}
        result = _result.with_facts(_result.many(results) if many else results[0], facts)
        if reporter is not None:
            reporter.ended(result)
        _result.hide_loop(self, result)
        return result
