# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts jobs on a target. Private to this collection."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import secrets
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime import protocol
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look, PayloadReference
from ansible_collections.background.jobs.plugins.plugin_utils._branch.payload import BranchPayload, BranchReading
from ansible_collections.background.jobs.plugins.plugin_utils._options.job_requests import JobRequest
from ansible_collections.background.jobs.plugins.plugin_utils._payload.payload import Payload
from ansible_collections.background.jobs.plugins.plugin_utils._payload.reader import Reading
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Function, Place
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import was_sent
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import printable

display = Display()


class Started(t.NamedTuple):
    """What a task that waits needs to know of the jobs that it has started. It can be pickled."""

    looks: list[Look]
    """Taken when the jobs were started."""
    labels: list[str]
    """How people call each job, in the result of the task."""
    names: list[str]
    """The same for reports."""
    readings: list[Reading | BranchReading]
    """What reads their output."""
    answered: float
    """When the host answered that they were started (time.monotonic())."""
    poll: int
    """Seconds between two reports."""
    margin: float
    """For how many seconds beyond the limits of the jobs an unreachable host is asked again."""
    follow: bool
    """Whether live output is shown."""
    many: bool
    """Whether the task has `tasks`."""
    on_interrupt: str
    """What becomes of the jobs when the play is interrupted."""


def start(remote: Place, requests: list[JobRequest], retention: float) -> list[Look]:
    """Start jobs in one request. Returns a look at each, taken when its module was executed or the job was queued.

    If the answer is lost, the same request is sent once more. The jobs have their ids from here, so none starts twice.
    Raises AnsibleConnectionFailure if that answer is lost, too.
    """
    bases: dict[str, bytes] = {}
    ids = _new_ids(2 * len(requests))  # of the jobs, then of those that start at their ends
    jobs = [_job(request, number, ids, retention, bases) for number, request in enumerate(requests)]
    names = ', '.join(printable(job['name'] or job['id']) for job in jobs)
    encoded = {digest: base64.b64encode(base).decode() for digest, base in bases.items()}
    functions: dict[str, Function] = {}
    for job, request in zip(jobs, requests, strict=True):
        functions.update(_functions(job, request))
    ask = functools.partial(remote.ask, 'start', jobs=jobs, bases=encoded, functions=functions)
    try:
        return ask()
    except AnsibleConnectionFailure as error:
        if not was_sent(error):
            raise
        display.vvv(f'{remote.host}: connection lost while starting {names}; asking again: {error.message}')
    remote.reset()
    try:
        return ask()
    except AnsibleConnectionFailure as error:
        raise AnsibleConnectionFailure(
            f'Connection lost while starting {names}; they may run there: look with async_info. {error.message}'
        ) from error


def _functions(job: dict[str, t.Any], request: JobRequest) -> dict[str, Function]:
    """The bodies of *job*, which *request* asks for, and of the job at its end, if these are branches."""
    functions: dict[str, Function] = {}
    if isinstance(request.payload, BranchPayload):
        functions[job['id']] = request.payload.branch.run
    if request.on_end is not None:
        functions.update(_functions(job['on_end'], request.on_end))
    return functions


def _new_ids(count: int) -> list[str]:
    """Ids like ``j<UTC time>.<random>``, which sort by age, in this order, and are never read as numbers."""
    now = datetime.datetime.now(datetime.timezone.utc)
    moments = (now + datetime.timedelta(microseconds=number) for number in range(count))
    return [f'j{moment:%Y%m%d%H%M%S%f}.{secrets.randbelow(90000000) + 10000000}' for moment in moments]


def _job(
    request: JobRequest, number: int, ids: list[str], retention: float, bases: dict[str, bytes]
) -> dict[str, t.Any]:
    """The job *number* of a start request (protocol.StartRequest); a base that it needs is added to *bases*.

    *ids*: of all jobs of the request; then as many for the jobs that start at their ends.
    """
    payload = request.payload
    how = _function() if isinstance(payload, BranchPayload) else _module(payload, bases)
    job = protocol.StartRequest(
        id=ids[number],
        name=request.name,
        on_existing=request.on_existing,
        work=payload.work,
        module=payload.module,
        about=request.about,
        limit=request.limit,
        leeway=0,
        spare_daemons=False,
        as_numbers=False,
        grace=request.grace,
        queue=request.queue,
        slots=request.slots,
        after=[ids[other] if isinstance(other, int) else other for other in request.after],
        after_any=request.after_any,
        on_end=None if request.on_end is None else _job(request.on_end, len(ids) // 2 + number, ids, retention, bases),
        no_log=request.no_log,
        environment=request.environment,
        tmpdir=payload.branch.directory if isinstance(payload, BranchPayload) else payload.tmpdir,
        output_limit=request.output_limit,
        retention=retention,
        resources=dict(request.resources._asdict()),
        **how,
    )
    return dict(job._asdict())


def _module(payload: Payload, bases: dict[str, bytes]) -> dict[str, t.Any]:
    """How a module is executed; a base that it needs is added to *bases*."""
    digest, head, tail = _difference(payload.file, bases)
    middle = payload.file[head : len(payload.file) - tail]
    return {
        'argv': payload.argv,
        'stdin': payload.stdin,
        'args': None if payload.args is None else base64.b64encode(payload.args).decode(),
        'payload': PayloadReference(digest, head, base64.b64encode(middle).decode(), tail)._asdict(),
    }


def _function() -> dict[str, t.Any]:
    """The same of a job that is no module."""
    return {'argv': [], 'stdin': False, 'args': None, 'payload': {}}


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
    """How many bytes both begin with, found by halving: comparing byte by byte would take seconds for a hundred jobs."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
