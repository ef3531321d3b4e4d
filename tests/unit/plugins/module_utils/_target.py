# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A target of its own for each test: real requests, real daemons, real files, under the interpreter that is asked for."""

import base64
import itertools
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set

from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import ABOUT, VERSION
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.tools.supervisor import is_small

HERE = Path(__file__).resolve().parent
PLUGINS = HERE.parents[3] / 'plugins'
HUNG = 120  # seconds; no request of a test takes as long, however slow the machine
ENDED = ('succeeded', 'skipped', 'failed', 'timed_out', 'cancelled', 'lost')
_FAKETIME = sorted(Path('/usr/lib').glob('*/faketime/libfaketime.so.1'))
_MARK = 'BACKGROUND_JOBS_TEST'
_numbers = itertools.count(1)

Look = Dict[str, Any]


class Said(Exception):
    """What the runtime said was wrong."""


class Order(Dict[str, Any]):
    """One job of a start request (protocol.StartRequest), its module a script for a shell unless it says otherwise."""

    def __init__(self, script: str, **changes: Any) -> None:
        super().__init__(
            id='j2026%016d.%08d' % (next(_numbers), os.getpid()),
            name=None,
            on_existing='attach',
            work=None,
            module='tests.tests.script',
            about=dict.fromkeys(ABOUT),
            limit=None,
            leeway=0,
            spare_daemons=False,
            as_numbers=False,
            grace=10,
            queue=None,
            slots=1,
            after=[],
            after_any=False,
            on_end=None,
            no_log=False,
            argv=['/bin/sh'],
            environment={},
            stdin=True,
            args=None,
            tmpdir=None,
            output_limit=0,
            retention=604800,
            resources={},
        )
        self.script = script.encode()
        self.update(changes)

    @property
    def id(self) -> str:
        return str(self['id'])


def function(script: str, **changes: Any) -> Order:
    """A job that is a function of the process that starts it, which is the test's driver: it runs *script*."""
    return Order(script, **{'argv': [], 'stdin': False, 'module': 'block', **changes})


class _Pipe:
    """A named pipe between a test and a module, whose script has its path."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(str(path))
        self.path = path

    def __str__(self) -> str:
        return str(self.path)


class Gate(_Pipe):
    """A module stops at it until the test opens it. Whoever comes first waits for the other."""

    def open(self) -> None:
        """Let a module pass that stands at `: < {gate}`."""
        self.path.write_bytes(b'')

    def before(self, script: str) -> str:
        """The script of a module that goes on with *script* when this gate is opened."""
        return ': < %s; %s' % (self, script)


class Message(_Pipe):
    """It takes what a module tells the test, with `echo ... > {message}`.

    The module never waits for the test: a busy machine may come to the test only after the module was killed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._fd = os.open(str(path), os.O_RDWR)

    def heard(self) -> str:
        """What the module tells, as soon as it does."""
        assert select.select([self._fd], [], [], HUNG)[0], 'nothing was told through %s' % self
        return os.read(self._fd, 65536).decode('utf-8').strip()

    def remove(self) -> None:
        self.path.unlink()
        os.close(self._fd)


def blocked(gate: Gate, script: str = '', order: Callable[..., Order] = Order, **changes: Any) -> Order:
    """A job that goes on with *script* (or else ends well) when its *gate* is opened. *order*: Order, or function."""
    return order(gate.before(script or result()), **changes)


class Target:
    """The runtime under one interpreter, and an async directory of its own."""

    def __init__(self, python: str, directory: Path) -> None:
        self.python = python
        self.directory = directory
        self.async_dir = directory / 'async'
        self.environment = {**os.environ, _MARK: str(directory)}
        self.prefix: List[str] = []
        """A command that the interpreter is run by."""
        self.plugins = PLUGINS
        """Where the runtime is."""
        self.platform: List[str] = []
        """The name of another system than this one, if any."""
        self._messages: List[Message] = []

    def gate(self, name: str = 'gate') -> Gate:
        return Gate(self.directory / name)

    def message(self, name: str = 'message') -> Message:
        self._messages.append(Message(self.directory / name))
        return self._messages[-1]

    def popen(self, request: Dict[str, Any]) -> 'subprocess.Popen[bytes]':
        """A request that is on its way: what communicate() returns is for answer()."""
        process = self.driver(stderr=subprocess.PIPE)
        assert process.stdin
        process.stdin.write(json.dumps({'version': VERSION, 'async_dir': str(self.async_dir), **request}).encode())
        process.stdin.close()
        process.stdin = None
        return process

    def driver(self, **options: Any) -> 'subprocess.Popen[bytes]':
        """A process that answers requests, one a line."""
        return subprocess.Popen(
            [*self.prefix, self.python, '-I', '-S', str(HERE / '_driver.py'), str(self.plugins), *self.platform],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **options,
        )

    def respond(self, **request: Any) -> Dict[str, Any]:
        return answer(self.popen(request))

    def ask(self, op: str, **details: Any) -> List[Look]:
        """The looks of a request; raises what the runtime said was wrong."""
        return looks(self.respond(op=op, **details))

    def start(self, *orders: Order, **details: Any) -> List[Look]:
        return self.ask(**start_request(*orders, **details))

    def run(self, script: str, **changes: Any) -> str:
        """Start one job; its id."""
        order = Order(script, **changes)
        (look,) = self.start(order)
        if look['error']:
            raise Said(look['error'])
        return order.id

    def look(self, job_id: str) -> Look:
        """A look that returns at once."""
        return self.ask('status', ids=[job_id])[0]

    def job(self, job_id: str) -> Dict[str, Any]:
        """The job as users see it, now."""
        found = self.look(job_id)['job']
        assert isinstance(found, dict)
        return found

    def end(self, *job_ids: str) -> List[Look]:
        """The looks at jobs that have ended, their output included, as soon as all have."""
        found = self.ask('wait', ids=list(job_ids), seconds=HUNG)
        assert all(look['ended'] for look in found), [look['job'] for look in found]
        return found

    def ended(self, job_id: str) -> Dict[str, Any]:
        """The job as users see it, as soon as it has ended."""
        found = self.end(job_id)[0]['job']
        assert isinstance(found, dict)
        return found

    def states(self, *orders: Order) -> List[str]:
        """The states of the jobs of *orders*, now."""
        return [look['job']['state'] for look in self.ask('status', ids=[order.id for order in orders])]

    def end_states(self, *orders: Order) -> List[str]:
        """The same, as soon as all have ended."""
        return [look['job']['state'] for look in self.end(*[order.id for order in orders])]

    def files(self, job_id: str) -> Path:
        """The job directory."""
        return self.async_dir / '.jobs' / job_id

    def note(self, job_id: str, name: str) -> Dict[str, Any]:
        """One of the JSON files of a job."""
        found = json.loads((self.files(job_id) / name).read_text(encoding='ascii'))
        assert isinstance(found, dict)
        return found

    def result_file(self, job_id: str) -> Dict[str, Any]:
        """What every program that knows ansible-core's job files reads."""
        found = json.loads((self.async_dir / job_id).read_text(encoding='ascii'))
        assert isinstance(found, dict)
        return found

    def until_small(self, job_id: str) -> None:
        """Wait until the supervisor of a long job has given its memory back."""
        pid = self.note(job_id, 'run.json')['supervisor']
        until(lambda: is_small(pid))

    def kill_supervisor(self, job_id: str) -> None:
        """Kill -9, and wait until the kernel is done with it."""
        pid = self.note(job_id, 'run.json')['supervisor']
        os.kill(pid, signal.SIGKILL)
        until_dead(pid)

    def processes(self) -> Set[int]:
        """The pids of all living processes that descend from a request of this target, wherever they went."""
        mark = ('%s=%s\0' % (_MARK, self.directory)).encode()
        found = set()
        for name in filter(str.isdigit, os.listdir('/proc')):
            try:
                # Without a Path and a buffer, because tests that wait for an end ask again and again.
                with open('/proc/%s/environ' % name, 'rb', buffering=0) as environ:
                    if mark in environ.readall() + b'\0':
                        found.add(int(name))
            except OSError:  # it has just ended, or is another user's
                pass
        return found - {os.getpid()}

    def left_running(self) -> Dict[int, str]:
        """{pid: command} of the processes of jobs that live, but for supervisors: those end a moment after their jobs."""
        files = self.async_dir.glob('.jobs/*/run.json')
        supervisors = {json.loads(file.read_text(encoding='ascii'))['supervisor'] for file in files}
        return {pid: _command(pid) for pid in self.processes() - supervisors}

    def locks(self) -> Dict[int, Set[str]]:
        """The jobs whose lock each process holds: a supervisor one; its module the same one until it is executed."""
        held = {}
        for pid in self.processes():
            try:
                targets = [Path(os.readlink(str(link))) for link in Path('/proc/%d/fd' % pid).iterdir()]
            except OSError:
                continue
            jobs = {target.parent.name for target in targets if target.parent.parent.name == '.jobs'}
            held[pid] = {job for job in jobs if (self.async_dir / '.jobs' / job / 'lock') in targets}
        return held

    def supervisors(self) -> List[int]:
        """The pids of the processes that hold the lock of a job."""
        return [pid for pid, jobs in self.locks().items() if jobs]

    def supervised(self) -> Set[str]:
        """The jobs whose lock is held."""
        return set().union(*self.locks().values())

    @staticmethod
    def watches(pid: int) -> bool:
        """Whether a process has asked the kernel to be told of changed files."""
        try:
            return any(
                'inotify wd' in info.read_text(encoding='ascii') for info in Path('/proc/%d/fdinfo' % pid).iterdir()
            )
        except FileNotFoundError:  # closed between the two looks
            return False

    def clean_up(self) -> None:
        """End whatever a test has left running: processes that follow one another end when their message is removed."""
        while self._messages:
            self._messages.pop().remove()
        left = self.processes()
        while left:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            left = self.processes()


def set_clock(target: Target) -> Path:
    """A file whose text, like ``+3600``, is how many seconds the wall clock of all processes of *target* is wrong."""
    if not _FAKETIME:
        left_out('setting the clock while a job runs: libfaketime is not installed')
    clock = target.directory / 'clock'
    clock.write_text('+0\n', encoding='ascii')
    target.environment.update(
        LD_PRELOAD=str(_FAKETIME[0]),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE='1',
        FAKETIME_DONT_FAKE_MONOTONIC='1',
    )
    return clock


def start_request(*orders: Order, **details: Any) -> Dict[str, Any]:
    """A start request as the controller makes it: each script is sent once. Only version 0.1.0 reads `retention`."""
    bases: Dict[str, str] = {}
    jobs = [_fields(order, bases) for order in orders]
    return {'op': 'start', 'bases': bases, 'jobs': jobs, 'retention': 604800, **details}


def _fields(order: Order, bases: Dict[str, str]) -> Dict[str, Any]:
    """The JSON object of *order*, and of the order that is its `on_end`; their scripts are added to *bases*."""
    digest = str(hash(order.script))
    bases[digest] = base64.b64encode(order.script).decode()
    payload = {'base': digest, 'head': len(order.script), 'middle': '', 'tail': 0}
    end = order['on_end']
    return {'payload': payload, **order, 'on_end': _fields(end, bases) if isinstance(end, Order) else end}


def answer(process: 'subprocess.Popen[bytes]') -> Dict[str, Any]:
    """The response of a request that is on its way."""
    try:
        out, err = process.communicate(timeout=HUNG + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, (process.returncode, out, err)
    assert not err, (process.returncode, out, err)
    found = json.loads(out.decode('utf-8'))
    assert isinstance(found, dict)
    return found


def looks(response: Dict[str, Any]) -> List[Look]:
    if 'error' in response:
        raise Said(response['error'])
    found = response['jobs']
    assert isinstance(found, list)
    return found


def until(what: Callable[[], object], seconds: float = HUNG) -> None:
    """Wait for what the kernel tells nobody of."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, '%r did not come true in %d s' % (what, seconds)
        time.sleep(0.005)


def _command(pid: int) -> str:
    """The command of a process, its parent and its state, for the person who reads why a test failed."""
    command, status = Path('/proc/%d/cmdline' % pid), Path('/proc/%d/stat' % pid)
    try:
        words = command.read_text(encoding='utf-8', errors='replace').split('\0')
        return '%s(state and parent: %s)' % (
            ' '.join(words),
            ' '.join(status.read_text().rpartition(') ')[2].split()[:2]),
        )
    except OSError:
        return 'it has just ended'


def until_dead(pid: int) -> None:
    """Wait until the kernel has closed all files of the killed process *pid*, which may stay as a zombie.

    Its environment is gone a moment earlier, and so it is no longer among Target.processes().
    """

    def dead() -> bool:
        try:
            status = Path('/proc/%d/stat' % pid).read_bytes()
        except OSError:
            return True
        return status.rpartition(b') ')[2][:1] in b'ZX'

    until(dead)


def result(**values: Any) -> str:
    """The shell command of a module that prints its result."""
    return "printf '%%s\\n' '%s'" % json.dumps(values)


def mode(path: Path) -> Optional[str]:
    return '%04o' % (path.lstat().st_mode & 0o7777)
