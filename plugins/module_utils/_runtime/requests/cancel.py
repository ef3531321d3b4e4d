# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``cancel``: ask jobs to end. It does not wait for their ends.

The request has, beside ``ids``:

=========  ===================================================================================================
``grace``  float; seconds between TERM and KILL
``check``  bool; whether only to tell which jobs would be cancelled
=========  ===================================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

import contextlib
import os
import time

from ..files.atomic import write_file
from ..files.clock import is_another
from ..files.machine import host_name
from ..files.names import find
from ..files.tmpdir import remove_tmpdir, tmpdir_of
from ..files.users import user
from ..files.watch import Watch
from ..protocol import TARGET
from ..schedule.queue import Queue, QueueSnapshot
from ..supervise.ending import write_withdrawn
from ..supervise.following import give_up
from ..supervise.standing import has_ended
from ..supervise.vigil import STOP
from .look import start_dependents, take_look, unknown_look

_UNTIL_EXECUTED_SECONDS = 30
"""From the making of a job to the execution of its module, at most."""
_BEYOND_GRACE_SECONDS = 90
"""After these, a job that does not end is reported: it was sent KILL long ago."""


def cancel(store, request):
    """Looks at the jobs as they were, each with ``to_stop``: whether it had not ended.

    No job is asked to end where one of them is unknown, or lives on another machine.
    """
    jobs = [find(store, reference) for reference in request['ids']]
    snapshot = QueueSnapshot(store)
    looks = [
        unknown_look(store, reference) if job is None else take_look(job, snapshot=snapshot)
        for reference, job in zip(request['ids'], jobs)
    ]
    looks = [_refused_elsewhere(look) for look in looks]
    if not all(look.job and not look.error for look in looks):
        return looks
    looks = [look._replace(to_stop=not look.ended) for look in looks]
    if not request['check']:
        to_stop = sorted((look for look in looks if look.to_stop), key=_order)
        for look in to_stop:
            _ask_to_end(store.job(look.id), request['grace'], snapshot)
        start_dependents(store, [look.id for look in to_stop])
    return looks


def _order(look):
    """Jobs that wait for others come first, and those that run last: each end starts or skips what waits for it."""
    return 'waits_for' not in look.job, look.job['state'] != 'queued'


def _refused_elsewhere(look):
    """*look*, with an error where its job lives on another machine: its processes cannot be reached from here."""
    if not look.job or look.ended or 'machine' not in look.job:
        return look
    return look._replace(
        error='job %s belongs to machine %s, and this is %s: cancel it there. Both use the async directory %s'
        % (look.id, look.job['machine'], host_name(), look.looked_in)
    )


def stop(job, grace):
    """End *job*, and return when it has ended. *grace*: seconds between TERM and KILL."""
    _ask_to_end(job, grace, QueueSnapshot(job.store))
    start_dependents(job.store, [job.id])
    seconds = grace + _BEYOND_GRACE_SECONDS
    if not _wait_for(job, seconds, lambda: has_ended(job)):
        raise TimeoutError('job %s did not end within %d s after it was asked to' % (job.id, seconds))


def _ask_to_end(job, grace, snapshot):
    """Ask *job* to end. It may have ended since somebody looked, and a task that waited for it has removed its files."""
    try:
        spec = job.spec()
        if spec is not None:
            _ask_existing(job, spec, grace, snapshot)
    except OSError:
        if job.exists():
            raise


def _ask_existing(job, spec, grace, snapshot):
    by = 'on request of user %s' % user()
    write_file(job.file('collected'), b'')  # nobody waits for the result of what was stopped on purpose
    if spec.after and give_up(job, by):
        return
    in_files = spec.queue is not None and spec.place == TARGET  # other jobs that wait are processes, which hear of it
    if in_files and _withdraw(job, spec.queue, by, snapshot):
        return
    try:
        job.write('stop.json', {'grace': grace, 'by': by})
    except OSError:  # a full disk still has room for an empty file, which asks for the end as well
        write_file(job.file('stop.json'), b'')
    _wait_for(job, _UNTIL_EXECUTED_SECONDS, lambda: not job.exists() or job.end() or job.run())
    run = job.run()
    if run and not job.end() and job.alive() and not is_another(run.supervisor, run.supervisor_start):
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.kill(run.supervisor, STOP)


def _withdraw(job, queue_name, by, snapshot):
    """Take *job* out of its queue and write its end. False where it does not wait."""
    entry = snapshot.entry(queue_name, job.id)
    with Queue(job.store, queue_name) as queue:
        if not queue.withdraw(job.id, entry):
            return False
        tmpdir = tmpdir_of(job)
        write_withdrawn(job, queue_name, by)
    remove_tmpdir(tmpdir)
    return True


def _wait_for(job, seconds, read):
    """What *read()* returns once that is true, or its last value after *seconds*. It is called at each change of a file."""
    deadline = time.monotonic() + seconds
    with Watch([job.path]) as watch:
        while True:
            value = read()
            left = deadline - time.monotonic()
            if value or left <= 0:
                return value
            watch.sleep(left)
