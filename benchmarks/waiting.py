# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it costs the controller to wait for many hosts.

    python benchmarks/waiting.py [--engine jobs|core|sync] [--forks FORKS] [COUNT ...]

Plays one task on that many simulated targets (_simulation.py), whose jobs end at the same instant, when all have been
started. Prints a table in Markdown. `core` is ansible-core's own async, which needs as many forks as hosts if all are to
start; `sync` is the same command without async, to compare what a start costs. Needs root, for a control group.
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
from _processes import cpu_seconds, of_group  # noqa: E402
from _simulation import CONTROL, END, FOLDER, LOOKS, STARTED  # noqa: E402
from growth import Directory  # noqa: E402

COUNTS = (200, 1_000, 5_000, 10_000)
_SETTLE_SECONDS = 5
_WATCH_SECONDS = 20
_PAUSE_SECONDS = 0.1
_COMMAND = {'ansible.builtin.command': '/bin/true'}
_WAIT = {'async': 3600, 'poll': 15}
_TASKS: dict[str, dict[str, t.Any]] = {
    'jobs': {'background.jobs.async_run': {'task': _COMMAND}, **_WAIT},
    'core': {**_COMMAND, **_WAIT},
    'sync': _COMMAND,
}


def _looks(folder: Path) -> None:
    """Write the looks at a real job into the file that the simulated targets answer from."""
    directory = Directory(folder / 'async', 0)
    (ended,) = directory.ask('wait', ids=[directory.start()], seconds=0, offsets=None, output=True, results=False)
    job = dict(ended['job'], state='running', ended=None, rc=None)
    running = dict(ended, job=job, ended=False, output=None)
    (folder / LOOKS).write_text(json.dumps([running, ended]), encoding='utf-8')


class Measured(t.NamedTuple):
    start_seconds: float
    start_cpu: float
    processes: int
    memory: int
    """Bytes of all processes (PSS) while all hosts wait."""
    memory_before: int
    """The same when the first job starts."""
    waiting_cpu: float
    """Share of one processor while all hosts wait."""
    end_seconds: float
    """From the ends of the jobs to the end of Ansible."""
    end_cpu: float


class Run:
    """One play on *count* simulated targets."""

    def __init__(self, folder: Path, engine: str, count: int, forks: int) -> None:
        self._folder = folder
        self._count = count
        self._engine = engine
        self._group = Cgroup(f'background-jobs-waiting-{os.getpid()}')
        hosts = {f'h{number:05d}': None for number in range(count)}
        play = {'hosts': 'all', 'gather_facts': False, 'tasks': [{'name': 'job', **_TASKS[engine]}]}
        (folder / 'inventory.yml').write_text(json.dumps({'all': {'hosts': hosts}}), encoding='utf-8')
        (folder / 'play.yml').write_text(json.dumps([play]), encoding='utf-8')
        ansible = [
            str(Path(sys.executable).with_name('ansible-playbook')),
            f'--inventory={folder}/inventory.yml',
            f'--forks={forks}',
            '--extra-vars=ansible_python_interpreter=/usr/bin/python3',
            f'{folder}/play.yml',
        ]
        joined = f'echo $$ > {self._group.path}/cgroup.procs && exec "$@"'
        self._command = ['sh', '-c', joined, 'sh', *ansible]
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith('ANSIBLE_')},
            'ANSIBLE_COLLECTIONS_PATH': str(HERE.parent / 'collections'),
            'ANSIBLE_CONNECTION_PLUGINS': str(HERE / 'connection_plugins'),
            'ANSIBLE_HOME': str(folder / 'home'),
            'ANSIBLE_LOG_PATH': '',
            FOLDER: str(folder),
        }

    def measure(self) -> Measured:
        master = subprocess.Popen([sys.executable, str(HERE / '_master.py')], env=self._environment)
        self._group.create()
        try:
            while not (self._folder / CONTROL).exists():
                time.sleep(_PAUSE_SECONDS)
            with open(self._folder / 'ansible.log', 'wb') as log:
                began = time.monotonic()
                ansible = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
                return self._watch(ansible, began)
        finally:
            self._group.kill()
            master.kill()
            master.wait()

    def _watch(self, ansible: subprocess.Popen[bytes], began: float) -> Measured:
        self._wait_for(ansible, 1)
        before = self._memory()
        self._wait_for(ansible, self._count)
        started, start_cpu = time.monotonic() - began, self._cpu()
        if self._engine == 'sync':
            (self._folder / END).touch()
            processes = memory = 0
            share = 0.0
        else:
            time.sleep(_SETTLE_SECONDS)
            processes, memory, cpu = len(of_group(self._group.path)), self._memory(), self._cpu()
            time.sleep(_WATCH_SECONDS)
            share = (self._cpu() - cpu) / _WATCH_SECONDS
        ended, cpu = time.monotonic(), self._cpu()
        (self._folder / END).touch()
        if ansible.wait():
            raise SystemExit((self._folder / 'ansible.log').read_text(encoding='utf-8')[-3000:])
        return Measured(
            started, start_cpu, processes, memory, before, share, time.monotonic() - ended, self._cpu() - cpu
        )

    def _wait_for(self, ansible: subprocess.Popen[bytes], jobs: int) -> None:
        """Wait until *jobs* have been started."""
        file = self._folder / STARTED
        while not file.exists() or file.stat().st_size < jobs:
            if ansible.poll() is not None:
                raise SystemExit((self._folder / 'ansible.log').read_text(encoding='utf-8')[-3000:])
            time.sleep(_PAUSE_SECONDS)

    def _memory(self) -> int:
        total = 0
        for process in of_group(self._group.path):
            with contextlib.suppress(OSError):  # it has ended
                total += process.pss()
        return total

    def _cpu(self) -> float:
        return cpu_seconds(self._group.path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--engine', choices=_TASKS, default='jobs')
    parser.add_argument('--forks', type=int, default=5)
    parser.add_argument('counts', type=int, nargs='*', default=COUNTS, metavar='COUNT')
    options = parser.parse_args()
    print(
        '| hosts | forks | all started | CPU of a start | processes | memory | for each host | CPU while waiting '
        '| last end to the end | CPU of an end |'
    )
    print('|' + ' --- |' * 10)
    for count in options.counts:
        with tempfile.TemporaryDirectory() as name:
            _looks(Path(name))
            run = Run(Path(name), options.engine, count, options.forks).measure()
        print(
            f'| {count:,} | {options.forks} | {run.start_seconds:.0f} s | {run.start_cpu / count * 1000:.0f} ms '
            f'| {run.processes} | {run.memory / 1e6:.0f} MB | {(run.memory - run.memory_before) / count / 1e6:.3f} MB '
            f'| {run.waiting_cpu:.1%} | {run.end_seconds:.0f} s | {run.end_cpu / count * 1000:.0f} ms |',
            flush=True,
        )


if __name__ == '__main__':
    main()
