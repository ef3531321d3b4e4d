# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where jobs stand: which wait, live or have ended. A job that is dead and has no end is declared lost here.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import collections
import contextlib

from ..contain.cgroup import Cgroup
from ..files.atomic import raise_unless_absent
from ..files.clock import boot_id, lives
from ..files.errors import StoreError
from ..files.job import unreadable_spec
from ..files.machine import other_machine
from ..files.records import NewerFormat
from ..files.tmpdir import remove_tmpdir, tmpdir_of
from ..protocol import CONTROLLER, TARGET
from ..schedule.dependents import Dependents, awaited_by
from ..schedule.queue import Queue, QueueSnapshot
from ..schedule.shared_queue import SharedQueue
from .ending import write_lost

Standing = collections.namedtuple(
    'Standing',
    (
        'position',  # of the job in its queue, from 1 on, or None: it is in none, or does not wait
        'awaited',  # the ids of the jobs that it waits for, or None: it does not wait for others
        'end',  # its End, or None while it waits or lives
    ),
)
"""Where a job stands. All None: it runs, or is gone."""
RUNS = Standing(None, None, None)


def settle(job, spec, snapshot=None):
    """The Standing of *job*, which is declared lost if it is dead and has no end.

    The lock is tested before the end is read again, because a job writes its end before it releases the lock. And the
    queue is read again where the job is not in *snapshot* (a QueueSnapshot or None), because it may have been queued since.
    """
    end = job.end()
    elsewhere = other_machine(spec) is not None  # then this machine's locks and processes say nothing of it
    if end is not None:
        return Standing(None, None, end)
    if not elsewhere and job.alive():
        return _of_process(job, spec)
    if spec.place == TARGET:
        waiting = _in_files(job, spec, snapshot)
        if waiting is not None:
            return waiting
    if elsewhere or job.alive():  # its turn came meanwhile
        return RUNS
    return _settle_dead(job, spec)


def _settle_dead(job, spec):
    """The Standing of *job*, which neither waited nor lived a moment ago.

    The places where it may wait are locked before it is declared lost: its turn may have come after the look at them, and
    it may be back by now, because no process could be made for it.
    """
    with contextlib.ExitStack() as locks:
        for place in _places(job, spec):
            try:
                locks.enter_context(place)
            except OSError as error:
                raise_unless_absent(error)
            else:
                if place.waits(job.id):
                    break
        else:
            if not job.alive():
                end = job.end()
                if end is None and not job.exists():  # not lost: somebody has removed it meanwhile
                    return RUNS
                return Standing(None, None, end or _declare_lost(job, spec))
    return settle(job, spec)


def _places(job, spec):
    """The places where *job* may wait as files only, in the order of their locks."""
    if spec.place != TARGET:
        return
    if spec.after:
        yield Dependents(job.store)
    if spec.queue is not None:
        try:
            yield Queue(job.store, spec.queue)
        except StoreError:  # no name of a queue: nobody waits there
            pass


def has_ended(job):
    """Whether *job* has ended, was lost, or is gone. False where this version cannot tell."""
    try:
        spec = job.spec()
        return spec is None or settle(job, spec).end is not None
    except NewerFormat:
        return False


def _in_files(job, spec, snapshot):
    """The Standing of *job* if it waits as files only, else None."""
    awaited = awaited_by(job.store, job.id) if spec.after else None
    if awaited is not None:
        return Standing(None, awaited, None)
    for queues in (snapshot, QueueSnapshot(job.store)) if spec.queue is not None else ():
        position = queues and queues.position(spec.queue, job.id)
        if position:
            return Standing(position, None, None)
    return None


def _of_process(job, spec):
    """The Standing of *job*, which lives. On the controller, it is a process also while it waits."""
    if spec.place == TARGET or job.run() is not None:
        return RUNS
    awaited = awaited_by(job.store, job.id) if spec.after else None
    if awaited is not None or spec.queue is None:
        return Standing(None, awaited, None)
    return Standing(SharedQueue(job.store, spec.queue).position(job.id), None, None)


def _declare_lost(job, spec):
    run = job.run()
    if run is None and spec == unreadable_spec(job.id):
        reason = 'the files of job %s in %s are damaged, by a power cut perhaps' % (job.id, job.path)
    elif (run or spec).boot != boot_id():
        what = 'waited' if run is None and spec.place == CONTROLLER else 'ran'
        machine = 'controller' if spec.place == CONTROLLER else 'host'
        reason = 'the %s was rebooted, or lost power, while job %s %s' % (machine, job.id, what)
    elif run is None and spec.place == CONTROLLER and awaited_by(job.store, job.id) is not None:
        reason = 'the process of job %s, which waited for other jobs, was killed' % job.id
    elif run is None and spec.place == CONTROLLER and spec.queue is not None:
        reason = 'the process of job %s, which waited in queue %s, was killed' % (job.id, spec.queue)
    elif run is None:
        reason = 'the start of job %s was cut off before its module was executed' % job.id
    else:
        reason = (
            'the supervisor of job %s (pid %d) was killed, by kill -9 or for want of memory, or could not write its end; '
            'its module (pid %d) %s'
            % (
                job.id,
                run.supervisor,
                run.pid,
                'still ran when this was found out' if lives(run.pid, run.process_start) else 'had ended by then',
            )
        )
    if run is not None and run.cgroup:
        Cgroup(run.cgroup).remove()  # unless its module still runs there
    tmpdir = tmpdir_of(job)
    end = write_lost(job, reason)
    remove_tmpdir(tmpdir)
    if spec.place == CONTROLLER and awaited_by(job.store, job.id) is not None:
        with Dependents(job.store) as dependents:
            dependents.remove(job.id)
    return end
