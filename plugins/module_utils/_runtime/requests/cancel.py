# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking jobs to end.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import time

from ..files import clock as _clock
from ..files import store as _store
from ..files.names import find
from ..files.store import user
from ..files.watch import Watch
from ..schedule.queue import Queue
from ..supervise import ending as _outcome
from ..supervise.vigil import STOP
from .look import look as look_at
from .look import missing, settle

_UNTIL_EXECUTED = 30  # seconds that a job may need from its making to the execution of its module
_BEYOND_GRACE = 90  # seconds after which one that does not end is reported, KILL being long past


def cancel(store, request):
    """Looks at the jobs as they were, each with ``to_stop``: whether there was anything to end.

    Nothing is asked where one of the jobs is unknown, or with ``check``.
    """
    jobs = [find(store, wanted) for wanted in request['ids']]
    looks = [missing(store, wanted) if job is None else look_at(job) for wanted, job in zip(request['ids'], jobs)]
    if not all(look.job for look in looks):
        return looks
    looks = [look._replace(to_stop=not look.ended) for look in looks]
    if not request['check']:
        for job, look in zip(jobs, looks):
            if look.to_stop:
                _ask(job, request['grace'])
    return looks


def stop(job, grace):
    """End *job* and return when it has ended."""
    _ask(job, grace)
    if not _watch(job, grace + _BEYOND_GRACE, lambda: not job.exists() or settle(job, job.spec())[1]):
        raise TimeoutError('job %s did not end, %d s after it was told to' % (job.id, grace + _BEYOND_GRACE))


def _ask(job, grace):
    by = 'on request of user %s' % user()
    _store.write_file(job.file('collected'), b'')  # nobody waits for the result of what was stopped on purpose
    spec = job.spec()
    if spec['queue'] is not None:
        with Queue(job.store, spec['queue']) as queue:
            if queue.withdraw(job.id):
                _outcome.write(
                    job,
                    'cancelled',
                    reason='job %s was taken out of queue %s %s, before its turn came' % (job.id, spec['queue'], by),
                )
                return
    try:
        job.write('stop.json', {'grace': grace, 'by': by})
    except OSError:  # on a full disk there is room for an empty file still, and that says enough
        _store.write_file(job.file('stop.json'), b'')
    run = _watch(job, _UNTIL_EXECUTED, lambda: job.read('end.json') or job.read('run.json'))
    if run and 'supervisor' in run and job.alive() and _clock.lives(run['supervisor'], run['supervisor_start']):
        os.kill(run['supervisor'], STOP)


def _watch(job, seconds, look_for):
    """What *look_for()* finds, once it finds something, or nothing after *seconds*."""
    deadline = time.monotonic() + seconds
    with Watch([job.path]) as watch:
        while True:
            found = look_for()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            watch.sleep(left)
