# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits for jobs of a target, through lost connections. Private to this collection."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import label_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import Turns
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import end_if_orphaned, renew_watch

MARGIN_SECONDS = 60
"""Beyond the limits of the jobs: for how long an unreachable host is asked again, unless `background_jobs_margin` says
otherwise."""
SILENCE_SECONDS = 30
"""Beyond what a request takes on the target: then the connection counts as lost."""
_LONGEST_REQUEST_SECONDS = 60
"""A host that is cut off says nothing, and only an answer that is overdue shows it."""
_FIRST_REQUEST_SECONDS = 2.0
"""Of a request of a host that takes turns with others, while its wait is young."""
_REQUEST_SHARE = 0.1
"""Later such a request may take this share of the time that the host has waited."""
_LONGEST_ROUND_SECONDS = 10.0
"""The processes that share a turn have all asked within this time, so an end is noticed within it (issue 18, line 20)."""
_ROUND_SECONDS_PER_SHARER = 2.5
"""Where many processes share a turn, a round takes longer: requests cost the controller processor time."""
_FOLLOWED_REQUEST_SECONDS = 0.5
"""Of such a request if the output of the host's jobs is followed."""
_PAUSE_SECONDS = (1, 2, 4, 8, 15)
"""Between attempts to reach a host that went away; the last one repeats."""

display = Display()


def wait(
    remote: Place,
    looks: list[Look],
    reporter: SilentReporter,
    *,
    timeout: float | None = None,
    margin: float = MARGIN_SECONDS,
    turns: Turns | None = None,
    results: bool = False,
) -> list[Look]:
    """Wait until all jobs have ended, or *timeout* seconds. Returns the last looks, those at ended jobs with their output.

    The target answers as soon as all have ended, there is output to follow, or *reporter* has a report to make. A lost
    connection is not the jobs' failure: the host is asked again until their limits and *margin* are over, for ever
    without a limit. Then it raises AnsibleConnectionFailure.

    *looks*: at the same jobs, taken just now. *turns*: those of a process that waits without a fork. *results*: the last
    looks have the contents of the result files as well.
    """
    ids = [look.id for look in looks]
    began = time.monotonic()
    deadline = None if timeout is None else began + timeout
    contact = _Contact(remote.host, looks, margin, deadline)
    while True:
        end_if_orphaned()
        renew_watch()
        try:
            with turn(turns if remote.is_remote(ids) else None) as sharers:
                now = time.monotonic()
                offsets = reporter.offsets(ids)
                seconds = _request_seconds(reporter.due(), sharers, waited=now - began, followed=bool(offsets))
                last = deadline is not None and now + seconds >= deadline
                if deadline is not None:
                    seconds = min(seconds, max(0.0, deadline - now))
                request = {'ids': ids, 'seconds': seconds, 'offsets': offsets, 'output': last, 'results': results}
                looks = remote.ask('wait', within=seconds + SILENCE_SECONDS, **request)
        except AnsibleConnectionFailure as error:
            contact.lost(error)
            remote.reset()
            continue
        contact.made(looks)
        over = last and time.monotonic() >= t.cast('float', deadline)
        over = over or all(look.ended or not look.job for look in looks)
        reporter.seen(looks, over=over)
        if over:
            return looks


def _request_seconds(due: float, sharers: int, *, waited: float, followed: bool) -> float:
    """For how many seconds the target may hold the next request while there is nothing to report.

    *due*: seconds until the next report. *sharers*: how many processes share the turn, 0 where each has one of its own.
    *waited*: seconds since the wait began.
    """
    longest = min(due, _LONGEST_REQUEST_SECONDS)
    if not sharers:
        return longest
    # Also where it is 1: a host that comes next must not wait until a long request is over.
    if followed:
        round_seconds = _FOLLOWED_REQUEST_SECONDS
    else:
        most = max(_LONGEST_ROUND_SECONDS, _ROUND_SECONDS_PER_SHARER * sharers)
        round_seconds = min(max(_FIRST_REQUEST_SECONDS, waited * _REQUEST_SHARE), most)
    return min(longest, round_seconds) / sharers


def turn(turns: Turns | None) -> contextlib.AbstractContextManager[int]:
    """The turn for one request: see Turns.turn(). A worker that holds its fork needs none."""
    return contextlib.nullcontext(0) if turns is None else turns.turn()


class _Contact:
    """Remembers when the host last answered, and for how long to try again when it does not."""

    def __init__(self, host: str, looks: list[Look], margin: float, deadline: float | None) -> None:
        self._host = host
        self._margin = margin
        self._deadline = deadline
        self._warned = False
        self._names = ', '.join(map(label_of, looks))
        self.made(looks)

    def made(self, looks: list[Look]) -> None:
        """The host has answered with *looks*."""
        self._answered, self._answered_at = time.monotonic(), time.localtime()
        self._failures = 0
        left = [_seconds_left(look.job) for look in looks if look.job and not look.ended]
        limit = None if None in left else max([0.0, *(seconds for seconds in left if seconds is not None)])
        ends = [end for end in (None if limit is None else self._answered + limit, self._deadline) if end is not None]
        self._patient_until = min(ends) + self._margin if ends else None

    def lost(self, error: AnsibleConnectionFailure) -> None:
        """Sleep before the next attempt, or raise *error* with what a person needs to know."""
        when = time.strftime('%Y-%m-%d %H:%M:%S', self._answered_at)
        if self._patient_until is not None and time.monotonic() > self._patient_until:
            raise AnsibleConnectionFailure(
                f'The host was last seen at {when}; {self._names} may still run there. {error.message}'
            ) from error
        if not self._warned:
            text = (
                f'connection lost while waiting for {self._names}; asking again. Last seen at {when}: {error.message}'
            )
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
