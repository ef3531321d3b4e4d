# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of jobs as the controller sees it: start, wait through lost connections, collect. Private to this collection."""

from __future__ import annotations

import base64
import contextlib
import datetime
import functools
import hashlib
import secrets
import time
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime import protocol
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._options.job_requests import JobRequest
from ansible_collections.background.jobs.plugins.plugin_utils._places.remote import Remote, was_sent
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import label_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import Place

MARGIN = 60
"""Seconds beyond the jobs' limits for which an unreachable host is asked again, unless `background_jobs_margin` says
otherwise."""
_LONGEST = 60
"""Seconds of one request at most: a host that is cut off says nothing, and this is how it is found out."""
_SILENCE = 30
"""Seconds beyond what a request takes on the target after which the connection counts as lost."""
_PROMPT = (2.0, 0.1)
"""Hosts that take turns look at least every 2 s at first, later within 0.1 of the time they have waited."""
_FOLLOWED = 0.5
"""The same for hosts whose output is followed."""
_BACKOFF = (1, 2, 4, 8, 15)
"""Seconds between attempts to reach a host that went away; the last one repeats."""

display = Display()


def start(remote: Remote, requests: list[JobRequest], retention: float) -> list[Look]:
    """Start jobs in one request; a look at each, taken when its module had been executed or it had been queued.

    The ids are made here: a start whose answer was lost is asked again, once, and starts nothing twice.
    """
    bases: dict[str, bytes] = {}
    jobs = [
        _job(request, job_id, retention, bases)
        for request, job_id in zip(requests, _new_ids(len(requests)), strict=True)
    ]
    encoded = {digest: base64.b64encode(base).decode() for digest, base in bases.items()}
    ask = functools.partial(remote.ask, 'start', jobs=jobs, bases=encoded)
    try:
        return ask()
    except AnsibleConnectionFailure as error:
        if not was_sent(error):
            raise
        display.vvv(f'Lost the host while jobs were started there. Trying again: {error.message}')
    remote.reset()
    try:
        return ask()
    except AnsibleConnectionFailure as error:
        raise AnsibleConnectionFailure(
            f'Lost the host while the jobs {[job["id"] for job in jobs]} were started; they may run there. {error.message}'
        ) from error


def _new_ids(count: int) -> list[str]:
    """``j<UTC time>.<random>``: sort by age, in the order given, and are never read as numbers."""
    now = datetime.datetime.now(datetime.timezone.utc)
    moments = (now + datetime.timedelta(microseconds=number) for number in range(count))
    return [f'j{moment:%Y%m%d%H%M%S%f}.{secrets.randbelow(90000000) + 10000000}' for moment in moments]


def _job(request: JobRequest, job_id: str, retention: float, bases: dict[str, bytes]) -> dict[str, t.Any]:
    """One job of a start request (protocol.JobRequest); a base that it needs is added to *bases*."""
    payload = request.payload
    digest, head, tail = _difference(payload.file, bases)
    middle = payload.file[head : len(payload.file) - tail]
    job = protocol.JobRequest(
        id=job_id,
        name=request.name,
        on_existing=request.on_existing,
        work=payload.work,
        module=payload.module,
        limit=request.limit,
        grace=request.grace,
        queue=request.queue,
        slots=request.slots,
        no_log=request.no_log,
        argv=payload.argv,
        environment=payload.environment,
        stdin=payload.stdin,
        args=None if payload.args is None else base64.b64encode(payload.args).decode(),
        tmpdir=payload.tmpdir,
        output_limit=request.output_limit,
        retention=retention,
        payload={'base': digest, 'head': head, 'middle': base64.b64encode(middle).decode(), 'tail': tail},
    )
    return dict(job._asdict())


def _difference(file: bytes, bases: dict[str, bytes]) -> tuple[str, int, int]:
    """(digest of a base, head, tail): *file* begins with head bytes of the base and ends with tail bytes of it.

    The base is one of *bases* where most of the file is in it, else the file itself, which is added to them.
    """
    for digest, base in bases.items():
        head = _common(base, file)
        tail = _common(base[head:][::-1], file[head:][::-1])
        if (head + tail) * 2 > len(file):
            return digest, head, tail
    digest = hashlib.sha256(file).hexdigest()
    bases[digest] = file
    return digest, len(file), 0


def _common(first: bytes, second: bytes) -> int:
    """How many bytes both begin with, found by halving: comparing byte by byte would take seconds for a hundred."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def bring(
    remote: Remote,
    looks: list[Look],
    meanwhile: SilentReporter | None,
    margin: float = MARGIN,
    place: Place | None = None,
) -> list[Look]:
    """Wait for the jobs of *looks* if there is a *meanwhile*; the looks again, with the output of what has ended.

    The files of a job that was waited for are removed, as ansible-core does. A named job keeps them for its
    retention: another task may have attached to it, and be waiting for it as well.
    """
    wanted = [look for look in looks if not look.error and (meanwhile or look.ended)]
    ids = [look.id for look in wanted]
    if not ids:
        return looks
    if meanwhile is None:
        brought = remote.ask('collect', ids=ids)
    else:
        brought = wait(remote, wanted, meanwhile, margin=margin, place=place)
        named = [look.id for look in brought if look.job and look.job['name'] is not None]
        _tidy(remote, place, 'collect', named)
        _tidy(remote, place, 'remove', [job_id for job_id in ids if job_id not in named])
    found = {look.id: look for look in brought}
    return [found.get(look.id, look)._replace(attached=look.attached) for look in looks]


def _tidy(remote: Remote, place: Place | None, op: str, ids: list[str]) -> None:
    """The results are here already: a connection that breaks now is not worth a failed task."""
    if ids:
        try:
            with _turn(place):
                remote.ask(op, within=_SILENCE, ids=ids)
        except AnsibleConnectionFailure as error:
            display.warning(f'Lost the host before the files of the jobs {ids} could be tidied up: {error.message}')


def wait(
    remote: Remote,
    looks: list[Look],
    meanwhile: SilentReporter,
    *,
    timeout: float | None = None,
    margin: float = MARGIN,
    place: Place | None = None,
) -> list[Look]:
    """Wait until all jobs have ended, or *timeout* seconds; the last looks at them, with output if all have ended.

    The target answers as soon as all have ended, there is output to follow, or *meanwhile* has a report to make. A
    lost connection is not the jobs' failure: the host is asked again until their limits and *margin* are over, for ever
    without a limit. *looks*: at the same jobs, taken just now. *place*: of a process that waits without a fork.
    """
    ids = [look.id for look in looks]
    began = time.monotonic()
    deadline = None if timeout is None else began + timeout
    contact = _Contact(remote.host, looks, margin, deadline)
    while True:
        try:
            with _turn(place) as sharers:
                now = time.monotonic()
                longest = min(meanwhile.due(), _LONGEST)
                if deadline is not None:
                    longest = min(longest, max(0.0, deadline - now))
                if sharers:  # also the only one now: who comes next must not wait until a long request is over
                    prompt = _FOLLOWED if meanwhile.offsets(ids) else max(_PROMPT[0], (now - began) * _PROMPT[1])
                    longest = min(longest, prompt) / sharers
                looks = remote.ask(
                    'wait', within=longest + _SILENCE, ids=ids, seconds=longest, offsets=meanwhile.offsets(ids)
                )
        except AnsibleConnectionFailure as error:
            contact.lost(error, ids)
            remote.reset()
            continue
        contact.made(looks)
        over = deadline is not None and time.monotonic() >= deadline
        over = over or all(look.ended or not look.job for look in looks)
        meanwhile.seen(looks, over=over)
        if over:
            return looks


def _turn(place: Place | None) -> contextlib.AbstractContextManager[int]:
    """For one request. A fork that is held is a turn of its own."""
    return contextlib.nullcontext(0) if place is None else place.turn()


class _Contact:
    """When the host was last heard of, and how long to try when it is not."""

    def __init__(self, host: str, looks: list[Look], margin: float, deadline: float | None) -> None:
        self._host = host
        self._margin = margin
        self._deadline = deadline
        self._warned = False
        self._names = ', '.join(map(label_of, looks))
        self.made(looks)

    def made(self, looks: list[Look]) -> None:
        self._seen, self._seen_at = time.monotonic(), time.localtime()
        self._failures = 0
        left = [_left(look.job) for look in looks if look.job and not look.ended]
        limit = None if None in left else max([0.0, *(seconds for seconds in left if seconds is not None)])
        ends = [end for end in (None if limit is None else self._seen + limit, self._deadline) if end is not None]
        self._patient_until = min(ends) + self._margin if ends else None

    def lost(self, error: AnsibleConnectionFailure, ids: list[t.Any]) -> None:
        """Sleep before the next attempt, or raise *error* with what a person needs to know."""
        seen = time.strftime('%Y-%m-%d %H:%M:%S', self._seen_at)
        if self._patient_until is not None and time.monotonic() > self._patient_until:
            raise AnsibleConnectionFailure(
                f'The host was last seen at {seen}; the jobs {ids} may still run there. {error.message}'
            ) from error
        if not self._warned:
            lost = (
                f'connection lost while waiting for {self._names}; asking again. Last seen at {seen}: {error.message}'
            )
            # Not a warning: from 2.19 on those of a worker are shown when its task has ended, and this is news now.
            display.display(f'[WARNING]: {self._host}: {lost}', color=C.COLOR_WARN, stderr=True)
        self._warned = True
        pause: float = _BACKOFF[min(self._failures, len(_BACKOFF) - 1)]
        if self._patient_until is not None:
            pause = min(pause, max(0.1, self._patient_until - time.monotonic()))
        time.sleep(pause)
        self._failures += 1


def _left(job: dict[str, t.Any]) -> float | None:
    """Seconds that *job* may still run, None without a limit or before its turn."""
    if job['limit'] is None or job['state'] == 'queued':
        return None
    return float(job['limit']) - (job['elapsed'] or 0)
