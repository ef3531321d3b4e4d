# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import time
import typing as t

from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_RUN
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_run import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._branch.joining import join_branches
from ansible_collections.background.jobs.plugins.plugin_utils._branch.payload import is_branch
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import tell_discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import with_clean_failures
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
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.collect import (
    collect,
    replaced,
    wait_and_remove,
)
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.main_process import set_up_main_process
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parking import Parking, resumed
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.start import Started, start
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN_SECONDS, aged
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import Worker

set_up_main_process()


class ActionModule(WithRawArguments):
    """Starts jobs; with `poll` above 0 waits for them and returns what their modules returned."""

    _supports_async = True
    supports_raw_params = True  # from ansible-core 2.19 on; before, it takes no free form for what it does not know

    @with_clean_failures
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        keywords = take(self._task)
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        parked = resumed(self)
        if parked is not None:
            return self._go_on(parked.of_action, parked.looks, parked.answered, task_vars)
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
        started = Started(
            looks=looks,
            labels=[_label(request, look.id) for look, request in zip(looks, requests, strict=True)],
            names=[request.name or request.item or self._task.get_name() for request in requests],
            readings=[request.payload.reading for request in requests],
            answered=time.monotonic(),
            poll=keywords.poll,
            margin=margin,
            follow=follow,
            many=many,
            on_interrupt=on_interrupt,
        )
        if worker is None:
            return self._ended(started, collect(remote, looks, margin), None, task_vars)
        return self._wait(started, looks, remote, worker, task_vars)

    def _wait(
        self, started: Started, looks: list[Look], remote: HostPlaces, worker: Worker, task_vars: dict[str, t.Any]
    ) -> Result:
        """The result of the task after the ends of the jobs that it has just started."""
        reporter = self._reporter(started, task_vars)
        turns = None
        awaited = _without_refused(looks)
        if not all(look.ended for look in awaited):
            reporter.begin(awaited)
            parking = Parking(
                remote=remote.target_of([look.id for look in awaited]),
                form=reporter.form,
                until=None,
                of_action=started,
            )
            turns = worker.free_fork(awaited, parking)
        looks = wait_and_remove(remote, looks, reporter, started.margin, turns, on_interrupt=started.on_interrupt)
        return self._ended(started, looks, reporter, task_vars)

    def _go_on(
        self, started: Started, looks: list[Look] | None, answered: float, task_vars: dict[str, t.Any]
    ) -> Result:
        """The result of the task, in a worker that goes on with it after its host was parked."""
        for reading in started.readings:
            tell_discovered_facts(self, task_vars, reading.facts)
        remote = HostPlaces(self, task_vars, was_parked=True)
        reporter = self._reporter(started, task_vars)
        turns = None
        if looks is None:
            looks = aged(started.looks, answered - started.answered)
            turns = Worker(self, task_vars).free_fork(_without_refused(looks), None)
        else:
            looks = replaced(started.looks, looks)
        looks = wait_and_remove(
            remote, looks, reporter, started.margin, turns, answered=answered, on_interrupt=started.on_interrupt
        )
        return self._ended(started, looks, reporter, task_vars)

    def _reporter(self, started: Started, task_vars: dict[str, t.Any]) -> Reporter:
        labels = {look.id: name for name, look in zip(started.names, started.looks, strict=True)}
        return Reporter(self, task_vars, labels, poll=started.poll, follow=started.follow, together=started.many)

    def _ended(
        self, started: Started, looks: list[Look], reporter: Reporter | None, task_vars: dict[str, t.Any]
    ) -> Result:
        result = self._result(started, looks, task_vars)
        if reporter is not None:
            reporter.ended(result)
        hide_loop(self, result)
        results = result['jobs'] if started.many else [result]
        return join_branches(result, [one for look, one in zip(looks, results, strict=True) if is_branch(look)])

    def _result(self, started: Started, looks: list[Look], task_vars: dict[str, t.Any]) -> Result:
        """The result of the task. *looks*: at the jobs that it has started."""
        results = [
            result_of(look, functools.partial(reading.result, self, task_vars), f'Job {label}')
            for look, reading, label in zip(looks, started.readings, started.labels, strict=True)
        ]
        facts = {key: value for reading in started.readings for key, value in reading.facts.items()}
        no_log = bool(self._task.no_log)
        warnings = sorted({look.warning for look in started.looks if look.warning})
        result = result_of_many(results, started.labels, no_log=no_log) if started.many else results[0]
        if warnings:
            result['warnings'] = [*result.get('warnings', []), *map(readable, warnings)]
        return with_facts(result, facts)


def _without_refused(looks: list[Look]) -> list[Look]:
    """Those of *looks* at jobs that were started. There is nothing to wait for at the ids of the others."""
    return [look for look in looks if not look.error]


def _label(request: JobRequest, job_id: str) -> str:
    """How people call the job of *request*: ``tasks[0] 'upgrade'``, by its name, by its item, or else by its id."""
    if request.name is None:
        return request.item or job_id
    return f"{request.item} '{printable(request.name)}'" if request.item else printable(request.name)
