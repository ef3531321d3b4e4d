# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds out from events when each job was queued, ran, and was waited for, by one clock. Private to this collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job, Tracker, key_of


@dataclasses.dataclass
class Bar:
    """One job. Times are seconds by the controller's monotonic clock."""

    job: Job
    created: float
    started: float | None
    until: float
    """When it ended. If it has not ended, when it was last seen."""
    waits: list[tuple[float, float]]
    """Beginning and end of each task that started it, looked at it or waited for it."""

    @property
    def queued(self) -> float:
        return max(0.0, (self.until if self.started is None else self.started) - self.created)

    @property
    def ran(self) -> float | None:
        return None if self.started is None else self.until - self.started

    @property
    def waited(self) -> float:
        return sum(end - begin for begin, end in self.waits)


class Timeline:
    """The jobs of a run in time.

    *own_shift*: what to add to a time of the controller's own clock, in seconds since 1970, to get its monotonic time.
    """

    def __init__(self, own_shift: float) -> None:
        self._tracker = Tracker()
        self._own_shift = own_shift
        self._clocks: dict[str, _Clock] = {}
        self._begun: dict[str, float] = {}  # of each host the one task that it runs
        self._waits: dict[str, list[tuple[float, float]]] = {}
        self._hosts: dict[str, None] = {}

    def add_hosts(self, names: list[str]) -> None:
        """Put the hosts *names* after those that were added before."""
        self._hosts.update(dict.fromkeys(names))

    def began(self, host: str, now: float) -> None:
        """A task begins on a host."""
        self._begun[host] = now

    def saw(self, result: t.Any, now: float, *, polling: bool, failed: bool, final: bool) -> None:
        """Record an event. The arguments are those of SeesJobs.saw()."""
        jobs = self._tracker.see(result, now, polling=polling, failed=failed, final=final)
        for job in jobs:
            self._clocks.setdefault(job.host, _Clock()).look(job, now)
        if final:
            host, _task = key_of(result)
            begun = self._begun.get(host, now)
            self._begun[host] = now  # the next item of its loop begins
            for job in jobs:
                waits = self._waits.setdefault(job.id, [])
                if (begun, now) not in waits:
                    waits.append((begun, now))

    def bars(self) -> list[Bar]:
        """The bars of a host stand together, in the order in which its jobs were first seen.

        The hosts are in the order in which they were added. After them come those that were not added, as first seen.
        """
        jobs = self._tracker.jobs.values()
        places = {host: place for place, host in enumerate(dict.fromkeys([*self._hosts, *(job.host for job in jobs)]))}
        return sorted(map(self._bar, jobs), key=lambda job_bar: places[job_bar.job.host])

    def ahead(self, host: str) -> float:
        """By how many seconds a host's clock is ahead of the controller's."""
        return self._own_shift - self._clocks[host].shift(self._own_shift)

    def _bar(self, job: Job) -> Bar:
        waits = self._waits.get(job.id, [])
        if job.created is None:  # ansible-core's own, or hidden: only the events tell its times
            return Bar(job, job.first, job.first, job.seen, waits)
        shift = self._clocks[job.host].shift(self._own_shift)
        started = None if job.started is None else job.started + shift
        if started is not None and job.elapsed is not None:
            until = started + job.elapsed  # which is right also if somebody set the host's clock meanwhile
        else:
            until = job.seen if job.ended is None else job.ended + shift
        return Bar(job, job.created + shift, started, until, waits)


class _Clock:
    """The estimated offset between a host's clock and the controller's: the smallest delay that was observed.

    The target looked at a running job just before it answered, so the delay is the travel time of the answer. The times of a
    job that is queued or has ended may be older, so their delay is only an upper bound.
    """

    def __init__(self) -> None:
        self._exact: list[float] = []
        self._at_most: list[float] = []

    def look(self, job: Job, now: float) -> None:
        if job.state == 'running' and job.started is not None and job.elapsed is not None:
            self._exact = [min([*self._exact, now - job.started - job.elapsed])]
        else:
            known = [moment for moment in (job.created, job.started, job.ended) if moment is not None]
            self._at_most = [min([*self._at_most, *(now - moment for moment in known)])] if known else self._at_most

    def shift(self, own_shift: float) -> float:
        return min(self._exact + self._at_most if self._exact else [own_shift, *self._at_most])
