# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every Python of a target that this ansible-core supports, over ssh with and without pipelining, and locally."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._cases import NAUGHTY
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._parity import RUN, Case, Table
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target, target_pythons
from ansible_collections.background.jobs.tests.integration._turns import TABLE_PATIENCE, TABLE_TIMEOUT, take_turn
from hosts import Fleet

pytestmark = pytest.mark.timeout(TABLE_TIMEOUT)
VERSIONS = list(target_pythons())
LOCAL_VERSIONS = VERSIONS[:: max(1, len(VERSIONS) - 1)]
"""The oldest and the newest: over ssh, all of them run the same cases."""

FACTS = Case(
    'facts', {'setup': {'gather_subset': ['!all', '!min', 'python']}}, {'ansible_facts.ansible_python.type': 'cpython'}
)
ANYWHERE = [
    Case(
        'command', {'command': {'argv': ['printf', '%s', NAUGHTY], 'expand_argument_vars': False}}, {'stdout': NAUGHTY}
    ),
    Case(
        'environment',
        {'shell': {'cmd': 'printf "%s\\n" "$A"; cat', 'stdin': 'ü'}},
        {'stdout_lines': [NAUGHTY, 'ü']},
        {'environment': {'A': NAUGHTY}},
    ),
    Case(
        'traceback',
        {'raises': {}},
        {'failed': True},
        differs={
            'exception': 'has the path of a temporary file',
            'module_stdout': 'likewise',
            'module_stderr': 'likewise; with a terminal, ssh writes to it and the module does not',
        },
    ),
    Case('WANT_JSON', {'json_python': {'text': NAUGHTY}}, {'given.text': NAUGHTY}),
    FACTS,
]
BECOME = [
    Case('become', {'shell': {'cmd': 'id -un; cat', 'stdin': 'ü'}}, {'stdout_lines': ['root', 'ü']}, {'become': True}),
    Case(
        'become somebody',
        {'shell': 'id -un; echo ~'},
        {'stdout_lines': ['plain', '/home/plain']},
        {'become': True, 'become_user': 'plain'},
    ),
    Case(
        'become somebody, WANT_JSON',
        {'json_python': {'text': NAUGHTY}},
        {'given.text': NAUGHTY},
        {'become': True, 'become_user': 'plain'},
    ),
]
EVERYWHERE = ANYWHERE + BECOME

# Runs on every target too: that a limit is kept needs more of the system than anything else.
LIMIT = {'name': 'limit', RUN: {'task': {'command': 'sleep 600'}}, 'async': 1, 'poll': 1, 'register': 'limit'}


def _run(controller: Controller, targets: list[Target], table: Table, directory: str) -> Run:
    plays = table.plays(vars={'dir': directory})
    with take_turn():
        return controller.play(targets, *plays, {'tasks': [LIMIT], 'ignore_errors': True}, FORKS='4')


# Without pipelining everything travels as files, whatever the Python.
WAYS = [f'py{version}-pipelining' for version in VERSIONS] + [
    f'py{version}-files' for version in VERSIONS[:1] + VERSIONS[-1:]
]


@pytest.fixture(scope='module')
def over_ssh(
    tmp_path_factory: pytest.TempPathFactory, collections_path: Path, fleet: Fleet, hosts: list[Target]
) -> Run:
    """As an ordinary user, who becomes root and somebody else."""
    targets = []
    for way in WAYS:
        version, transport = way.removeprefix('py').split('-')
        python = f'/opt/python/{version}/bin/python3'
        targets.append(
            hosts[0].also(way, ansible_python_interpreter=python, ansible_pipelining=transport == 'pipelining')
        )
    controller = Controller(tmp_path_factory.mktemp('ssh'), collections_path, fleet.inventory, patience=TABLE_PATIENCE)
    return _run(controller, targets, Table(EVERYWHERE), '/tmp/reach-{{ inventory_hostname }}')


@pytest.fixture(scope='module')
def locally(tmp_path_factory: pytest.TempPathFactory, collections_path: Path) -> Run:
    """As the user who runs the tests."""
    directory = tmp_path_factory.mktemp('local')
    pythons = {version: f'{target_pythons()[version]}/bin/python3' for version in LOCAL_VERSIONS}
    targets = [local_target(f'py{version}', directory, python) for version, python in pythons.items()]
    return _run(
        Controller(directory, collections_path, patience=TABLE_PATIENCE),
        targets,
        Table(ANYWHERE),
        f'{directory}/{{{{ inventory_hostname }}}}',
    )


@pytest.mark.hosts
@pytest.mark.spine
@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('case', EVERYWHERE, ids=lambda case: case.id)
def test_over_ssh(over_ssh: Run, way: str, case: Case) -> None:
    Table(EVERYWHERE).check(case, over_ssh, way)


@pytest.mark.parametrize('version', LOCAL_VERSIONS)
@pytest.mark.parametrize('case', ANYWHERE, ids=lambda case: case.id)
def test_locally(locally: Run, version: str, case: Case) -> None:
    Table(ANYWHERE).check(case, locally, f'py{version}')


@pytest.mark.hosts
@pytest.mark.spine
@pytest.mark.parametrize('way', WAYS)
def test_over_ssh_the_limit_is_kept(over_ssh: Run, way: str) -> None:
    _check_limit_and_python(over_ssh, way)


@pytest.mark.parametrize('version', LOCAL_VERSIONS)
def test_locally_the_limit_is_kept(locally: Run, version: str) -> None:
    _check_limit_and_python(locally, f'py{version}')


def _check_limit_and_python(run: Run, host: str) -> None:
    """The interpreter must be the one that was asked for, or none of these tests proves anything."""
    registered = run.registered[host]
    assert registered['limit']['job']['state'] == 'timed_out'
    found = registered[f'job_{ANYWHERE.index(FACTS)}']['ansible_facts']['ansible_python']['version']
    assert host.split('-')[0] == f"py{found['major']}.{found['minor']}"
