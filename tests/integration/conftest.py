# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets and controllers for the integration tests: booted hosts where this machine can have them, and itself."""

from __future__ import annotations

import collections.abc as c
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._nodes import NODE_DIRECTORIES
from ansible_collections.background.jobs.tests.integration._playing import Log, Meeting, eventually
from ansible_collections.background.jobs.tests.integration._targets import (
    CORE,
    Target,
    fleet_targets,
    local_target,
    target_pythons,
)
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.tools.screen import Screen
from hosts import OPERATOR, Fleet, HostsError, Shape

ROOT = Path(__file__).resolve().parents[2]
LONGEST = ['test_reconnect.py', 'test_dropin.py', 'test_reach.py', 'test_parity.py', 'test_story.py', 'test_forks.py']
"""The files that take minutes. Two files run at once, so one of these at the end would run alone."""


@pytest.hookimpl(tryfirst=True)  # before -m asks for marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the fleet needs what test hosts need, also through fixtures of fixtures. The longest files come first."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
    for item in items:
        if 'fleet' in getattr(item, 'fixturenames', ()):
            item.add_marker(pytest.mark.hosts)


@pytest.fixture(scope='session')
def collections_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Ansible finds the checkout as background.jobs, and no other collection."""
    path = tmp_path_factory.mktemp('collections')
    link = path / 'ansible_collections/background/jobs'
    link.parent.mkdir(parents=True)
    link.symlink_to(ROOT)
    return path


@pytest.fixture(scope='session')
def shape() -> Shape:
    """What the booted hosts look like; a file may have another one."""
    return Shape(hosts=2, pythons=target_pythons(), directories=NODE_DIRECTORIES)


@pytest.fixture(scope='session')
def fleet(request: pytest.FixtureRequest, shape: Shape) -> c.Iterator[Fleet]:
    """Two booted hosts. Each checkout, version of ansible-core and choice of tests has its own: runs do not meet."""
    chosen = request.config.option.markexpr, os.environ.get('PYTEST_XDIST_WORKER')
    owner = hashlib.sha256(f'{ROOT} {CORE} {chosen} {os.geteuid()}'.encode()).hexdigest()[:8]
    state = f'/var/tmp/background-jobs-tests-{owner}'
    fleet = Fleet(state)
    with open(f'{state}.lock', 'wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until another run of the same tests has ended
        try:
            fleet.down()  # of a run that was killed
        except HostsError as error:
            left_out(f'all that needs test hosts: {error}')
        try:
            fleet.up(shape)
            yield fleet
        finally:
            fleet.down()


@pytest.fixture(scope='session')
def hosts(fleet: Fleet) -> list[Target]:
    """The two booted hosts."""
    return fleet_targets(fleet)


@pytest.fixture
def takes_passwords(hosts: list[Target]) -> Target:
    """A host as the user whose password sshd takes, and who needs it for sudo as well."""
    return hosts[0].also(hosts[0].name, ansible_user=OPERATOR)


@pytest.fixture
def victim(fleet: Fleet, hosts: list[Target]) -> c.Iterator[Target]:
    """The second host, for tests that do it harm: it runs, and is reached again, when they are over."""
    host = hosts[1]
    yield host
    if not fleet.status()[host.name]:
        fleet.boot(host.name)
    eventually(host.reached, 'the host answers again', 120)


@pytest.fixture
def local(tmp_path: Path) -> Target:
    """This machine, with its job files in a directory of the test."""
    return local_target('local', tmp_path, sys.executable)


@pytest.fixture
def temporary() -> c.Iterator[Path]:
    """Ansible's local temporary directory. Its path is so short that those of branches are in it as well."""
    path = Path(tempfile.mkdtemp(prefix='bj-'))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def controller(tmp_path: Path, collections_path: Path, request: pytest.FixtureRequest) -> Controller:
    """A controller with a home of its own, which knows the fleet if the test uses it."""
    inventory = request.getfixturevalue('fleet').inventory if 'fleet' in request.fixturenames else None
    return Controller(tmp_path, collections_path, inventory)


@pytest.fixture
def person(tmp_path: Path, collections_path: Path, screen: Screen) -> Controller:
    """A controller whose user sits before the `screen`."""
    return Controller(tmp_path, collections_path, screen=screen)


@pytest.fixture
def play(controller: Controller) -> c.Callable[..., Run]:
    """Run tasks on one target: `play(target, task, task, ..., play_keyword=...)`."""

    def run(target: Target, *tasks: dict[str, t.Any], settings: dict[str, str] | None = None, **keywords: t.Any) -> Run:
        return controller.play([target], {**keywords, 'tasks': list(tasks)}, **settings or {})

    return run


@pytest.fixture
def many(tmp_path: Path) -> c.Callable[[int], list[Target]]:
    """Hosts, all of them this machine, each with job files of its own."""
    return lambda count: [local_target(f'h{n}', tmp_path / f'h{n}', sys.executable) for n in range(1, count + 1)]


@pytest.fixture
def meeting(tmp_path: Path) -> Meeting:
    return Meeting(tmp_path / 'meeting')


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / 'log')
