# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The targets of waiting.py: simulated ones, and one booted host with a real ssh connection for each of its names."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from _cgroup import Cgroup
from _processes import of_group
from _simulation import CONTROL, END, FOLDER, LOOKS, STARTED
from growth import Directory
from hosts import Fleet, Shape

HERE = Path(__file__).resolve().parent
_PAUSE_SECONDS = 0.1
_HOST = 'bench1'
_GATES = '/opt/gates'
"""On the booted host: a named pipe for each name. A job reads its own until somebody has opened it to write."""


@dataclasses.dataclass(frozen=True)
class Targets:
    hosts: dict[str, dict[str, str]]
    """Name -> variables, for the inventory."""
    command: str
    """What each job runs."""
    started: c.Callable[[], int]
    """How many jobs have been started."""
    end: c.Callable[[list[str]], None]
    """Ends the jobs of these hosts."""
    one_by_one: bool
    """Whether `end` can end one job and leave the others."""
    inventory: Path | None = None
    """With what the hosts need beside their own variables."""
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


def names(count: int) -> list[str]:
    return [f'h{number:05d}' for number in range(count)]


@contextlib.contextmanager
def simulated(folder: Path, count: int) -> c.Iterator[Targets]:
    """Targets that are not there (_simulation.py)."""
    _write_looks(folder)
    environment = {'ANSIBLE_CONNECTION_PLUGINS': str(HERE / 'connection_plugins'), FOLDER: str(folder)}
    started = folder / STARTED
    with subprocess.Popen([sys.executable, str(HERE / '_master.py')], env={**os.environ, **environment}) as master:
        try:
            while not (folder / CONTROL).exists():
                if master.poll() is not None:
                    raise SystemExit(f'The simulated master of ssh has ended with rc {master.returncode}.')
                time.sleep(_PAUSE_SECONDS)
            yield Targets(
                {name: {'ansible_python_interpreter': '/usr/bin/python3'} for name in names(count)},
                '/bin/true',
                lambda: started.stat().st_size if started.exists() else 0,
                lambda _names: (folder / END).touch(),
                one_by_one=False,
                environment=environment,
            )
        finally:
            master.kill()


def _write_looks(folder: Path) -> None:
    """Write the looks at a real job into the file that the simulated targets answer from."""
    directory = Directory(folder / 'async', 0)
    (ended,) = directory.ask('wait', ids=[directory.start()], seconds=0, offsets=None, output=True, results=False)
    job = dict(ended['job'], state='running', ended=None, rc=None)
    running = dict(ended, job=job, ended=False, output=None)
    (folder / LOOKS).write_text(json.dumps([running, ended]), encoding='utf-8')


@contextlib.contextmanager
def real(folder: Path, count: int) -> c.Iterator[Targets]:
    """A booted host with *count* names, each of which has a master connection of ssh of its own."""
    gates = folder / 'gates'
    gates.mkdir(mode=0o755)
    for name in names(count):
        os.mkfifo(gates / name, 0o644)
    fleet = Fleet(f'/var/tmp/background-jobs-waiting-{hashlib.sha256(bytes(HERE)).hexdigest()[:8]}')
    fleet.down()
    try:
        fleet.up(Shape(hosts=1, name=_HOST.rstrip('1'), directories={_GATES: str(gates)}))
        group = Cgroup(f'{fleet.id}/{_HOST}').path
        yield Targets(
            {name: {'ansible_host': _HOST, 'ansible_control_path': f'%(directory)s/{name}'} for name in names(count)},
            f'cat {_GATES}/{{{{ inventory_hostname }}}}',
            lambda: sum(process.command == 'cat' for process in of_group(group)),
            lambda ended: _open(gates, ended),
            one_by_one=True,
            inventory=fleet.inventory,
        )
    finally:
        fleet.down()


def _open(gates: Path, ended: list[str]) -> None:
    for name in ended:
        os.close(os.open(gates / name, os.O_WRONLY))


PLACES: dict[str, t.Callable[[Path, int], t.ContextManager[Targets]]] = {'simulated': simulated, 'real': real}
