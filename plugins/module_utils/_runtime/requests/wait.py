# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``wait``: look at jobs as soon as all have ended, with their output, or when the time is over.

The request has, beside ``ids``:

===========  =================================================================================================
``seconds``  float; how long to wait at most
``offsets``  a list with one offset (int, bytes) of live output or None for each of ``ids``, or no such field.
             Soon after one of these jobs has live output from its offset on, the request is answered with it
``output``   true: jobs that have ended come with their output though others go on, or no such field
``results``  true: jobs that have ended come with the content of their result files, or no such field
===========  =================================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

import time

from ..files.job import Job
from ..files.names import find
from ..files.records import NewerFormat
from ..files.watch import Watch
from ..output.reader import has_more, last_line
from ..protocol import TARGET
from ..schedule.queue import QueueSnapshot
from ..supervise.standing import settle
from .look import kick_waiting, take_looks, with_live_output, with_result

_GATHERING_SECONDS = 0.5
"""From the first new line to the answer: followed output comes in groups of lines, and within a second."""
_LIVE_OUTPUT_BYTES = 65536
"""Of all jobs of one response. A person could not read more in time."""


def wait(store, request):
    """Looks at the jobs, each that has not ended with its last line of live output."""
    deadline = time.monotonic() + request['seconds']
    jobs = [find(store, reference) for reference in request['ids']]
    snapshot = QueueSnapshot(store)
    pending = {job.path: job for job in jobs if job is not None and _is_pending(job, snapshot)}
    followed = _followed(jobs, request.get('offsets'))
    with Watch(pending, writes=bool(followed)) as watch:
        specs = [spec for spec in map(Job.spec, pending.values()) if spec]
        queues = {spec.queue for spec in specs if spec.place == TARGET} - {None}
        kick_waiting(store, queues, [spec.id for spec in specs if spec.after])
        touched = list(pending)  # what ended before the watch began
        while True:
            _drop_ended(pending, touched, QueueSnapshot(store))
            if any(has_more(job, offset) for job, offset in followed):
                followed = []
                watch.ignore_writes()
                deadline = min(deadline, time.monotonic() + _GATHERING_SECONDS)
            left = deadline - time.monotonic()
            if not pending or left <= 0:
                return _answer(store, request, all_ended=not pending)
            touched = watch.sleep(left)


def _followed(jobs, offsets):
    """The jobs to follow, each with its offset."""
    pairs = zip(jobs, offsets or ())
    return [(job, offset) for job, offset in pairs if job is not None and offset is not None]


def _drop_ended(pending, touched, snapshot):
    """Take the jobs that have ended, and those that were removed, out of *pending* ({path: job})."""
    for path in touched:
        if path in pending and not _is_pending(pending[path], snapshot):
            del pending[path]


def _is_pending(job, snapshot=None):
    """Whether there is such a job, and it has not ended, as far as this version can tell."""
    try:
        spec = job.spec()
        return spec is not None and settle(job, spec, snapshot).end is None
    except NewerFormat:
        return False


def _answer(store, request, all_ended):
    looks = take_looks(store, request['ids'], output=all_ended or request.get('output', False))
    if not all_ended and all(look.ended or not look.job for look in looks):  # the last of them ended just now
        looks = take_looks(store, request['ids'], output=True)
    if request.get('results'):
        looks = [with_result(store, look) if look.ended else look for look in looks]
    looks = [
        look._replace(last_line=last_line(store.job(look.id))) if look.job and not look.ended else look
        for look in looks
    ]
    return with_live_output(store, looks, request.get('offsets'), _LIVE_OUTPUT_BYTES, newest=True)
