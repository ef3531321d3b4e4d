# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting jobs, many at once, and those whose turn in a queue has come.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import os

from ..contain import tree
from ..files.errors import StoreError
from ..files.records import Report, Run, Spec
from ..schedule.queue import Queue
from .fork import fork


class Batch:
    """Jobs that are started together, each under a supervisor of its own.

    No module is executed before all are ready for it: every module that runs takes processor time from the
    starts after it, and a hundred of them took ten seconds instead of one. *supervise(job, report, gate)* is what
    a supervisor does (supervise/supervisor.py, which imports this module).
    """

    def __init__(self, supervise):
        self._supervise = supervise
        self._gate, self._open = os.pipe()
        self._reports = []

    def add(self, job):
        """Fork a supervisor for *job*, and close this process's share of the job's lock.

        This process is about to exit, and init will adopt the child, so no second fork is needed. Raises OSError where
        there is no supervisor; then this process still holds the lock.
        """
        tree.get_ready()
        reader, writer = os.pipe()
        try:
            child = fork()
        except BaseException:
            os.close(reader)
            os.close(writer)
            raise
        if child == 0:
            try:
                os.setsid()  # the connection may end with a signal to its session; a job outlives it
                self._supervise(job, writer, self._gate)
            finally:
                os._exit(0)  # never this process's exit handlers: they belong to the module that called us
        job.release()
        os.close(writer)
        self._reports.append((job, reader))

    def go(self):
        """Let the modules be executed; return when all have been, or their files say why not.

        Returns the reports of those that have been, {job id: Report}: from here on the modules take
        the processors, so no file should have to be read.
        """
        for fd in (self._open, self._gate):
            os.close(fd)
        reports = {}
        for job, reader in self._reports:
            with os.fdopen(reader, 'rb') as pipe:
                data = pipe.read()
            if data:
                fields = json.loads(data.decode('ascii'))
                reports[job.id] = Report(Spec(**fields['spec']), Run(**fields['run']))
        return reports


def kick(store, names, supervise):
    """Start what may start now in the queues *names*. True if something was started.

    Whatever is wrong with one queue, the other queues are kicked and the caller can answer: the jobs stay queued.
    """
    batch = Batch(supervise)
    try:
        added = [_add_next_jobs(store, name, batch) for name in names]
    finally:
        batch.go()  # in any case: the modules of the jobs that were added wait for this
    return any(added)


def _add_next_jobs(store, name, batch):
    """Add to *batch* the jobs of the queue *name* that may start now. True if there was one."""
    added = set()
    try:
        job = _next_job(store, name)
        while job is not None:
            if job.id in added:  # its supervisor has put it back already
                put_back(job, name)
                break
            try:
                batch.add(job)
            except OSError:  # at the limit of processes, say
                put_back(job, name)
                break
            added.add(job.id)
            job = _next_job(store, name)
    except (StoreError, OSError):  # the disk is full, say
        pass
    return bool(added)


def _next_job(store, name):
    with Queue(store, name) as queue:
        return queue.next()


def put_back(job, name):
    """Return *job*, whose module was not executed, to the head of the queue *name*, and release its lock."""
    with Queue(job.store, name) as queue:
        queue.put_back(job.id)
    job.release()  # after that: a job that nobody holds and that waits nowhere counts as lost


def hand_on(job, name, shutdown, supervise):
    """Release the lock of *job*, which has ended, and its slot in the queue *name* (or None).

    Returns the next job of the queue, its lock held, for this process to supervise, or None. That is in a new process,
    because what *job* has left behind must not belong to the tree of the next one. *shutdown*: the host is being shut
    down, so jobs that wait stay queued until it has booted.
    """
    job.release()  # first: a process holds the lock of one job at a time, so a slot never counts as two
    following = None
    if name is not None:
        with Queue(job.store, name) as queue:
            queue.leave(job.id)
            if not shutdown:
                following = queue.next()
    if following is None:
        return None
    try:
        child = fork()
    except OSError:  # at the limit of processes, say
        put_back(following, name)
        return None
    if child == 0:
        return following
    following.release()
    kick(job.store, [name], supervise)  # slots that were added, or lost with a killed supervisor
    return None
