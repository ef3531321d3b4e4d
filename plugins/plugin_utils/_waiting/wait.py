# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for jobs of a target, through lost connections. Private to this collection."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import may_succeed_later
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import label_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.rounds import SILENCE_SECONDS, request_seconds
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import Turns
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import (
    end_if_orphaned,
    renew_watch,
    under_guard,
)

MARGIN_SECONDS = 60
"""Beyond the limits of the jobs: for how long an unreachable host is asked again, unless `background_jobs_margin` says
otherwise."""
_PAUSE_SECONDS = (1, 2, 4, 8, 15)
"""Between attempts to reach a host that went away; the last one repeats."""

display = Display()


class Waited(t.NamedTuple):
    """What a task needs to know of the jobs of other tasks that it waits for. It can be pickled."""

    looks: list[Look]
    """Taken when the wait began."""
    facts: dict[str, t.Any]
    """Found by the way: the interpreter that was discovered."""
    answered: float
    """When the host answered that (time.monotonic())."""
    poll: int
    """Seconds between two reports."""
    timeout: float | None
    """Of the wait, in seconds."""
    margin: float
    """For how many seconds beyond the limits of the jobs an unreachable host is asked again."""
    follow: bool
    """Whether live output is shown."""
    on_interrupt: str
    """What becomes of the jobs when the play is interrupted."""


@under_guard()
def wait(
    remote: Place,
    looks: list[Look],
    reporter: SilentReporter,
    *,
    timeout: float | None = None,
    margin: float = MARGIN_SECONDS,
    turns: Turns | None = None,
    results: bool = False,
    answered: float | None = None,
) -> list[Look]:
    """Wait until all jobs have ended, or *timeout* seconds. Returns the last looks, those at ended jobs with their output.

    The target answers as soon as all have ended, there is output to follow, or *reporter* has a report to make. A lost
    connection is not the jobs' failure: the host is asked again until their limits and *margin* are over, for ever
    without a limit. Then it raises AnsibleConnectionFailure. For what asking again does not mend, it raises AnsibleActionFail.

    *looks*: at the same jobs, as they were at *answered* (time.monotonic()), or just now. *turns*: those of a process that
    waits without a fork. *results*: the last looks have the contents of the result files as well.
    """
    ids = [look.id for look in looks]
    began = time.monotonic()
    deadline = None if timeout is None else began + timeout
    contact = _Contact(remote.host, looks, margin, deadline, began if answered is None else answered)
    while True:
        end_if_orphaned()
        renew_watch()
        failure: Exception | None = None
        try:
            with turn(turns if remote.is_remote(ids) else None) as sharers:
                now = time.monotonic()
                offsets = reporter.offsets(ids)
                seconds = request_seconds(reporter.due(), sharers, waited=now - began, followed=bool(offsets))
                last = deadline is not None and now + seconds >= deadline
                if deadline is not None:
                    seconds = min(seconds, max(0.0, deadline - now))
                request = {'ids': ids, 'seconds': seconds, 'offsets': offsets, 'output': last, 'results': results}
                looks = remote.ask('wait', within=seconds + SILENCE_SECONDS, **request)
        except (AnsibleError, OSError, RuntimeError) as error:
            failure = error
        # Not above: before 2.19, ansible-core shows people the traceback of an exception that is being handled.
        if failure is not None:
            contact.lost(failure)
            remote.reset()
            continue
        contact.made(looks)
        timed_out = last and time.monotonic() >= t.cast('float', deadline)
        all_ended = all(look.ended or not look.job for look in looks)
        reporter.seen(looks, over=timed_out or all_ended)
        if timed_out or all_ended:
            return looks


def aged(looks: list[Look], seconds: float) -> list[Look]:
    """*looks* as they would be *seconds* later, if nothing has happened."""
    running = [bool(look.job and look.job['state'] == 'running' and look.job['elapsed'] is not None) for look in looks]
    return [
        look._replace(job={**look.job, 'elapsed': look.job['elapsed'] + seconds}) if runs else look
        for look, runs in zip(looks, running, strict=True)
    ]


def turn(turns: Turns | None) -> contextlib.AbstractContextManager[int]:
    """The turn for one request: see Turns.turn(). A worker that holds its fork needs none."""
    return contextlib.nullcontext(0) if turns is None else turns.turn()


class _Contact:
    """Remembers when the host last answered, and for how long to try again when it does not."""

    def __init__(self, host: str, looks: list[Look], margin: float, deadline: float | None, answered: float) -> None:
        self._host = host
        self._margin = margin
        self._deadline = deadline
        self._warned = False
        self._names = ', '.join(map(label_of, looks))
        self._made(looks, answered)

    def made(self, looks: list[Look]) -> None:
        """The host has answered with *looks*."""
        self._made(looks, time.monotonic())

    def _made(self, looks: list[Look], answered: float) -> None:
        self._answered = answered
        self._answered_at = time.localtime(time.time() - (time.monotonic() - answered))
        self._failures = 0
        left = [_seconds_left(look.job) for look in looks if look.job and not look.ended]
        limit = None if None in left else max([0.0, *(seconds for seconds in left if seconds is not None)])
        ends = [end for end in (None if limit is None else self._answered + limit, self._deadline) if end is not None]
        self._patient_until = min(ends) + self._margin if ends else None

    def lost(self, error: Exception) -> None:
        """Sleep before the next attempt, or raise *error* with what a person needs to know."""
        if not may_succeed_later(error):
            raise AnsibleActionFail(
                f'The wait failed; {self._names} may still run there. Mend this, and wait again with async_wait: {error}'
            ) from error
        when = time.strftime('%Y-%m-%d %H:%M:%S', self._answered_at)
        if self._patient_until is not None and time.monotonic() > self._patient_until:
            raise AnsibleConnectionFailure(
                f'The host was last seen at {when}; {self._names} may still run there. {error}'
            ) from error
        if not self._warned:
            text = f'connection lost while waiting for {self._names}; asking again. Last seen at {when}: {error}'
            # Not by warning(): from 2.19 on, a worker's warnings are shown when its task has ended, and this is news now.
            display.display(f'[WARNING]: {self._host}: {text}', color=C.COLOR_WARN, stderr=True)
        self._warned = True
        pause: float = _PAUSE_SECONDS[min(self._failures, len(_PAUSE_SECONDS) - 1)]
        if self._patient_until is not None:
            pause = min(pause, max(0.1, self._patient_until - time.monotonic()))
        time.sleep(pause)
        self._failures += 1


def _seconds_left(job: dict[str, t.Any]) -> float | None:
    """Seconds that *job* may still run, None if it has no limit or waits in its queue."""
    if job['limit'] is None or job['state'] == 'queued':
        return None
    return float(job['limit']) - (job['elapsed'] or 0)
