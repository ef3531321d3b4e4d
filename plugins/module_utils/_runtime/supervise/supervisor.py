# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A supervisor: a daemon that runs a module, enforces its limit and writes how it ended.

It holds the job's lock (inherited from the process that made the job) until the end is written, sleeps in one
poll() until the module ends, the limit is over or somebody asks it to stop, and never wakes up in between.
It hands on to the jobs that may start then: the next of its queue, so that a slot is one process, however many jobs wait,
and those that wait for its end. That is for modules; a job that is a function is a process from the start on, and waits by
itself (waiting.py).
Standard library only, Python 3.6 and up. Private to this collection.
"""

import errno
import os
import sys
import time

from ..contain import limits, tree
from ..contain.cgroup import Cgroup
from ..contain.fork import ForkError
from ..files.store import Store
from ..files.tmpdir import remove_tmpdir, tmpdir_of
from ..protocol import CONTROLLER, GRACE, resources_of
from ..schedule.shared_queue import SharedQueue
from . import ending
from .body_start import BodyStart, detach
from .descriptors import blank_descriptors, close_descriptors
from .following import hand_on, put_back
from .function import Function
from .handover import this_image
from .module import Module
from .vigil import Signals, Vigil
from .waiting import may_begin

_LONG_SECONDS = 2
"""A module that runs longer than this is worth the time that it takes to replace the image of its supervisor."""
_LONG_FUNCTION_SECONDS = 10
"""The same of a function. Its process is many times as large as its supervisor, which has replaced its image once."""
_AGAIN_SECONDS = 3
_PATIENCE_SECONDS = 300
"""How long a supervisor tries to write how its job ended."""
_LASTING = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)
"""The errors that another try does not mend: somebody has removed the files, or put links into their place."""


def supervise(job, report_fd=None, gate=None, before=None):
    """The life of the daemon of a module: *job*, then a child of its own for each job that may start after it.

    *before*: the Vigil of the job that this process has supervised until now.
    """
    image = this_image()
    while job is not None:
        close_descriptors(keep=(0, 1, 2, report_fd, gate, job.lock, image.bundle and image.bundle.fd))
        vigil = Vigil(Signals())
        if before is not None and before.signals.shutdown:  # a TERM that came between the two jobs
            put_back(job)
            return
        tree.adopt_orphans()
        spec = job.spec()
        start = BodyStart(job, spec, vigil, report_fd, gate, Module())
        if _guarded(job, vigil, _execute, job, start):
            _guarded(job, vigil, _keep, job, spec, vigil, start.deadline)
        start.answer()
        report_fd = gate = None
        before = vigil
        job = _leave(job, spec, vigil)


def supervise_function(function, job, report_fd, gate):
    """The life of the daemon of *job*, whose body is *function* (shape: function.py) of the process that was forked.

    The daemon waits for other jobs and for a slot, as the job has to, and begins the function. Then it replaces its image
    at once, because the one that it has been forked from may be large.
    """
    image = this_image()  # first: while the job waits, the collection may be upgraded
    detach()
    blank_descriptors(keep=(0, 1, 2, report_fd, gate, job.lock))
    vigil = Vigil(Signals())
    tree.adopt_orphans()
    spec = job.spec()
    start = BodyStart(job, spec, vigil, report_fd, gate, Function(function))
    if _guarded(job, vigil, may_begin, job, start) and _guarded(job, vigil, _execute, job, start):
        image.begin_anew(job, vigil, start.deadline, go_on)
        _guarded(job, vigil, _keep, job, spec, vigil, start.deadline)
    start.answer()
    _leave(job, spec, vigil)


def go_on(root, job_id, lock, pid, deadline):
    """Supervise the job whose body is the process *pid*, in the new image of its supervisor (Image.begin_anew())."""
    job = Store(root).job(job_id)
    job.lock = lock
    spec = job.spec()
    vigil = Vigil(Signals(), pid)
    _guarded(job, vigil, _keep, job, spec, vigil, deadline)
    _leave(job, spec, vigil)


def resume(root, job_id, lock, vigil, state):
    """Go on with the job whose body the new image of this supervisor (Image.replace()) has waited for."""
    job = Store(root).job(job_id)
    job.lock = lock
    spec = job.spec()  # now, because whoever sees the end may remove the job
    _guarded(job, vigil, _finish, job, vigil, state)
    supervise(_leave(job, spec, vigil), before=vigil)


def _keep(job, spec, vigil, deadline):
    """Wait for the end of the body of *job*, which has begun, and write how it ended."""
    image = this_image()
    long = _LONG_FUNCTION_SECONDS if spec.place == CONTROLLER else _LONG_SECONDS
    if spec.limit is None or spec.limit > long:
        vigil.reap()  # a function may have ended before this image could hear of it
        if vigil.status is None:
            vigil.sleep(long)
        image.replace(job, vigil, deadline, resume)
    _finish(job, vigil, vigil.keep(deadline, job.file('stop.json')))


def _leave(job, spec, vigil):
    """Release the lock of *job*, which has ended, and its slot. Returns a job to supervise after it, or None."""
    if spec is None or spec.place != CONTROLLER:
        return hand_on(job, spec and spec.queue, vigil.signals.shutdown)
    if spec.queue is not None:
        SharedQueue(job.store, spec.queue).leave(job.id)
    job.release()  # which wakes those that wait for the slot
    return None


def _execute(job, start):
    """True when the body of *job* has begun; else the job's files say why not, or it waits again."""
    try:
        return start.execute()
    except ForkError:
        may_wait_again = start.spec.place != CONTROLLER and (start.spec.queue is not None or start.spec.after)
        if not may_wait_again:
            raise
        put_back(job)
        os._exit(0)  # not on to the next job of the slot: that is the same job, and would fail in the same way


def _guarded(job, vigil, step, *args):
    """What *step* returns. If it fails, the module is stopped and the job ends: no job may run unwatched."""
    try:
        return step(*args)
    except BaseException as error:
        if vigil.main is not None and vigil.status is None:
            tree.stop(vigil.main, lambda: 0, vigil.sleep)
        try:
            tmpdir = tmpdir_of(job)
            if job.end() is None:  # else it is what comes after the end that has failed
                reason = 'the supervisor of job %s failed: %s' % (job.id, _description(error))
                ending.write(job, 'failed', reason)
            remove_tmpdir(tmpdir)
        except Exception:  # somebody has removed the job's files, say; the next look finds that the job is lost
            pass
        return None


def _description(error):
    """*error* for a person, and where in our code it came from. (The module traceback would have to be imported.)"""
    if isinstance(error, OSError):
        return str(error)
    calls = []
    trace = sys.exc_info()[2]
    while trace is not None:
        code = trace.tb_frame.f_code
        calls.append('%s line %d in %s' % (os.path.basename(code.co_filename), trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return ('%s: %s (%s)' % (type(error).__name__, error, ', '.join(reversed(calls))))[:1000]


def _grace(job, spec):
    """Seconds between TERM and KILL: those of the latest request to stop *job*, or else its own."""
    return job.stop_request().get('grace', spec.grace if spec else GRACE)


def _finish(job, vigil, state):
    """Stop what is to be stopped, and write how the job ended (*state*: as Vigil.keep() returns it)."""
    run, spec = _persist(vigil, lambda: (job.run(), job.spec()))
    cgroup = Cgroup(run.cgroup) if run and run.cgroup else None
    stopped = None
    if state is not None:
        spare_daemons = state == 'timed_out' and spec is not None and spec.spare_daemons
        stopped = tree.stop(vigil.main, lambda: _grace(job, spec), vigil.sleep, spare_daemons, cgroup)
    exceeded = cgroup and spec and limits.exceeded(cgroup, resources_of(spec.resources))
    if cgroup is not None:
        cgroup.remove()
    if job.exists():  # else somebody has removed its files: nobody will ask
        end = _persist(vigil, ending.end_of, job, state, vigil.status, stopped, exceeded)
        _persist(vigil, ending.publish, job, end)
    if run:
        remove_tmpdir(run.tmpdir)


def _persist(vigil, step, *args):
    """What *step* returns; tried again and again where the files of the job cannot be read or written now.

    A server of NFS that is booted must not turn a success into a lost job. A shutdown does not wait for that.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return step(*args)
        except OSError as error:
            if error.errno in _LASTING or vigil.signals.shutdown or time.monotonic() >= deadline:
                raise
        vigil.sleep(_AGAIN_SECONDS)
