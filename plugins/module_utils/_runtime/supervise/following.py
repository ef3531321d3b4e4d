# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may start now, and what an end means for the jobs that wait for it: they start, or they are skipped.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import collections

from ..contain.fork import fork
from ..files.errors import StoreError
from ..files.machine import other_machine
from ..files.records import NewerFormat
from ..files.tmpdir import remove_tmpdir, tmpdir_of
from ..protocol import CONTROLLER, ENDED_VARIABLES
from ..schedule.dependents import Dependents, Edge, edges_to
from ..schedule.queue import Queue
from ..schedule.shared_queue import SharedQueue
from . import ending
from .batch import Batch
from .reasons import cut

_ENDS = {
    'failed': 'failed',
    'timed_out': 'reached its limit',
    'cancelled': 'was cancelled',
    'lost': 'was lost',
    'skipped': 'was skipped',
}
"""A state, as it is told of a job."""


def kick(store, queues, edges, supervise):
    """Start what may start now in *queues* (names), and behind the ends of *edges*. True if a job was started.

    Whatever is wrong with one job, the others are started and the caller can answer: that job goes on waiting.
    """
    started = False
    batch = Batch()
    try:
        for job in _startable(store, queues, edges):
            try:
                batch.add(job, supervise)
            except OSError:  # at the limit of processes, say
                put_back(job)
                break
            started = True
    finally:
        batch.go()  # in any case: the modules of the jobs that were added wait for this
    return started


def hand_on(job, queue, shutdown):
    """Release the lock of *job*, which has ended, and its slot in *queue* (a name, or None).

    Returns a job that may start now, its lock held, for this process to supervise, or None. That is in a new process,
    because what *job* has left behind must not belong to the tree of the next one. There is one such process for each
    job that may start. None of them calls a supervisor: a row of a thousand jobs would nest a thousand calls.
    *shutdown*: the host is being shut down, so jobs that wait do so until it has booted.
    """
    job.release()  # first: a process holds the lock of one job at a time, so a slot never counts as two
    if queue is not None:
        with Queue(job.store, queue) as held:
            held.leave(job.id)
    if shutdown:
        return None
    for following in _startable(job.store, [queue] if queue is not None else [], edges_to(job.store, job.id)):
        try:
            child = fork()
        except OSError:  # at the limit of processes, say
            put_back(following)
            break
        if child == 0:
            return following
        following.release()
    return None


def put_back(job):
    """Return *job*, whose module was not executed, to where it waited, and release its lock."""
    queue = job.spec().queue
    if queue is not None:
        with Queue(job.store, queue) as held:
            held.put_back(job.id)
    else:
        with Dependents(job.store) as dependents:
            dependents.put_back(job.id)
    job.release()  # after that: a job that nobody holds and that waits nowhere counts as lost


def note_ends(job, ended):
    """Take down for *job*, a function that waits for others, that the jobs *ended* (ids) have ended: it goes on, or is skipped.

    Those that wait for a job that is skipped are processes as well, and notice it themselves.
    """
    for awaited in ended:
        _resolve(job.store, Edge(job.id, awaited), [], set())


def give_up(job, by):
    """Write the end of *job*, which is not to wait for others any more. False where it does not. *by*: on whose request."""
    with Dependents(job.store) as dependents:
        if not dependents.waits(job.id) or job.launch() is None:
            return False
        tmpdir = tmpdir_of(job)
        ending.write(job, 'cancelled', reason='job %s was stopped %s, while it waited for other jobs' % (job.id, by))
        dependents.remove(job.id)
    remove_tmpdir(tmpdir)
    return True


def _startable(store, queues, edges):
    """The jobs that may start now, one after the other, each with its lock held by this process.

    First those of *queues* (names), then those behind the ends of *edges*, then those that get into a queue by that.
    """
    yield from _next_jobs(store, queues)
    entered = set()
    yield from _freed(store, edges, entered)
    yield from _next_jobs(store, sorted(entered))


def _next_jobs(store, queues):
    """The jobs of *queues* (names) whose turn it is."""
    for name in queues:
        seen = set()
        try:
            job = _next_job(store, name)
            while job is not None:
                if job.id in seen:  # its supervisor has put it back already
                    put_back(job)
                    break
                seen.add(job.id)
                yield job
                job = _next_job(store, name)
        except (StoreError, OSError):  # the disk is full, say
            pass


def _next_job(store, name):
    with Queue(store, name) as queue:
        return queue.next()


def _freed(store, edges, entered):
    """The jobs without a queue that wait for nothing any more, now that the jobs of *edges* have ended.

    Those of a queue get into it; its name is added to *entered*. Those that cannot start any more are skipped, and then
    those that wait for them.
    """
    edges = collections.deque(edges)
    while edges:
        try:
            job = _resolve(store, edges.popleft(), edges, entered)
        except (StoreError, OSError):  # the disk is full, say
            continue
        if job is not None:
            yield job


def _resolve(store, edge, edges, entered):
    """The job that waits in *edge*, if a supervisor is to start it now; else None. What follows is added to *edges*."""
    with Dependents(store) as dependents:
        job = store.job(edge.waiting)
        spec = job.spec() if dependents.waits(job.id) else None
        if spec is None or job.launch() is None:  # removed by hand, or not whole after a power cut
            dependents.remove(job.id)
            dependents.forget(edge)
            return None
        if other_machine(spec) is not None:  # it starts there
            return None
        if edge.awaited is None:
            return _take(job, spec, dependents, entered, newly_ready=False)
        awaited = store.job(edge.awaited)
        end = awaited.end()
        if end is None and awaited.exists():
            return None
        if spec.is_on_end:
            job.write('ended.json', dict(zip(ENDED_VARIABLES, _ended(awaited, end))))
        if spec.after_any or (end is not None and end.state == 'succeeded'):
            return _take(job, spec, dependents, entered, newly_ready=dependents.met(edge))
        _skip(job, _describe_end(awaited, end))
        dependents.remove(job.id)
        edges.extend(edges_to(store, job.id))
        return None


def _take(job, spec, dependents, entered, newly_ready):
    """*job*, its lock held, or None: it waits on, or for its turn in a queue.

    *newly_ready*: if it is ready, it became so just now. False: it was ready before, and whoever moved it may have been
    killed halfway.
    """
    if not dependents.is_ready(job.id):
        return None
    queue_name = spec.queue
    if spec.place == CONTROLLER:  # its process sees that it has left this place, and goes on
        if queue_name is not None:
            with SharedQueue(job.store, queue_name) as queue:
                queue.add(job.id)
        dependents.remove(job.id)
        return None
    if queue_name is None:
        job.hold()  # against the order of locks; files/locks.py says why that cannot deadlock
        try:
            dependents.remove(job.id)
        except BaseException:
            job.release()
            raise
        return job
    with Queue(job.store, queue_name) as queue:
        # One that is in its queue already may have been started from there, and must not get into it again.
        if newly_ready or not (job.alive() or queue.waits(job.id)):
            queue.add(job.id)
    dependents.remove(job.id)
    entered.add(queue_name)
    return None


def _skip(job, awaited):
    """Write the end of *job*, which waited for a job that has not succeeded. *awaited*: that job and its end, for people."""
    tmpdir = tmpdir_of(job)
    reason = 'job %s was skipped, because it was to start after the success of %s' % (job.id, awaited)
    ending.write(job, 'skipped', reason=reason)
    remove_tmpdir(tmpdir)


def _describe_end(job, end):
    """*job* and how it ended (*end*, None: it was removed), for people."""
    if end is None:
        return 'job %s, which was removed before it had an end' % job.id
    name = _name(job)
    return 'job %s%s, which %s' % (job.id, ' (%s)' % cut(name) if name else '', _ENDS[end.state])


def _ended(job, end):
    """The values of the keys of ENDED_VARIABLES for *job*, which ended as *end*, or was removed (None)."""
    return (job.id, _name(job), end.state, end.module_rc) if end is not None else (job.id, None, 'removed', None)


def _name(job):
    """The user's name for *job*, or None."""
    try:
        spec = job.spec()
    except NewerFormat:
        return None
    return spec and spec.name
