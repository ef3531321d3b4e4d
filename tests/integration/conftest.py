# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets and controllers for the integration tests: booted hosts where this machine can have them, and itself."""

from __future__ import annotations

import collections.abc as c
import fcntl
import functools
import hashlib
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.background.jobs.tests.integration._controller import CORE, Controller, Run, Target
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.tools.pythons import interpreters
from hosts import Fleet, HostsError, Shape

ROOT = Path(__file__).resolve().parents[2]
_SUPPORTED_TARGETS: dict[tuple[int, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {
    (2, 16): ((3, 6), (3, 12)),
    (2, 17): ((3, 7), (3, 12)),
    (2, 18): ((3, 8), (3, 13)),
    (2, 19): ((3, 8), (3, 13)),
    (2, 20): ((3, 9), (3, 14)),
    (2, 21): ((3, 9), (3, 14)),
    (2, 22): ((3, 9), (3, 15)),
}


@pytest.fixture(scope='session')
def collections_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Ansible finds the checkout as background.jobs, and no other collection."""
    path = tmp_path_factory.mktemp('collections')
    link = path / 'ansible_collections/background/jobs'
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    return path


@pytest.fixture(scope='session')
def target_pythons() -> dict[str, str]:
    """Version -> installation prefix of this machine's Pythons that this ansible-core supports on targets."""
    oldest, newest = _SUPPORTED_TARGETS[CORE]
    return {
        '.'.join(map(str, found.version)): found.prefix for found in interpreters() if oldest <= found.version <= newest
    }


@pytest.fixture(scope='session')
def fleet(target_pythons: dict[str, str]) -> c.Iterator[Fleet]:
    """Two booted hosts. Each checkout and version of ansible-core has its own, so that runs do not meet."""
    if os.geteuid() != 0:
        left_out('everything that runs on test hosts: they need root')
    owner = hashlib.sha256(f'{ROOT} {CORE}'.encode()).hexdigest()[:8]
    state = f'/var/tmp/background-jobs-tests-{owner}'
    fleet = Fleet(state)
    with open(f'{state}.lock', 'wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until another run of the same tests has ended
        try:
            fleet.down()  # of a run that was killed
        except HostsError as error:
            left_out(f'everything that runs on test hosts: {error}')
        try:
            fleet.up(Shape(hosts=2, pythons=target_pythons))
            yield fleet
        finally:
            fleet.down()


@pytest.fixture(scope='session')
def hosts(fleet: Fleet) -> list[Target]:
    """The two booted hosts, reached over ssh as an ordinary user who may use sudo."""
    inventory = yaml.safe_load(fleet.inventory.read_text(encoding='utf-8'))
    machines = inventory['all']['children']['machines']['hosts']
    return [Target(name, variables, functools.partial(_shell, fleet, name)) for name, variables in machines.items()]


def _shell(fleet: Fleet, name: str, command: str, user: str = 'deploy') -> str:
    return fleet.ssh(name, command, user=user, check=True).stdout


@pytest.fixture
def local(tmp_path: Path) -> Target:
    """This machine as a target, by the local connection, with its job files in a directory of the test."""
    return local_target('local', tmp_path, sys.executable)


def local_target(name: str, directory: Path, python: str) -> Target:
    """This machine as a target that leaves nothing outside *directory*."""
    variables = {
        'ansible_connection': 'local',
        'ansible_python_interpreter': python,
        'ansible_async_dir': str(directory / 'async'),
        'ansible_remote_tmp': str(directory / 'remote'),
    }

    def shell(command: str) -> str:
        return subprocess.run(['sh', '-c', command], check=True, stdout=subprocess.PIPE, encoding='utf-8').stdout

    return Target(name, variables, shell, str(directory / 'async'))


@pytest.fixture
def controller(tmp_path: Path, collections_path: Path, request: pytest.FixtureRequest) -> Controller:
    """A controller with a home of its own, which knows the fleet if the test uses it."""
    inventory = request.getfixturevalue('fleet').inventory if 'fleet' in request.fixturenames else None
    return Controller(tmp_path, collections_path, inventory)


@pytest.fixture
def play(controller: Controller) -> c.Callable[..., Run]:
    """Run tasks on one target: `play(target, task, task, ..., play_keyword=...)`."""

    def run(target: Target, *tasks: dict[str, t.Any], settings: dict[str, str] | None = None, **keywords: t.Any) -> Run:
        return controller.play([target], {**keywords, 'tasks': list(tasks)}, **settings or {})

    return run
