# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The start of a job's body: a process in a session of its own, which begins when all jobs of its batch are ready.

A body is a module that is executed (module.py), or a function that is called (function.py). Knows nothing of requests and
responses. Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import shlex
import signal
import time

from ..contain import limits, session
from ..contain.fork import ForkError, fork
from ..files.atomic import read_json
from ..files.clock import now, process_start
from ..files.job import UNEXECUTED
from ..files.readable import wait_readable
from ..files.records import VERSION, Report, Run
from ..files.tmpdir import remove_tmpdir
from ..protocol import ENDED_VARIABLES, resources_of
from . import ending
from .batch import BEGUN, report_line
from .reasons import cut


class BodyStart:
    """The start of the *body* (a Module or a Function) of one job."""

    def __init__(self, job, spec, vigil, report_fd, gate, body):
        self.job = job
        self.spec = spec
        self.vigil = vigil
        self.report_fd = report_fd
        self.gate = gate
        self.body = body
        self.resources = resources_of(spec.resources)
        self.cgroup = None
        self.deadline = None
        self._alive = None

    def execute(self):
        """True when the body has begun; else the job's files say why not."""
        launch = self.job.launch()
        try:
            warning = self._contain()
        except limits.LimitError as error:
            self._end_unexecuted(launch, '%s' % error)
            return False
        failure = self._fork(launch)
        # All that can be done before the gate opens: afterwards a hundred modules may want the processors.
        detach()
        run = self._run(launch)
        self.job.write(UNEXECUTED, run)
        self._tell(report_line(Report(self.spec, run, warning)))
        reason = self._failure(failure, launch)
        if reason:
            self.job.forget(UNEXECUTED)
            self._end_unexecuted(launch, reason)
            return False
        os.rename(self.job.file(UNEXECUTED), self.job.file('run.json'))
        self._tell(BEGUN)
        self.answer()
        limit = self.spec.limit
        self.deadline = None if limit is None else time.monotonic() + limit + self.spec.leeway
        self.job.forget('launch.json', 'base')  # they may hold secrets, and are of no more use
        return True

    def _run(self, launch):
        """The Run of the body, whose process waits for the gate."""
        return Run(
            version=VERSION,
            pid=self.vigil.main,
            process_start=process_start(self.vigil.main),
            supervisor=os.getpid(),
            supervisor_start=process_start(os.getpid()),
            program=self.body.words(self.job, launch)[0],
            tmpdir=launch.tmpdir,
            cgroup=self.cgroup and self.cgroup.path,
            **now(),
        )

    def _tell(self, data):
        """Send *data* to the request that started the job (batch.py)."""
        try:
            while data and self.report_fd is not None:
                data = data[os.write(self.report_fd, data) :]
        except OSError:  # its connection broke
            self.answer()

    def answer(self):
        """Let the request be answered: it was told all, or the job's files say why not."""
        if self.report_fd is not None:
            os.close(self.report_fd)
            self.report_fd = None

    def _contain(self):
        """Make the cgroup of the job, if it needs one, and leave a session that ends. A warning about that, or None."""
        self.cgroup = limits.new_cgroup(self.job.id, self.resources)
        return session.leave(self.job.id) if self.cgroup is None else None  # a job with a cgroup has left it already

    def _end_unexecuted(self, launch, reason):
        self._remove_cgroup()
        ending.write(self.job, 'failed', reason=reason)
        remove_tmpdir(launch.tmpdir)

    def _remove_cgroup(self):
        if self.cgroup is not None:
            self.cgroup.remove()

    def stop_waiting_for_others(self):
        """Let the other jobs of the batch begin, and the request be answered: this job begins later."""
        self.answer()
        self._leave_gate()

    def _leave_gate(self):
        if self.gate is not None:
            os.close(self.gate)
            self.gate = None

    def _fork(self, launch):
        """Make the process of the body, which waits for the gate; a descriptor that tells how its beginning went."""
        stdin = self.body.open_stdin(self.job, launch)
        stdio = [stdin, self.job.open_output('stdout'), self.job.open_output('stderr')]
        pipe, writer = os.pipe()  # closed when the body begins, by its execution: an end without data means success
        end_of_us, self._alive = os.pipe()  # never written to: its end tells the child that this process was killed
        try:
            self.vigil.main = fork()
        except ForkError:
            self._remove_cgroup()
            raise
        if self.vigil.main == 0:
            try:
                os.close(self._alive)
                _prepare(launch, stdio, self.gate, end_of_us, self._enter_limits)
                self.body.begin(self.job, launch, writer)
            except Exception as error:
                os.write(writer, (getattr(error, 'strerror', None) or str(error)).encode('utf-8', 'replace'))
            finally:
                os._exit(127)
        for fd in [*stdio, writer, end_of_us]:
            os.close(fd)
        self._leave_gate()
        return pipe

    def _enter_limits(self):
        limits.enter(self.cgroup, self.resources)

    def _failure(self, fd, launch):
        """None once the body has begun, else the reason why not."""
        with os.fdopen(fd, 'rb') as pipe:
            failure = pipe.read().decode('utf-8', 'replace')
        os.close(self._alive)
        if not failure:
            return None
        os.waitpid(self.vigil.main, 0)
        command = cut(' '.join(shlex.quote(word) for word in self.body.words(self.job, launch)))
        return 'could not execute %s: %s' % (command, failure)


def _prepare(launch, stdio, gate, end_of_supervisor, enter_limits):
    """In the child: make this process a session of its own, with signals as a login shell leaves them; wait for the gate."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for name in ('SIGPIPE', 'SIGXFSZ', 'SIGHUP', 'SIGINT', 'SIGTERM', 'SIGCHLD', 'SIGUSR1'):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
    os.umask(launch.umask)
    _enter(launch.cwd, launch.environment.get('HOME'))
    enter_limits()
    # Not for the gate alone: a request that waits for the report of a supervisor that was killed would never open it.
    waited_for = [end_of_supervisor] if gate is None else [end_of_supervisor, gate]
    if end_of_supervisor in wait_readable(waited_for, 0 if gate is None else None):
        os._exit(127)  # nobody would know of the body


def _enter(path, home):
    """Make *path* the working directory, which is the one of the connection (None: it has been removed).

    A job that starts at once is there already. It must not ask again: after `become`, its user may have no right to enter
    the home of the user who logged in. A synchronous module is there as well, and AnsibleModule then looks for a
    directory that it can use. A job that had to wait for its turn does without: its own home is the next best.
    """
    try:
        if as_text(os.getcwd()) == path:
            return
    except OSError:  # removed
        if path is None:
            return
    for directory in filter(None, (path and as_bytes(path), home and as_bytes(home), b'/')):
        try:
            os.chdir(directory)
            return
        except OSError:
            pass


def as_bytes(text):
    """*text* as the system takes it. Python 3.6 would refuse what is not ASCII in the locale of a bare ssh command."""
    return text.encode('utf-8', 'surrogateescape')


def as_text(text):
    """*text*, which Python has read with the encoding of the locale, as as_bytes() takes it."""
    return os.fsencode(text).decode('utf-8', 'surrogateescape')


def ended_environment(job):
    """What the environment of *job* has beside that of its Launch: how the other job has ended, if it is one of `on_end`."""
    ended = read_json(job.file('ended.json'))
    if ended is None:
        return {}
    return {variable: '' if ended.get(key) is None else '%s' % ended[key] for key, variable in ENDED_VARIABLES.items()}


def detach():
    """Close what belongs to the connection: it would stay open for as long as the job runs."""
    os.chdir('/')
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
