# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that are looked at, or disturbed, while they go on, and jobs that wait for each other or for the test."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import os
import re
import shlex
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._targets import Target
from ansible_collections.background.jobs.tests.tools.left_out import left_out

RUN = 'background.jobs.async_run'


def eventually(what: c.Callable[[], t.Any], why: str, seconds: float = 300) -> t.Any:
    """What *what* returns as soon as that is true; fails after *seconds*."""
    until = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if found := what():
            return found
        now = time.monotonic()
        assert now < until, f'not within {seconds} s: {why}'
        time.sleep(max(0.05, 5 * (now - asked)))  # what takes long to ask is asked less often


def kinds(run: Run, task: str) -> dict[str, str]:
    """Host -> how its task ended."""
    return {event.host: event.kind for event in run.of(task) if not event.kind.startswith(('item', 'retry'))}


def states(result: dict[str, t.Any]) -> list[str]:
    """The states of the jobs of a registered *result*, in order."""
    return [job['job']['state'] for job in result['jobs']]


def table(run: Run) -> list[list[str]]:
    """The cells of the last table of jobs in the output, without its head."""
    assert run.rc == 0, run.output
    text = run.output[run.output.rindex('HOST ') :]
    lines = text[: text.index(' hosts, ')].splitlines()[1:-1]
    return [re.split(r'  +', line) for line in lines]


def has_shown(directory: Path, text: str) -> bool:
    """Whether the run of the controller of *directory* has shown *text* by now."""
    return text in (directory / 'output.txt').read_text(encoding='utf-8')


@dataclasses.dataclass(frozen=True)
class Process:
    """A process of this machine that has not ended."""

    pid: int
    parent: int
    group: int
    session: int
    command: list[str]

    def has(self, variable: str) -> bool:
        """Whether *variable* (NAME=value) is in its environment; wherever a job's processes go, they keep theirs."""
        try:
            return variable.encode() in _read(f'/proc/{self.pid}/environ').split(b'\0')
        except OSError:  # it has ended
            return False

    def has_open(self, name: str) -> int:
        """How many files without a path it has open that were made as *name*."""
        found = 0
        for path in Path(f'/proc/{self.pid}/fd').glob('*'):
            with contextlib.suppress(OSError):  # it has closed the file, or ended
                found += os.readlink(path).startswith(f'/memfd:{name} ')
        return found

    def prints_nothing(self) -> bool:
        """Whether its standard output is /dev/null."""
        try:
            return os.readlink(f'/proc/{self.pid}/fd/1') == os.devnull
        except OSError:  # it has ended
            return False

    def is_room(self) -> bool:
        return _is_room(self.command)

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f'/proc/{self.pid}/stat').read_text(encoding='utf-8').rpartition(') ')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def wakeups(self) -> int:
        """How often its main thread has slept so far."""
        status = Path(f'/proc/{self.pid}/status').read_text(encoding='utf-8')
        return int(status.partition('\nvoluntary_ctxt_switches:')[2].split()[0])


def processes(wanted: c.Callable[[list[str]], bool] = bool) -> list[Process]:
    """The processes with a *wanted* command, less the kernel's own and those that have ended.

    Tests ask again and again until something has come true, so this reads as little as it can.
    """
    found = []
    for name in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):  # it has just ended
            command = _read(f'/proc/{name}/cmdline').decode('utf-8', 'replace').split('\0')
            if command != [''] and wanted(command):
                state, parent, group, session = _read(f'/proc/{name}/stat').rpartition(b') ')[2].split()[:4]
                if state not in (b'Z', b'X'):
                    found.append(Process(int(name), int(parent), int(group), int(session), command))
    return found


def _read(path: str) -> bytes:
    """A file of /proc. Python's own objects for paths and files take longer than the kernel does."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b''.join(parts)
    finally:
        os.close(descriptor)


def _is_room(command: list[str]) -> bool:
    """Whether *command* is that of the process that waits for parked hosts."""
    return any('_waiting.room import' in word for word in command)


class Playing:
    """A play that goes on in the background. Leaving it waits for its end."""

    def __init__(
        self,
        directory: Path,
        controller: Controller,
        targets: c.Iterable[Target],
        *plays: dict[str, t.Any],
        **settings: str,
    ) -> None:
        self._directory = directory
        self._mark = f'BACKGROUND_JOBS_RECORD={directory}/record.json'
        self._pool = concurrent.futures.ThreadPoolExecutor(1)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, Ansible would ignore it too
        self._future = self._pool.submit(controller.play, targets, *plays, **settings)

    def __enter__(self) -> Playing:
        return self

    def __exit__(self, *raised: t.Any) -> None:
        if raised[0]:
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        concurrent.futures.wait([self._future])
        self._pool.shutdown()

    def result(self) -> Run:
        return self._future.result()

    def over(self) -> bool:
        return self._future.done()

    def processes(self) -> list[Process]:
        """The processes of Ansible itself, oldest first, and of its connections; not those of the jobs."""

        def may_be(command: list[str]) -> bool:
            return (
                any(word.endswith('/ansible-playbook') for word in command) or command[0] == 'ssh' or _is_room(command)
            )

        found = [process for process in processes(may_be) if process.has(self._mark)]
        return sorted(found, key=lambda process: process.pid)

    def requests(self, python: str) -> list[Process]:
        """The processes of *python* that answer this play's requests on this machine; no supervisors."""
        mine = processes(lambda command: command[:3] == [python, '-I', '-S'])
        # Another play that uses the same Python, of a test that runs at the same time, has requests of its own.
        return [process for process in mine if process.command[-2] != '-' and process.has(self._mark)]

    def main(self) -> Process:
        """ansible-playbook, as soon as it runs."""
        found: Process = eventually(lambda: self._main(self.processes()), 'ansible-playbook runs')
        return found

    @staticmethod
    def _main(mine: c.Iterable[Process]) -> Process | None:
        return next((process for process in mine if process.parent == os.getpid()), None)

    def parked(self) -> list[Path]:
        """The tickets of the hosts that are parked."""
        return list(self._directory.glob('home/tmp/ansible-local-*/background.jobs/parked/*.task'))

    def room(self) -> Process | None:
        """The process that waits for parked hosts."""
        return next((process for process in self.processes() if process.is_room()), None)

    def waits(self) -> bool:
        """Whether a task waits without a fork: its host is parked, or a child waits."""
        return bool(self.parked() or self.waiting())

    def waiting(self) -> list[tuple[Process, Process]]:
        """(guardian, child) of each task that waits in a process of its own."""
        mine = {process.pid: process for process in self.processes() if process.command[0] != 'ssh'}
        main = self._main(mine.values())
        if not main:
            return []
        return [
            (mine[process.parent], process)
            for process in mine.values()
            if process.parent in mine
            and process.parent != main.pid
            and process.session == process.parent
            and mine[process.parent].parent != main.pid
        ]

    def watcher(self, tasks: int) -> Process | None:
        """The process that watches *tasks* tasks, neither more nor less, and is no guardian, child or worker."""
        mine = [process for process in self.processes() if process.command[0] != 'ssh']
        pids, parents = {process.pid for process in mine}, {process.parent for process in mine}
        alone = [process for process in mine if process.parent not in pids and process.pid not in parents]
        # While it starts, it still has what it has inherited, and the output of Ansible.
        watchers = [process for process in alone if process.prints_nothing()]
        return next((process for process in watchers if process.has_open('failed result') == tasks), None)

    def interrupt(self) -> None:
        """What Ctrl-C does in a terminal: a signal to all processes of the foreground group."""
        main = self.main()
        for process in self.processes():
            if process.group == main.group:
                os.kill(process.pid, signal.SIGINT)


class Meeting:
    """A place that jobs come to, and that knows when all are there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._gate = directory / 'gate'
        (directory / 'came').mkdir(parents=True)
        self._gate.touch()

    def of(self, count: int) -> str:
        """A command line that ends only when *count* hosts run it at the same time, and says which host it is."""
        came = shlex.quote(f'{self.directory}/came')
        return (
            f'touch {came}/{{{{ inventory_hostname }}}}; '
            # Counted by the shell itself: all hosts count until the last of them has come.
            f'set -- {came}/*; until [ $# -ge {count} ]; do sleep 0.2; set -- {came}/*; done; '
            'echo {{ inventory_hostname }}'
        )

    def wait(self) -> str:
        """A command line that waits for the end of closed(), without work for the processor."""
        return f'touch {self.directory}/came/{{{{ inventory_hostname }}}}; flock -s {self._gate} true'

    @contextlib.contextmanager
    def closed(self) -> c.Iterator[None]:
        with open(self._gate, 'rb') as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield

    def came(self) -> set[str]:
        return set(os.listdir(self.directory / 'came'))


class Log:
    """What jobs do one after the other or at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def job(self, seconds: float = 1) -> str:
        return self.around(f'sleep {seconds}', '{{ inventory_hostname }}')

    def around(self, command: str, who: str) -> str:
        """Shell lines that run *command*, and write down when it begins and ends."""
        return f'echo + {who} >> {self._path}; {command}; rc=$?; echo - {who} >> {self._path}; (exit $rc)'

    def events(self) -> list[tuple[str, str]]:
        """(+ or -, host), in order."""
        lines = self._path.read_text(encoding='utf-8').splitlines()
        return [(line[0], line[2:]) for line in lines]

    def at_once(self) -> int:
        """How many ran at the same time at most."""
        most = now = 0
        for sign, _host in self.events():
            now += 1 if sign == '+' else -1
            most = max(most, now)
        return most


def shell(command: str, **more: t.Any) -> dict[str, t.Any]:
    """A task that runs *command* as a job; *more*: options of async_run."""
    return {RUN: {'task': {'ansible.builtin.shell': command}, **more}}


def script(command: str, **more: t.Any) -> dict[str, t.Any]:
    """The same by a module without Python, for tests to which the module is all the same: a job costs much less then.

    What *command* prints must be a line without quotes and backslashes.
    """
    return {RUN: {'task': {'sh': {'command': command}}, **more}}


def until_there(path: Path | str) -> str:
    """A command line that ends when there is a file at *path*."""
    return f'until [ -e {path} ]; do sleep 0.1; done'


def without_what_differs(output: str) -> list[str]:
    """The lines of a run without ids, times and polls, in an order that does not depend on which host was first."""
    output = re.sub(r'^ASYNC POLL .*\n', '', output, flags=re.MULTILINE)
    output = re.sub(r'j[0-9]{20}\.[0-9]{8}', 'JOB', output)
    output = re.sub(r'[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?', 'TIME', output)
    return sorted(re.sub(r'[0-9]+(\.[0-9]+)?', 'N', output).splitlines())


@contextlib.contextmanager
def small_disk(path: Path) -> c.Iterator[None]:
    """A file system of four megabytes at *path*."""
    if os.geteuid() != 0:
        left_out('full disks: mounting one needs root')
    path.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'small', str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(['umount', '--lazy', str(path)], check=True)
