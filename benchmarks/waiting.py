# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it costs the controller to wait for many hosts.

    python benchmarks/waiting.py [--engine jobs|core|sync] [--forks FORKS] [--targets simulated|real] [COUNT ...]

Plays one task on that many targets (_wait_targets.py), whose jobs end at the same instant, when all have been started. On
real targets, a few jobs end one by one before that. Prints a table in Markdown. `core` is ansible-core's own async, which
needs as many forks as hosts if all are to start; `sync` is the same command without async, to compare what a start costs.
Needs root, for a control group.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'tests/hosts'))

from _cgroup import Cgroup  # noqa: E402
from _processes import Process, cpu_seconds, of_group  # noqa: E402
from _wait_targets import PLACES, Targets  # noqa: E402

COUNTS = (200, 1_000, 5_000, 10_000)
_SETTLE_SECONDS = 5
_WATCH_SECONDS = 20
_PAUSE_SECONDS = 0.1
_ONE_BY_ONE = 10
"""Jobs that end one by one, a second apart."""
_POLL = {'async': 3600, 'poll': 15}


def _task(engine: str, command: str) -> dict[str, t.Any]:
    task = {'ansible.builtin.command': command}
    if engine == 'jobs':
        return {'background.jobs.async_run': {'task': task}, **_POLL}
    return {**task, **_POLL} if engine == 'core' else task


class Measured(t.NamedTuple):
    start_seconds: float
    start_cpu: float
    processes: int
    """Of Ansible, while all hosts wait; without ssh's master connections."""
    memory: int
    """Bytes of these processes (PSS)."""
    memory_before: int
    """The same when the first job starts."""
    masters_memory: int
    """Bytes of ssh's master connections."""
    waiting_cpu: float
    """Share of one processor while all hosts wait."""
    notices: list[float]
    """Seconds from the end of a job that ended alone to its result."""
    end_seconds: float
    """From the ends of all other jobs to the end of Ansible."""
    end_cpu: float


class Run:
    """One play on *targets*."""

    def __init__(self, folder: Path, targets: Targets, engine: str, forks: int) -> None:
        self._folder = folder
        self._targets = targets
        self._engine = engine
        self._group = Cgroup(f'background-jobs-waiting-{os.getpid()}')
        self._events = folder / 'events'
        play = {'hosts': 'h*', 'gather_facts': False, 'tasks': [{'name': 'job', **_task(engine, targets.command)}]}
        (folder / 'inventory.yml').write_text(json.dumps({'all': {'hosts': targets.hosts}}), encoding='utf-8')
        (folder / 'play.yml').write_text(json.dumps([play]), encoding='utf-8')
        (folder / 'ansible.cfg').touch()  # in place of the user's own
        ansible = [
            str(Path(sys.executable).with_name('ansible-playbook')),
            *([f'--inventory={targets.inventory}'] if targets.inventory else []),
            f'--inventory={folder}/inventory.yml',
            f'--forks={forks}',
            f'{folder}/play.yml',
        ]
        joined = f'echo $$ > {self._group.path}/cgroup.procs && exec "$@"'
        self._command = ['sh', '-c', joined, 'sh', *ansible]
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith('ANSIBLE_')},
            'ANSIBLE_COLLECTIONS_PATH': str(HERE.parent / 'collections'),
            'ANSIBLE_CALLBACK_PLUGINS': str(HERE / 'callback_plugins'),
            'ANSIBLE_CALLBACKS_ENABLED': 'bench_events',
            'ANSIBLE_CONFIG': str(folder / 'ansible.cfg'),
            'ANSIBLE_HOME': str(folder / 'home'),
            'ANSIBLE_LOG_PATH': '',
            'BENCH_CGROUP': str(self._group.path),
            'BENCH_EVENTS': str(self._events),
            **targets.environment,
        }

    def measure(self) -> Measured:
        self._group.create()
        try:
            with open(self._folder / 'ansible.log', 'wb') as log:
                began = time.monotonic()
                ansible = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
                return self._watch(ansible, began)
        finally:
            self._group.kill()

    def _watch(self, ansible: subprocess.Popen[bytes], began: float) -> Measured:
        hosts = list(self._targets.hosts)
        self._wait_until(ansible, lambda: self._targets.started() >= 1)
        before = _memory(self._processes()[0])
        self._wait_until(ansible, lambda: self._targets.started() >= len(hosts))
        started, start_cpu = time.monotonic() - began, self._cpu()
        processes: list[Process] = []
        memory = masters_memory = 0
        share = 0.0
        notices: list[float] = []
        if self._engine != 'sync':
            time.sleep(_SETTLE_SECONDS)
            processes, masters = self._processes()
            memory, masters_memory, cpu = _memory(processes), _memory(masters), self._cpu()
            time.sleep(_WATCH_SECONDS)
            share = (self._cpu() - cpu) / _WATCH_SECONDS
            if self._targets.one_by_one:
                notices = [self._notice(ansible, hosts.pop()) for _number in range(_ONE_BY_ONE)]
        ended, cpu = time.monotonic(), self._cpu()
        self._targets.end(hosts)
        if ansible.wait():
            raise SystemExit((self._folder / 'ansible.log').read_text(encoding='utf-8')[-3000:])
        seconds, end_cpu = time.monotonic() - ended, self._cpu() - cpu
        return Measured(
            started,
            start_cpu,
            len(processes),
            memory,
            before,
            masters_memory,
            share,
            notices,
            seconds,
            end_cpu,
        )

    def _wait_until(self, ansible: subprocess.Popen[bytes], come: t.Callable[[], bool]) -> None:
        while not come():
            if ansible.poll() is not None:
                raise SystemExit((self._folder / 'ansible.log').read_text(encoding='utf-8')[-3000:])
            time.sleep(_PAUSE_SECONDS)

    def _notice(self, ansible: subprocess.Popen[bytes], host: str) -> float:
        """Seconds from the end of the job of *host* to its result."""
        time.sleep(1)
        number, ended = len(self._results()), time.monotonic()
        self._targets.end([host])
        self._wait_until(ansible, lambda: len(self._results()) > number)
        return self._results()[number] - ended

    def _results(self) -> list[float]:
        """When each result came (time.monotonic())."""
        events = [json.loads(line) for line in self._events.read_text(encoding='utf-8').splitlines()]
        return [event['at'] for event in events if event['event'] != 'task']

    def _processes(self) -> tuple[list[Process], list[Process]]:
        """Ansible's own, and ssh's master connections."""
        found = of_group(self._group.path)
        masters = [process for process in found if '[mux]' in process.argv]
        return [process for process in found if process not in masters], masters

    def _cpu(self) -> float:
        return cpu_seconds(self._group.path)


def _memory(processes: list[Process]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(OSError, KeyError):  # it has ended
            total += process.pss()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--engine', choices=['jobs', 'core', 'sync'], default='jobs')
    parser.add_argument('--forks', type=int, default=5)
    parser.add_argument('--targets', choices=PLACES, default='simulated')
    parser.add_argument('counts', type=int, nargs='*', default=COUNTS, metavar='COUNT')
    options = parser.parse_args()
    if options.engine == 'sync' and options.targets == 'real':
        parser.error(
            '--engine sync: on real targets, a task ends only when its gate is opened, so they cannot all start'
        )
    titles = (
        'hosts',
        'forks',
        'all started',
        'CPU of a start',
        'processes',
        'memory',
        'for each host',
        'of ssh, for each host',
        'CPU while waiting',
        'one end to its result',
        'last end to the end',
        'CPU of an end',
    )
    print(f'| {" | ".join(titles)} |\n|{" --- |" * len(titles)}')
    for count in options.counts:
        with tempfile.TemporaryDirectory() as name, PLACES[options.targets](Path(name), count) as targets:
            run = Run(Path(name), targets, options.engine, options.forks).measure()
        notices = f'{min(run.notices):.2f} to {max(run.notices):.2f} s' if run.notices else ''
        print(
            f'| {count:,} | {options.forks} | {run.start_seconds:.0f} s | {run.start_cpu / count * 1000:.0f} ms '
            f'| {run.processes} | {run.memory / 1e6:.0f} MB | {(run.memory - run.memory_before) / count / 1e6:.3f} MB '
            f'| {run.masters_memory / count / 1e6:.2f} MB | {run.waiting_cpu:.1%} | {notices} '
            f'| {run.end_seconds:.0f} s | {run.end_cpu / count * 1000:.0f} ms |',
            flush=True,
        )


if __name__ == '__main__':
    main()
