# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The start of a job's module: a process in a session of its own, executed when all jobs of its batch are ready.

Knows nothing of requests and responses.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import binascii
import json
import os
import shlex
import signal

from ..contain import limits, session
from ..files.atomic import read_file, read_json, write_file
from ..files.clock import now, process_start
from ..files.records import VERSION, Report, Run
from ..files.tmpdir import remove_tmpdir
from ..output import reader
from ..protocol import PayloadReference, resources_of
from . import ending
from .fork import ForkError, fork

ENDED_KEYS = ('id', 'name', 'state', 'rc')
"""Of ended.json: what a job of `on_end` gets to know, each in a variable like BACKGROUND_JOBS_STATE."""


class ModuleStart:
    """The start of one job's module."""

    def __init__(self, job, spec, vigil, report, gate):
        self.job = job
        self.spec = spec
        self.vigil = vigil
        self.report = report
        self.gate = gate
        self.resources = resources_of(spec.resources)
        self.cgroup = None
        self.deadline = None

    def execute(self):
        """True when the module has been executed; else the job's files say why not."""
        launch = self.job.launch()
        argv = [arg.replace('{job}', self.job.path) for arg in launch.argv]
        try:
            warning = self._contain()
        except limits.LimitError as error:
            self._end_unexecuted(launch, '%s' % error)
            return False
        failure = self._fork(argv, launch)
        # All that can be done before the gate opens: afterwards a hundred modules may want the processors.
        starts = process_start(self.vigil.main), process_start(os.getpid())
        _detach()
        reason = self._failure(failure, argv)
        if reason:
            self._end_unexecuted(launch, reason)
            return False
        run = Run(
            version=VERSION,
            pid=self.vigil.main,
            process_start=starts[0],
            supervisor=os.getpid(),
            supervisor_start=starts[1],
            program=argv[0],
            tmpdir=launch.tmpdir,
            cgroup=self.cgroup and self.cgroup.path,
            **now(),
        )
        limit = self.spec.limit
        self.deadline = None if limit is None else run.monotonic + limit + self.spec.leeway
        self.job.write('run.json', run)
        self.answer(Report(self.spec, run, warning))
        self.job.forget('launch.json', 'base')  # they may hold secrets, and are of no more use
        return True

    def answer(self, report=None):
        """Send *report* (a Report) to the request that started the job: its module was executed. None: its files say why not."""
        if self.report is not None:
            try:
                if report:
                    fields = {'spec': report.spec._asdict(), 'run': report.run._asdict(), 'warning': report.warning}
                    os.write(self.report, json.dumps(fields).encode('ascii'))
            except OSError:  # its connection broke
                pass
            os.close(self.report)
            self.report = None

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

    def _fork(self, argv, launch):
        """Make the process that executes the module; a descriptor that tells how that went."""
        stdio = [self._stdin(launch), self._output('stdout'), self._output('stderr')]
        pipe, writer = os.pipe()  # closed by the execution itself: an end without data means success
        supervisor = os.getpid()
        try:
            self.vigil.main = fork()
        except ForkError:
            self._remove_cgroup()
            raise
        if self.vigil.main == 0:
            try:
                _become_module(
                    argv, launch, self._environment(launch), stdio, self.gate, supervisor, self._enter_limits
                )
            except Exception as error:
                os.write(writer, (getattr(error, 'strerror', None) or str(error)).encode('utf-8', 'replace'))
            finally:
                os._exit(127)
        for fd in [*stdio, writer, self.gate]:
            if fd is not None:
                os.close(fd)
        return pipe

    def _environment(self, launch):
        """The environment of the module. A job of `on_end` gets to know how the other job has ended."""
        if not self.spec.is_on_end:
            return launch.environment
        ended = read_json(self.job.file('ended.json')) or {}
        told = {
            'BACKGROUND_JOBS_' + key.upper(): '' if ended.get(key) is None else '%s' % ended[key] for key in ENDED_KEYS
        }
        return dict(launch.environment, **told)

    def _enter_limits(self):
        limits.enter(self.cgroup, self.resources)

    def _failure(self, fd, argv):
        """None once the kernel has executed the module, else the reason why not."""
        with os.fdopen(fd, 'rb') as pipe:
            failure = pipe.read().decode('utf-8', 'replace')
        if not failure:
            return None
        os.waitpid(self.vigil.main, 0)
        command = ending.cut(' '.join(shlex.quote(arg) for arg in argv))
        return 'could not execute %s: %s' % (command, failure)

    def _stdin(self, launch):
        """The module itself, where its interpreter reads it from there; else nothing."""
        reference = PayloadReference(**launch.payload)
        base = read_file(self.job.file('base'))
        middle = binascii.a2b_base64(reference.middle)
        payload = self.job.file('payload')
        module = base[: reference.head] + middle + base[len(base) - reference.tail :]
        if launch.stdin and launch.output_limit:
            os.close(self._output('output'))
            module = reader.tapped(module, self.job.file('output'), launch.output_limit)
        write_file(payload, module)
        if launch.stdin:
            stdin = os.open(payload, os.O_RDONLY)
            os.unlink(payload)
            return stdin
        os.chmod(payload, 0o700)  # a binary module is its own interpreter
        return os.open(os.devnull, os.O_RDONLY)

    def _output(self, name):
        return os.open(self.job.file(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)


def _become_module(argv, launch, environment, stdio, gate, supervisor, enter_limits):
    """In the child: turn into the module, in a session of its own, with signals as a login shell leaves them."""
    words = [_bytes(word) for word in argv]
    environment = {_bytes(name): _bytes(value) for name, value in environment.items()}
    os.setsid()
    signal.set_wakeup_fd(-1)
    for name in ('SIGPIPE', 'SIGXFSZ', 'SIGHUP', 'SIGINT', 'SIGTERM', 'SIGCHLD', 'SIGUSR1'):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
    os.umask(launch.umask)
    _enter(launch.cwd, environment)
    enter_limits()
    if gate is not None:
        os.read(gate, 1)
    if os.getppid() != supervisor:  # killed while we waited: nobody would know of the module
        os._exit(127)
    os.execvpe(words[0], words, environment)


def _enter(path, environment):
    """Make *path* the working directory, which is the one of the connection (None: it has been removed).

    A job that starts at once is there already. It must not ask again: after `become`, its user may have no right to enter
    the home of the user who logged in. A synchronous module is there as well, and AnsibleModule then looks for a
    directory that it can use. A job that had to wait for its turn does without: its own home is the next best.
    """
    try:
        if os.getcwd() == path:
            return
    except OSError:  # removed
        if path is None:
            return
    for directory in filter(None, (path and _bytes(path), environment.get(b'HOME'), b'/')):
        try:
            os.chdir(directory)
            return
        except OSError:
            pass


def _bytes(text):
    """*text* as the system takes it. Python 3.6 would refuse what is not ASCII in the locale of a bare ssh command."""
    return text.encode('utf-8', 'surrogateescape')


def _detach():
    """Close what belongs to the connection: it would stay open for as long as the job runs."""
    os.chdir('/')
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
