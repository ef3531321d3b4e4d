# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A polled job returns what the synchronous task returns: one table, run both ways on a booted host over ssh."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._cases import SECRET, TABLE
from ansible_collections.background.jobs.tests.integration._controller import LIBRARY, Controller, Run
from ansible_collections.background.jobs.tests.integration._parity import Case, Table
from ansible_collections.background.jobs.tests.integration._targets import Target
from ansible_collections.background.jobs.tests.integration._turns import TABLE_PATIENCE, TABLE_TIMEOUT, take_turn
from hosts import Fleet

pytestmark = [pytest.mark.hosts, pytest.mark.spine, pytest.mark.timeout(TABLE_TIMEOUT)]

# Of its own, so that what it leaves can be told from what other tests leave.
PLACES = {'ansible_async_dir': '~/.parity/async', 'ansible_remote_tmp': '~/.parity/tmp'}


@pytest.fixture(scope='module')
def both(tmp_path_factory: pytest.TempPathFactory, collections_path: Path, fleet: Fleet, hosts: list[Target]) -> Run:
    """The whole table, run both ways."""
    directory = tmp_path_factory.mktemp('parity')
    library = directory / 'library'
    library.mkdir()
    shutil.copy('/bin/cat', library / 'binary')  # prints the file of its arguments, and JSON it is
    controller = Controller(directory, collections_path, fleet.inventory, patience=TABLE_PATIENCE)
    with take_turn():
        return controller.play(
            [hosts[0].also('host1', **PLACES)],
            *Table(TABLE).plays(vars={'dir': '/tmp/parity', 'secret': SECRET}),
            PIPELINING='1',
            LIBRARY=f'{LIBRARY}:{library}',
        )


@pytest.mark.parametrize('case', TABLE, ids=lambda case: case.id)
def test_a_job_returns_what_the_task_returns(both: Run, case: Case) -> None:
    Table(TABLE).check(case, both, 'host1')


@pytest.mark.parametrize('way', ['sync', 'job'])
def test_the_handler_runs_once(both: Run, way: str) -> None:
    assert [(event.kind, event.result['stdout']) for event in both.of(f'{way}: handler')] == [('ok', 'handled')]


def test_the_executor_does_not_poll(both: Run) -> None:
    told = [event for event in both.events if event.kind in ('async_ok', 'async_failed')]
    assert told, 'we send what it would have sent'
    results = [event.result for event in told if 'censored' not in event.result]
    ids = [job['id'] for result in results for job in _jobs(result)]
    assert ids
    assert len(set(ids)) == len(ids), 'once'
    assert all('job' in event.result or event.result.get('censored') for event in both.events if 'async' in event.kind)


def _jobs(result: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return [one['job'] for one in result.get('jobs', [result]) if one.get('job')]


def test_secrets_are_not_shown(both: Run) -> None:
    assert SECRET not in both.output


def test_nothing_is_left_but_of_bad_ends(both: Run, hosts: list[Target]) -> None:
    """And of the job that `timeout` took away from its task: it may still run, or have succeeded since."""
    states = hosts[0].shell(
        "for job in $(find /root /home -path '*/.parity/async/.jobs/j*' -prune); do "
        'cat $job/end.json 2>/dev/null || echo "running"; done',
        user='root',
    )
    assert states.count('"state": "succeeded"') + states.count('running') <= 1
    assert hosts[0].shell('ls -A ~/.parity/tmp') == ''
