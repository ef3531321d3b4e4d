# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What callbacks see of jobs: events of ansible-core -> the jobs of this run. Private to this collection.

A target has written the results, so every value is checked before it is used: no value can break a callback.
"""

from __future__ import annotations

import collections
import collections.abc as c
import dataclasses
import datetime
import math
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import LIVE, STATES
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import uuid_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task_result import part


@dataclasses.dataclass
class Job:
    """A job as of the last look. Its own times are by the target's clock, in seconds since 1970, None where unknown."""

    id: str
    host: str
    task: str | None
    """The name of the task that it was first seen in."""
    first: float
    """When it was first seen, and *seen* last, by the controller's monotonic clock."""
    seen: float
    state: str
    """One of the documented states; `ended` for one that no_log hides, of which nothing else is known."""
    name: str | None = None
    module: str | None = None
    summary: str | None = None
    """Its command line, or the telling arguments of its module."""
    limit: float | None = None
    position: float | None = None
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    elapsed: float | None = None
    reason: str | None = None
    line: str | None = None
    """The last line of its output."""

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def label(self) -> str:
        return self.name or self.task or self.module or self.id

    def ran(self, now: float) -> float | None:
        """Seconds it has run by *now*, though nobody has looked since; never more than its limit."""
        if self.elapsed is None or self.state != 'running':
            return self.elapsed
        so_far = self.elapsed + now - self.seen
        return so_far if self.limit is None else min(so_far, max(self.limit, self.elapsed))

    def learn(self, told: c.Mapping[str, t.Any], now: float) -> None:
        """Update this job from *told*, the `job` of a result. A late result about a job that has ended already is ignored."""
        if not self.live and told['state'] in LIVE:
            return
        self.state = told['state']
        self.seen = now
        for field, read in _FIELDS.items():
            if field in told:
                setattr(self, field, read(told[field]))
        if self.created is None:  # a job of ansible-core itself, of which nothing more is told
            self.elapsed = now - self.first


class Tracker:
    """Keeps the last known state of each job that this run has started, looked at or waited for."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._hidden: dict[tuple[str, str], Job] = {}
        self._of_task: t.Counter[tuple[str, str]] = collections.Counter()

    def see(self, result: t.Any, now: float, *, polling: bool = False, failed: bool = False) -> list[Job]:
        """Update the jobs from the *result* of an event; returns the jobs that its task is about.

        *now*: on the monotonic clock. *polling*: the task still waits. *failed*: the task has failed, which ansible-core
        removes from the result.
        """
        content = part(result, 'result')
        if 'censored' in content or content.get('_ansible_no_log'):
            return self._see_hidden(result, now, polling)
        jobs = []
        for told in _told(content, failed):
            job = self._job(told['id'], result, now)
            job.learn(told, now)
            jobs.append(job)
        for told in _listed(content):
            if told['id'] in self.jobs:  # a list has the jobs of others too, which this run has nothing to do with
                self.jobs[told['id']].learn(told, now)
        return jobs

    def _job(self, job_id: str, result: t.Any, now: float) -> Job:
        if job_id not in self.jobs:
            self.jobs[job_id] = Job(job_id, CallbackBase.host_label(result), self._task(result), now, now, 'queued')
        return self.jobs[job_id]

    def _task(self, result: t.Any) -> str | None:
        """A name for one more job of a task: its own, from the second job on with a number."""
        if not part(result, 'task').name:
            return None
        self._of_task[key_of(result)] += 1
        number = self._of_task[key_of(result)]
        return f'{result.task_name} ({number})' if number > 1 else str(result.task_name)

    def _see_hidden(self, result: t.Any, now: float, polling: bool) -> list[Job]:
        """A censored result does not show whether it is about a job. An event of a wait is always about one."""
        key = key_of(result)
        if polling and key not in self._hidden:
            self._hidden[key] = self._job(f'hidden {len(self.jobs) + 1}', result, now)
            self._hidden[key].task = 'hidden by no_log'
        job = self._hidden.get(key) if polling else self._hidden.pop(key, None)
        if job is None:
            return []
        job.state = 'running' if polling else 'ended'
        job.seen = now
        job.elapsed = now - job.first
        return [job]


class SeesJobs(CallbackBase):
    """A callback that is told of every event that may tell of jobs."""

    def saw(self, result: t.Any, *, polling: bool = False, failed: bool = False, final: bool = True) -> None:
        """*polling*: a task waits. *failed*: it has. *final*: it has ended, or this item of its loop."""
        raise NotImplementedError

    def v2_runner_on_async_poll(self, result: t.Any) -> None:
        self.saw(result, polling=True, final=False)

    def v2_runner_on_async_ok(self, result: t.Any) -> None:
        self.saw(result, final=False)

    def v2_runner_on_async_failed(self, result: t.Any) -> None:
        self.saw(result, failed=True, final=False)

    def v2_runner_retry(self, result: t.Any) -> None:
        self.saw(result, final=False)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self.saw(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self.saw(result, failed=True)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self.saw(result)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        self.saw(result)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        self.saw(result, failed=True)


def key_of(result: t.Any) -> tuple[str, str]:
    """The host and the task of a result."""
    return part(result, 'host').get_name(), uuid_of(part(result, 'task'))


def _told(content: c.Mapping[str, t.Any], failed: bool) -> c.Iterator[c.Mapping[str, t.Any]]:
    """What a result tells of each job that it is about."""
    many = _mappings(content.get('jobs'))
    for one in many or [content]:  # of many jobs, the result itself is of none
        has_failed = one.get('failed') if many else failed
        known = one.get('async_result') if has_failed else None  # of ansible-core, at the limit
        job_id = (known if isinstance(known, c.Mapping) else one).get('ansible_job_id')
        if _is_job(one.get('job')):
            yield one['job']
        elif isinstance(job_id, str) and has_failed:
            yield {'id': job_id, 'state': 'failed', 'reason': one.get('msg')}
        elif isinstance(job_id, str) and 'finished' in one:
            yield {'id': job_id, 'state': 'succeeded' if one['finished'] else 'running'}


def _listed(content: c.Mapping[str, t.Any]) -> c.Iterator[c.Mapping[str, t.Any]]:
    """The jobs of async_info and its like, which stand in the list as they are."""
    return (one for one in _mappings(content.get('jobs')) if _is_job(one))


def _mappings(value: t.Any) -> list[c.Mapping[str, t.Any]]:
    return [one for one in value if isinstance(one, c.Mapping)] if isinstance(value, list) else []


def _is_job(value: t.Any) -> bool:
    """Modules of other collections return a `job` too."""
    return isinstance(value, c.Mapping) and isinstance(value.get('id'), str) and value.get('state') in STATES


def _text(value: t.Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: t.Any) -> float | None:
    usable = isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value < 1e10
    return float(value) if usable else None


def _moment(value: t.Any) -> float | None:
    try:
        return datetime.datetime.fromisoformat(value.replace('Z', '+00:00')).timestamp()
    except (AttributeError, OverflowError, ValueError):
        return None


_FIELDS: dict[str, c.Callable[[t.Any], t.Any]] = {
    'name': _text,
    'module': _text,
    'summary': _text,
    'limit': _number,
    'position': _number,
    'created': _moment,
    'started': _moment,
    'ended': _moment,
    'elapsed': _number,
    'reason': _text,
    'line': _text,
}
