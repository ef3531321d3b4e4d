# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What callbacks know of the jobs of this run, from the events of ansible-core. Private to this collection.

A target wrote the results, so every value is checked before it is used. No value can break a callback.
"""

from __future__ import annotations

import collections
import collections.abc as c
import dataclasses
import datetime
import re
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.ids import is_job_id
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import LIVE, STATES
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import uuid_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task_result import part

_SILENT_SECONDS = 60
"""Since the last look at a job, after which its host counts as silent."""
_SILENT_POLLS = 2
"""The same in intervals between two polls, where a task that waits polls less often."""
_JOB_ID = r'j\d{20}\.\d+'


@dataclasses.dataclass
class Job:
    """A job as of the last look. Its own times are by the target's clock, in seconds since 1970, None where unknown."""

    id: str
    host: str
    task: str | None
    """The name of the task that it was first seen in."""
    first: float
    """When a callback first saw it, by the controller's monotonic clock."""
    seen: float
    """When a callback last saw it, by the same clock."""
    state: str
    """One of the documented states. `ended` for a job that no_log hides, of which nothing else is known."""
    poll: float | None = None
    """Seconds between two polls of the task that waits for it. 0: the task has no `poll`. None: no task waits."""
    name: str | None = None
    module: str | None = None
    summary: str | None = None
    """Its command line, or the telling arguments of its module."""
    limit: float | None = None
    position: float | None = None
    after: list[str] = dataclasses.field(default_factory=list)
    """The ids of the jobs that it was started after."""
    waits_for: list[str] = dataclasses.field(default_factory=list)
    """The names, or else the ids, of those that it waits for yet."""
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

    @property
    def cause(self) -> str | None:
        """The reason without job ids, which differ from host to host and tell a person nothing."""
        if self.reason is None:
            return None
        own = re.sub(rf'(?:the )?\bjob {re.escape(self.id)}', 'the job', self.reason)
        return re.sub(rf'(?:the )?\bjob {_JOB_ID}', 'another job', own)

    def silent(self, now: float) -> bool:
        """Whether the host was not heard of for a minute, or for two polls where these take longer."""
        return now - self.seen > max(_SILENT_SECONDS, _SILENT_POLLS * (self.poll or 0))

    def troubled(self, now: float) -> bool:
        """Whether a task waits for it, and its host is silent."""
        return self.poll is not None and self.silent(now)

    def ran(self, now: float) -> float | None:
        """Seconds it has run by *now*, also if nobody has looked since. Never more than its limit."""
        if self.elapsed is None or self.state != 'running':
            return self.elapsed
        so_far = self.elapsed + now - self.seen
        return so_far if self.limit is None else min(so_far, max(self.limit, self.elapsed))

    def learn(self, record: c.Mapping[str, t.Any], now: float) -> None:
        """Update this job from *record*, the `job` of a result. A late result about a job that has ended is ignored."""
        if not self.live and record['state'] in LIVE:
            return
        self.state = record['state']
        self.seen = now
        for field, read in _FIELDS.items():
            if field in record:
                setattr(self, field, read(record[field]))
        self.waits_for = texts_of(record.get('waits_for'))
        if self.created is None:  # a job of ansible-core itself, whose results have no times
            self.elapsed = now - self.first


class Tracker:
    """Keeps the last known state of each job that this run has started, looked at or waited for."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._hidden: dict[tuple[str, str], Job] = {}
        self._of_task: t.Counter[tuple[str, str]] = collections.Counter()

    def see(
        self, result: t.Any, now: float, *, polling: bool = False, failed: bool = False, final: bool = True
    ) -> list[Job]:
        """Update the jobs from the *result* of an event. Returns the jobs that its task is about.

        *now*: seconds of the monotonic clock. The other arguments are those of SeesJobs.saw(). ansible-core removes from the
        result that the task has failed.
        """
        content = part(result, 'result')
        if 'censored' in content or content.get('_ansible_no_log'):
            return self._see_hidden(result, now, polling=polling, final=final)
        jobs = []
        for record in _records(content, failed):
            job = self._job(record['id'], result, now)
            job.learn(record, now)
            job.poll = (number_of(getattr(part(result, 'task'), 'poll', None)) or 0) if polling else None
            jobs.append(job)
        for record in _listed(content):
            if record['id'] in self.jobs:  # a list has the jobs of other runs too, which are left out
                self.jobs[record['id']].learn(record, now)
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

    def _see_hidden(self, result: t.Any, now: float, *, polling: bool, final: bool) -> list[Job]:
        """A censored result does not show whether it is about a job. The event of a poll always is.

        After the event of the job's end comes the final one of its task, which is about the same job.
        """
        key = key_of(result)
        job = self._hidden.get(key)
        if polling and (job is None or not job.live):
            job = self._hidden[key] = self._job(f'hidden {len(self.jobs) + 1}', result, now)
            job.task = 'hidden by no_log'
        if final:
            self._hidden.pop(key, None)
        if job is None:
            return []
        if job.live:
            job.state = 'running' if polling else 'ended'
            job.seen = now
            job.elapsed = now - job.first
        return [job]


class SeesJobs(CallbackBase):
    """A callback with one method for all events that may be about jobs."""

    def saw(self, result: t.Any, *, polling: bool = False, failed: bool = False, final: bool = True) -> None:
        """Called with the *result* of each event.

        *polling*: the task still waits. *failed*: the task has failed. *final*: the task, or this item of its loop, has
        ended.
        """
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

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self.saw(result)

    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        self.saw(result)

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        self.saw(result)

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        self.saw(result, failed=True)


def key_of(result: t.Any) -> tuple[str, str]:
    """The host and the task of a result."""
    return part(result, 'host').get_name(), uuid_of(part(result, 'task'))


def _records(content: c.Mapping[str, t.Any], failed: bool) -> c.Iterator[c.Mapping[str, t.Any]]:
    """The `job` of each job that a result is about, or as much of one as the result of ansible-core's own jobs has."""
    many = _mappings(content.get('jobs'))
    for one in many or [content]:  # the result of many jobs is itself about none
        has_failed = one.get('failed') if many else failed
        last_poll = one.get('async_result') if has_failed else None  # of ansible-core, at the limit
        job_id = (last_poll if isinstance(last_poll, c.Mapping) else one).get('ansible_job_id')
        if _is_job(one.get('job')):
            yield one['job']
        elif not is_job_id(job_id):  # in its place, events of tasks that wait have what people call the job
            continue
        elif has_failed:
            yield {'id': job_id, 'state': 'failed', 'reason': one.get('msg')}
        elif 'finished' in one:
            yield {'id': job_id, 'state': 'succeeded' if one['finished'] else 'running'}


def _listed(content: c.Mapping[str, t.Any]) -> c.Iterator[c.Mapping[str, t.Any]]:
    """The jobs of async_info and similar modules, which have no result around them."""
    return (one for one in _mappings(content.get('jobs')) if _is_job(one))


def _mappings(value: t.Any) -> list[c.Mapping[str, t.Any]]:
    return [one for one in value if isinstance(one, c.Mapping)] if isinstance(value, list) else []


def _is_job(value: t.Any) -> bool:
    """Modules of other collections return a `job` too."""
    return isinstance(value, c.Mapping) and isinstance(value.get('id'), str) and value.get('state') in STATES


def _text(value: t.Any) -> str | None:
    return value if isinstance(value, str) and value else None


def texts_of(value: t.Any) -> list[str]:
    """The texts of a list that a target wrote; none if it is no list."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def number_of(value: t.Any) -> float | None:
    """A number that a target wrote, or None if it is none, or none that a duration or a place can be."""
    usable = isinstance(value, (int, float)) and 0 <= value < 1e10
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
    'limit': number_of,
    'position': number_of,
    'after': texts_of,
    'created': _moment,
    'started': _moment,
    'ended': _moment,
    'elapsed': number_of,
    'reason': _text,
    'line': _text,
}
