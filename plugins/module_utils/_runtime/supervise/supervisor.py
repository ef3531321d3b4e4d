# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A supervisor: a daemon that runs a module, enforces its limit and writes how it ended.

It holds the job's lock (inherited from the process that made the job) until the end is written, sleeps in one
select() until the module ends, the limit is over or somebody asks it to stop, and never wakes up in between.
A job of a queue hands its slot on to the next one, so that a slot is one process, however many jobs wait.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import os
import sys

from ..contain import tree
from ..files.store import Store, remove_tree
from ..protocol import GRACE
from ..schedule.queue import Queue
from . import ending
from .handover import this_image
from .module import ModuleStart
from .vigil import Signals, Vigil

_LONG_SECONDS = 2
"""A module that runs longer than this is worth the time that it takes to replace the image of its supervisor."""


class Batch:
    """Jobs that are started together, each under a supervisor of its own.

    No module is executed before all are ready for it: every module that runs takes processor time from the
    starts after it, and a hundred of them took ten seconds instead of one.
    """

    def __init__(self):
        self._gate, self._open = os.pipe()
        self._reports = []

    def add(self, job):
        """Make a supervisor for *job*, whose lock this process holds; let go of the lock.

        It is a child of this process, which is about to end, and then nobody's: no second fork makes it so at once.
        """
        tree.get_ready()
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                os.setsid()  # the connection may end with a signal to its session; a job outlives it
                supervise(job, writer, self._gate)
            finally:
                os._exit(0)  # never this process's exit handlers: they belong to the module that called us
        job.let_go()
        os.close(writer)
        self._reports.append((job, reader))

    def go(self):
        """Let the modules be executed; return when all have been, or their files say why not.

        The reports of those that have been (_Run.answer), by job id: from here on the modules take the processors, so
        no file should have to be read.
        """
        for fd in (self._open, self._gate):
            os.close(fd)
        reports = {}
        for job, reader in self._reports:
            with os.fdopen(reader, 'rb') as pipe:
                report = pipe.read()
            if report:
                reports[job.id] = json.loads(report.decode('ascii'))
        return reports


def kick(store, name):
    """Start what may start now in the queue *name*. True where something did."""
    batch = Batch()
    job = first = _turn(store, name)
    while job is not None:
        batch.add(job)
        job = _turn(store, name)
    batch.go()
    return first is not None


def _turn(store, name):
    with Queue(store, name) as queue:
        return queue.next()


def supervise(job, report=None, gate=None):
    """The life of the daemon: *job*, then a child of its own for the next job of the same slot."""
    image = this_image()
    while job is not None:
        _close_descriptors(keep=(0, 1, 2, report, gate, job.lock, image.bundle and image.bundle.fd))
        vigil = Vigil(Signals())
        tree.adopt_orphans()
        spec = job.spec()
        start = ModuleStart(job, spec, vigil, report, gate)
        if _guarded(job, vigil, start.execute):
            if spec['limit'] is None or spec['limit'] > _LONG_SECONDS:
                vigil.sleep(_LONG_SECONDS)
                image.replace(job, spec['queue'] is not None, vigil, start.deadline, resume)
            state = vigil.keep(start.deadline, job.file('stop.json'))
            _guarded(job, vigil, _finish, job, vigil, state)
        start.answer()
        report = gate = None
        job = _hand_on(job, spec['queue'], vigil.signals)


def resume(root, job_id, lock, vigil, state):
    """Go on with the job whose module the new image of this supervisor (handover.py) has waited for."""
    job = Store(root).job(job_id)
    job.lock = lock
    queue = (job.spec() or {}).get('queue')  # now, because whoever sees the end may remove the job
    _guarded(job, vigil, _finish, job, vigil, state)
    supervise(_hand_on(job, queue, vigil.signals))


def _hand_on(job, name, signals):
    """Release the lock of *job*, which has ended, and its slot in the queue *name* (or None).

    The next job of the queue is returned, its lock held, in a new process: what *job* has left behind must not
    belong to its tree.
    """
    following = None
    if name is not None:
        with Queue(job.store, name) as queue:
            queue.leave(job.id)
            if not signals.shutdown:  # jobs that wait when the host is shut down run after the boot
                following = queue.next()
    job.let_go()
    if following is None or os.fork() == 0:
        return following
    following.let_go()
    kick(job.store, name)  # slots that were added, or lost with a killed supervisor
    return None


def _guarded(job, vigil, step, *args):
    """What *step* returns. If it fails, the module is stopped and the job ends: no job may run unwatched."""
    try:
        return step(*args)
    except BaseException as error:
        if vigil.main is not None and vigil.status is None:
            tree.stop(vigil.main, 0, vigil.sleep)
        try:
            ending.write(job, 'failed', reason='the supervisor of job %s failed: %s' % (job.id, _description(error)))
        except OSError:  # somebody has removed the job's files: nobody will ask
            pass
        return None


def _description(error):
    """*error* for a person, and where in our code it came from. (The module traceback would have to be imported.)"""
    if isinstance(error, OSError):
        return str(error)
    places = []
    trace = sys.exc_info()[2]
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append('%s line %d in %s' % (os.path.basename(code.co_filename), trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return ('%s: %s (%s)' % (type(error).__name__, error, ', '.join(reversed(places))))[:1000]


def _finish(job, vigil, state):
    """Stop what is to be stopped, and write how the job ended (*state*: as Vigil.keep() returns it)."""
    tmpdir = (job.read('run.json') or {}).get('tmpdir')
    stopped = None
    if state is not None:
        spec = job.spec() or {}
        grace = {**spec, **(job.read('stop.json') or {})}.get('grace', GRACE)
        spare_daemons = state == 'timed_out' and spec.get('spare_daemons', False)
        stopped = tree.stop(vigil.main, grace, vigil.sleep, spare_daemons)
    if job.exists():  # else somebody has removed its files: nobody will ask
        ending.write(job, state, vigil.status, stopped=stopped)
    if tmpdir:
        remove_tree(tmpdir)


def _close_descriptors(keep):
    """A supervisor started by another job's supervisor would keep that job's lock alive, for one."""
    try:
        numbers = [int(name) for name in os.listdir('/dev/fd')]
    except OSError:
        numbers = range(3, 1024)
    for fd in numbers:
        if fd not in keep:
            try:
                os.close(fd)
            except OSError:  # the listing's own descriptor, or never open
                pass
