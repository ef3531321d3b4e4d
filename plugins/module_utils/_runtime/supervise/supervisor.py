# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A supervisor: a daemon that runs a module, enforces its limit and writes how it ended.

It holds the job's lock (inherited from the process that made the job) until the end is written, sleeps in one
select() until the module ends, the limit is over or somebody asks it to stop, and never wakes up in between.
A job of a queue hands its slot on to the next one, so that a slot is one process, however many jobs wait.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import binascii
import json
import os
import shlex
import signal

from ..contain import tree as _tree
from ..files import clock as _clock
from ..files import store as _store
from ..output import reader as _live
from ..protocol import GRACE
from . import ending as _outcome
from . import vigil as _vigil
from .batch import hand_on, put_back
from .fork import ForkError, fork

_BRIEF = 2
"""Seconds after which a module counts as a long one: then the supervisor gives its memory back, which takes time."""


def supervise(job, report=None, gate=None):
    """The life of the daemon: *job*, then a child of its own for the next job of the same slot."""
    while job is not None:
        _close_descriptors(keep=(0, 1, 2, report, gate, job.lock))
        vigil = _vigil.Vigil(_vigil.Signals())
        _tree.adopt_orphans()
        spec = job.spec()
        run = _Run(job, spec, vigil, report, gate)
        if _guarded(job, vigil, _execute, job, run):
            if spec['limit'] is None or spec['limit'] > _BRIEF:
                vigil.sleep(_BRIEF)
                _vigil.replace(job, vigil, run.deadline)
            state = vigil.keep(run.deadline, job.file('stop.json'))
            _guarded(job, vigil, _finish, job, vigil, state)
        run.answer()
        report = gate = None
        job = hand_on(job, spec['queue'], vigil.signals.shutdown, supervise)


def resume(root, job_id, lock, vigil, state):
    """Go on with the job whose module the new image of this supervisor (supervise/vigil.py) has waited for."""
    job = _store.Store(root).job(job_id)
    job.lock = lock
    queue = (job.spec() or {}).get('queue')  # now, because whoever sees the end may remove the job
    _guarded(job, vigil, _finish, job, vigil, state)
    supervise(hand_on(job, queue, vigil.signals.shutdown, supervise))


def _execute(job, run):
    """True when the module of *job* has been executed; else the job's files say why not, or it waits again."""
    try:
        return run.start()
    except ForkError:
        if run.spec['queue'] is None:
            raise
        put_back(job, run.spec['queue'])
        os._exit(0)  # not on to the next job of the slot: that is the same job, and would fail in the same way


def _guarded(job, vigil, step, *args):
    """What *step* returns. If it fails the job ends, for nothing may run unwatched, look alive, or be lost."""
    try:
        return step(*args)
    except BaseException as error:
        if vigil.main is not None and vigil.status is None:
            _tree.stop(vigil.main, 0, vigil.sleep)
        if isinstance(error, OSError):
            told = str(error)
        else:
            import traceback  # here, because each supervisor would pay for it in memory

            told = traceback.format_exc()[-1000:]
        try:
            _outcome.write(job, 'failed', reason='the supervisor of job %s failed: %s' % (job.id, told))
        except OSError:  # somebody has removed the job's files: nobody will ask
            pass
        return None


def _finish(job, vigil, state):
    """Stop what is to be stopped, and write how the job ended (*state*: as Vigil.keep() tells it)."""
    tmpdir = (job.read('run.json') or {}).get('tmpdir')
    survivors = []
    if state is not None:
        asked = {**(job.spec() or {}), **(job.read('stop.json') or {})}
        survivors = _tree.stop(vigil.main, asked.get('grace', GRACE), vigil.sleep)
    if job.exists():  # else somebody has removed its files: nobody will ask
        _outcome.write(job, state, vigil.status, survivors=survivors)
    if tmpdir:
        _store.remove_tree(tmpdir)


class _Run:
    """The start of one job's module. Knows nothing of requests and responses, on purpose."""

    def __init__(self, job, spec, vigil, report, gate):
        self.job = job
        self.spec = spec
        self.vigil = vigil
        self.report = report
        self.gate = gate
        self.deadline = None

    def start(self):
        """True when the module has been executed; else the job's files say why not."""
        launch = self.job.read('launch.json')
        argv = [arg.replace('{job}', self.job.path) for arg in launch['argv']]
        failure = self._fork(argv, launch)
        # All that can be done before the gate opens: afterwards a hundred modules may want the processors.
        run = {
            'pid': self.vigil.main,
            'process_start': _clock.process_start(self.vigil.main),
            'supervisor': os.getpid(),
            'supervisor_start': _clock.process_start(os.getpid()),
            'tmpdir': launch['tmpdir'],
        }
        _detach()
        reason = self._failure(failure, argv)
        run.update(_clock.now())
        if reason:
            _outcome.write(self.job, 'failed', reason=reason)
            if launch['tmpdir']:
                _store.remove_tree(launch['tmpdir'])
            return False
        limit = self.spec['limit']
        self.deadline = None if limit is None else run['monotonic'] + limit
        self.job.write('run.json', run)
        self.answer({'spec': self.spec, 'run': run})
        self.job.forget('launch.json', 'base')  # they may hold secrets, and are of no more use
        return True

    def answer(self, report=None):
        """Tell whoever started the job that its module has been executed, or by nothing that its files say why not."""
        if self.report is not None:
            try:
                os.write(self.report, json.dumps(report).encode('ascii') if report else b'')
            except OSError:  # its connection broke
                pass
            os.close(self.report)
            self.report = None

    def _fork(self, argv, launch):
        """Make the process that executes the module; a descriptor that tells how that went."""
        stdio = [self._stdin(launch), self._output('stdout'), self._output('stderr')]
        reader, writer = os.pipe()  # closed by the execution itself: an end without data means success
        supervisor = os.getpid()
        self.vigil.main = fork()
        if self.vigil.main == 0:
            try:
                _become_module(argv, launch, stdio, self.gate, supervisor)
            except Exception as error:
                os.write(writer, (getattr(error, 'strerror', None) or str(error)).encode('utf-8', 'replace'))
            finally:
                os._exit(127)
        for fd in [*stdio, writer, self.gate]:
            if fd is not None:
                os.close(fd)
        return reader

    def _failure(self, fd, argv):
        """None once the kernel has executed the module, else the reason why not."""
        with os.fdopen(fd, 'rb') as pipe:
            failure = pipe.read().decode('utf-8', 'replace')
        if not failure:
            return None
        os.waitpid(self.vigil.main, 0)
        command = _outcome.cut(' '.join(shlex.quote(arg) for arg in argv))
        return 'could not execute %s: %s' % (command, failure)

    def _stdin(self, launch):
        """The module itself, where its interpreter reads it from there; else nothing."""
        piece = launch['payload']
        base = _store.read_file(self.job.file('base'))
        middle = binascii.a2b_base64(piece['middle'])
        payload = self.job.file('payload')
        module = base[: piece['head']] + middle + base[len(base) - piece['tail'] :]
        if launch['stdin'] and launch['output_limit']:
            os.close(self._output('output'))
            module = _live.tapped(module, self.job.file('output'), launch['output_limit'])
        _store.write_file(payload, module)
        if launch['stdin']:
            stdin = os.open(payload, os.O_RDONLY)
            os.unlink(payload)
            return stdin
        os.chmod(payload, 0o700)  # a binary module is its own interpreter
        return os.open(os.devnull, os.O_RDONLY)

    def _output(self, name):
        return os.open(self.job.file(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)


def _become_module(argv, launch, stdio, gate, supervisor):
    """In the child: turn into the module, in a session of its own, with signals as a login shell leaves them."""
    words = [_bytes(word) for word in argv]
    environment = {_bytes(name): _bytes(value) for name, value in launch['environment'].items()}
    os.setsid()
    signal.set_wakeup_fd(-1)
    for name in ('SIGPIPE', 'SIGXFSZ', 'SIGHUP', 'SIGINT', 'SIGTERM', 'SIGCHLD', 'SIGUSR1'):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
    os.umask(launch['umask'])
    try:
        os.chdir(_bytes(launch['cwd'] or '/'))
    except OSError:  # removed while the job waited for its turn
        os.chdir('/')
    if gate is not None:
        os.read(gate, 1)
    if os.getppid() != supervisor:  # killed while we waited: nobody would know of the module
        os._exit(127)
    os.execvpe(words[0], words, environment)


def _bytes(text):
    """*text* as the system takes it. Python 3.6 would refuse what is not ASCII in the locale of a bare ssh command."""
    return text.encode('utf-8', 'surrogateescape')


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


def _detach():
    """Let go of what belongs to the connection: it would stay open for as long as the job runs."""
    os.chdir('/')
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
