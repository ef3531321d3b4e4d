# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import functools
import time
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_WAIT
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_wait import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._branch.joining import join_branches
from ansible_collections.background.jobs.plugins.plugin_utils._branch.payload import is_branch, read_branch
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import (
    discovered_facts,
    tell_discovered_facts,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import with_clean_failures
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.registered import hosts_with_job
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import arguments
from ansible_collections.background.jobs.plugins.plugin_utils._options.durations import seconds
from ansible_collections.background.jobs.plugins.plugin_utils._options.keywords import take
from ansible_collections.background.jobs.plugins.plugin_utils._options.references import references
from ansible_collections.background.jobs.plugins.plugin_utils._payload.reader import read_output
from ansible_collections.background.jobs.plugins.plugin_utils._places.host_places import HostPlaces
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import Reporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import (
    Missing,
    Result,
    ended_result,
    hide_loop,
    in_time,
    label_of,
    live_result,
    result_of_many,
    with_facts,
)
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.collect import mark_collected
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.interrupt import wait_interruptibly
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.main_process import set_up_main_process
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parking import Parking, resumed
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import Turns
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN_SECONDS, Waited, aged
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import Worker

set_up_main_process()


class ActionModule(ActionBase):
    """Waits for many jobs of one host."""

    _supports_async = True

    @with_clean_failures
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        keywords = take(self._task)
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        parked = resumed(self)
        if parked is not None:
            return self._go_on(parked.of_action, parked.looks, parked.answered, task_vars)
        if keywords.limit is not None:
            raise AnsibleActionFail(
                "'async' of async_wait has no effect: the limits belong to the jobs. Set 'timeout' to give up after a time."
            )
        options = arguments(self, ASYNC_WAIT)
        ids = references(options['jobs'])
        timeout = None if options['timeout'] is None else seconds(options['timeout'], 'timeout')
        margin = settings.duration(self, task_vars, 'background_jobs_margin', MARGIN_SECONDS)
        follow = settings.follow(self, task_vars, options['follow'])
        on_interrupt = settings.on_interrupt(self, task_vars)
        if not ids:
            return result_of_many([], [], no_log=False)
        remote = HostPlaces(self, task_vars)
        missing = Missing(
            remote.host, ok=options['missing'] == 'ok', others=functools.partial(hosts_with_job, task_vars)
        )
        looks = missing.known(ids, remote.ask('wait', ids=ids, seconds=0))
        if not looks:
            return with_facts(result_of_many([], [], no_log=False), discovered_facts(self))
        waited = Waited(
            looks=looks,
            facts=discovered_facts(self),
            answered=time.monotonic(),
            poll=keywords.poll or C.DEFAULT_POLL_INTERVAL,
            timeout=timeout,
            margin=margin,
            follow=follow,
            on_interrupt=on_interrupt,
        )
        return self._wait(waited, remote, task_vars)

    def _wait(self, waited: Waited, remote: HostPlaces, task_vars: dict[str, t.Any]) -> Result:
        """The result of the task after the ends of the jobs, or at its timeout."""
        turns, looks = None, waited.looks
        if waited.follow or not all(look.ended for look in looks):
            reporter = self._reporter(waited, task_vars)
            reporter.begin(looks)
            parking = Parking(
                remote=remote.target_of([look.id for look in looks]),
                form=reporter.form,
                until=None if waited.timeout is None else waited.answered + waited.timeout,
                of_action=waited,
            )
            turns = Worker(self, task_vars).free_fork(looks, parking)
            looks = wait_interruptibly(
                remote,
                looks,
                reporter,
                on_interrupt=waited.on_interrupt,
                timeout=waited.timeout,
                margin=waited.margin,
                turns=turns,
            )
        return self._result(waited, looks, remote, turns, task_vars)

    def _go_on(self, waited: Waited, looks: list[Look] | None, answered: float, task_vars: dict[str, t.Any]) -> Result:
        """The result of the task, in a worker that goes on with it after its host was parked."""
        tell_discovered_facts(self, task_vars, waited.facts)
        remote = HostPlaces(self, task_vars, was_parked=True)
        turns = None
        if looks is None:
            looks = aged(waited.looks, answered - waited.answered)
            left = None
            if waited.timeout is not None:
                left = max(0.0, waited.answered + waited.timeout - time.monotonic())
            if left != 0:
                turns = Worker(self, task_vars).free_fork(looks, None)
            looks = wait_interruptibly(
                remote,
                looks,
                self._reporter(waited, task_vars),
                on_interrupt=waited.on_interrupt,
                timeout=left,
                margin=waited.margin,
                turns=turns,
                answered=answered,
            )
        return self._result(waited, looks, remote, turns, task_vars)

    def _reporter(self, waited: Waited, task_vars: dict[str, t.Any]) -> Reporter:
        labels = {look.id: label_of(look) for look in waited.looks}
        return Reporter(self, task_vars, labels, poll=waited.poll, follow=waited.follow, together=True)

    def _result(
        self,
        waited: Waited,
        looks: list[Look],
        remote: HostPlaces,
        turns: Turns | None,
        task_vars: dict[str, t.Any],
    ) -> Result:
        """The result of the task. *looks*: the last ones."""
        ids = [look.id for look in waited.looks]  # a name may have been given to another job meanwhile
        labels = {look.id: label_of(look) for look in waited.looks}
        mark_collected(remote, looks, turns)
        read = functools.partial(read_output, self, task_vars)
        results = [
            ended_result(look, read_branch if is_branch(look) else read, f'Job {labels[look.id]}')
            if look.ended or not look.job
            else live_result(look, changed=False)
            for look in looks
        ]
        names = [labels[job_id] for job_id in ids]
        result = with_facts(
            in_time(result_of_many(results, names, no_log=bool(self._task.no_log)), names, waited.timeout),
            waited.facts,
        )
        hide_loop(self, result)
        return join_branches(result, [one for look, one in zip(looks, results, strict=True) if is_branch(look)])
