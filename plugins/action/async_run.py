# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_RUN
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_run import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._branch.joining import join_branches
from ansible_collections.background.jobs.plugins.plugin_utils._branch.payload import is_branch
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import without_empty_traceback
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.raw_arguments import WithRawArguments
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import arguments
from ansible_collections.background.jobs.plugins.plugin_utils._options.job_requests import (
    JobRequest,
    job_requests,
    take_free_form,
)
from ansible_collections.background.jobs.plugins.plugin_utils._options.keywords import take, warn_of_short_limits
from ansible_collections.background.jobs.plugins.plugin_utils._places.host_places import HostPlaces
from ansible_collections.background.jobs.plugins.plugin_utils._show.attaching import report_existing
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import Reporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import (
    Result,
    hide_loop,
    result_of,
    result_of_many,
    with_facts,
)
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import printable, readable
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.collect import collect, wait_and_remove
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.main_process import set_up_main_process
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.start import start
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN_SECONDS
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import Worker

set_up_main_process()


class ActionModule(WithRawArguments):
    """Starts jobs; with `poll` above 0 waits for them and returns what their modules returned."""

    _supports_async = True
    supports_raw_params = True  # from ansible-core 2.19 on; before, it takes no free form for what it does not know

    @without_empty_traceback
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        keywords = take(self._task)
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        take_free_form(self)
        options = arguments(self, ASYNC_RUN)
        remote = HostPlaces(self, task_vars)
        requests = job_requests(self, options, keywords.limit, task_vars)
        if not keywords.poll:
            warn_of_short_limits(request.limit for request in requests)
        retention = settings.duration(self, task_vars, 'background_jobs_retention', '7d')
        margin = settings.duration(self, task_vars, 'background_jobs_margin', MARGIN_SECONDS)
        follow = settings.follow(self, task_vars, options['follow'])
        on_interrupt = settings.on_interrupt(self, task_vars)
        many = options['tasks'] is not None
        worker = Worker(self, task_vars) if keywords.poll else None
        looks = start(remote, requests, retention)
        report_existing(remote.host, looks)
        warnings = sorted({look.warning for look in looks if look.warning})
        reporter = None
        if worker is None:
            looks = collect(remote, looks, margin)
        else:
            names = [request.name or request.item or self._task.get_name() for request in requests]
            labels = {look.id: name for name, look in zip(names, looks, strict=True)}
            reporter = Reporter(self, task_vars, labels, poll=keywords.poll, follow=follow, together=many)
            turns = None
            if not all(look.ended for look in looks):
                reporter.begin(looks)
                turns = worker.give_back(looks)
            looks = wait_and_remove(remote, looks, reporter, margin, turns, on_interrupt=on_interrupt)
        result = self._result(requests, looks, many=many)
        if warnings:
            result['warnings'] = [*result.get('warnings', []), *map(readable, warnings)]
        if reporter is not None:
            reporter.ended(result)
        hide_loop(self, result)
        return join_branches(result, self._branches(result, looks, many=many))

    def _branches(self, result: Result, looks: list[Look], *, many: bool) -> list[Result]:
        """The parts of *result* that are results of branches."""
        results = result['jobs'] if many else [result]
        return [one for look, one in zip(looks, results, strict=True) if is_branch(look)]

    def _result(self, requests: list[JobRequest], looks: list[Look], *, many: bool) -> Result:
        """The result of the task. *looks*: at the jobs of *requests*. *many*: the task has `tasks`."""
        labels = [_label(request, look.id) for look, request in zip(looks, requests, strict=True)]
        results = [
            result_of(look, request.payload.result, f'Job {label}')
            for look, request, label in zip(looks, requests, labels, strict=True)
        ]
        facts = {key: value for request in requests for key, value in request.payload.facts.items()}
        result = result_of_many(results, labels, no_log=bool(self._task.no_log)) if many else results[0]
        return with_facts(result, facts)


def _label(request: JobRequest, job_id: str) -> str:
    """How people call the job of *request*: ``tasks[0] 'upgrade'``, by its name, by its item, or else by its id."""
    if request.name is None:
        return request.item or job_id
    return f"{request.item} '{printable(request.name)}'" if request.item else printable(request.name)
