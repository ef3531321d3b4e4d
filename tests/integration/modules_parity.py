# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules of the package `ansible` return the same in each way to run them.

Each module of modules.yml runs synchronously, by name, with ansible-core's own async and in drop-in. The second and the
third are compared with the first, and the fourth with the third, field by field. `make parity` runs this file, in an
environment that has the package, and puts what it records into docs/compatibility.md. By its name, no other run finds it.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._engines import DROP_IN, at_once
from ansible_collections.background.jobs.tests.integration._modules import PACKAGES, modules
from ansible_collections.background.jobs.tests.integration._parity import (
    Case,
    Table,
    different,
    find,
    leaves,
    without_job,
)
from ansible_collections.background.jobs.tests.integration._targets import CORE, Target
from hosts import Fleet, Shape

pytestmark = pytest.mark.timeout(3600)

MODULES = modules()
TABLE = Table(MODULES)
# Or the first module that needs it says that it has made it.
REMOTE_TMP = {'ansible.builtin.file': {'path': '~/.ansible/tmp', 'state': 'directory', 'mode': '0700'}}
RECORD = Path(__file__).resolve().parents[2] / '.build' / f'parity-{".".join(map(str, CORE))}.json'
# What ansible-core's own async adds to the result, unless the module itself returned it.
ADDED = ('results_file', 'stdout', 'stderr')


@pytest.fixture(scope='session')
def shape() -> Shape:
    """Two hosts, which have what the modules need."""
    return Shape(packages=PACKAGES)


@pytest.fixture(scope='session')
def results(
    fleet: Fleet, hosts: list[Target], tmp_path_factory: pytest.TempPathFactory, collections_path: Path
) -> dict[str, dict[str, dict[str, t.Any]]]:
    """Way -> module -> what it returned. The ways that are compared with each other have a host of their own."""

    def play(name: str, host: int, ways: list[str], **settings: str) -> Run:
        directory = tmp_path_factory.mktemp(name)
        plays = TABLE.plays(ways, vars={'dir': '/var/parity'}, become=True, pre_tasks=[REMOTE_TMP])
        return Controller(directory, collections_path, fleet.inventory, patience=3500).play(
            [hosts[host].also('host')], *plays, PIPELINING='1', **settings
        )

    runs = at_once(
        {
            'own': lambda: play('own', 0, ['sync', 'job', 'async']),
            'drop-in': lambda: play('drop-in', 1, ['async'], **DROP_IN),
        }
    )
    ways = {'sync': ('own', 'sync'), 'job': ('own', 'job'), 'async': ('own', 'async'), 'drop-in': ('drop-in', 'async')}
    return {
        name: {case.id: TABLE.registered(case, runs[run], 'host', way) for case in MODULES}
        for name, (run, way) in ways.items()
    }


def differences(results: dict[str, dict[str, dict[str, t.Any]]], case: Case) -> dict[str, dict[str, t.Any]]:
    """Way -> path -> both values of what differs."""
    sync, job, core, mine = (results[way][case.id] for way in ('sync', 'job', 'async', 'drop-in'))
    added = {f'{key}*': 'of async_status' for key in ADDED if key not in sync}
    of_jobs = {'job': 'new', 'job.*': 'new', 'ansible_job_id': 'random', 'results_file': 'ends with the id'}
    return {
        'by name': different(sync, without_job(job), case.differs, case.varies),
        "ansible-core's async": different(sync, without_job(core), {**added, **case.differs}, case.varies),
        # In what a module printed on stderr, there may be the random name of its file.
        'drop-in': different(core, mine, {**of_jobs, **case.differs}, {**added, **case.varies}),
    }


@pytest.fixture(scope='session', autouse=True)
def _record(results: dict[str, dict[str, dict[str, t.Any]]]) -> None:
    """Whatever the tests say: the table shows what was seen."""
    RECORD.parent.mkdir(exist_ok=True)
    lines = [
        {
            'module': case.id,
            'fields': len(leaves(results['sync'][case.id])),
            'differs': {way: sorted(found) for way, found in differences(results, case).items() if found},
            'varies': case.varies,
            'reasons': case.differs,
        }
        for case in MODULES
    ]
    RECORD.write_text(json.dumps(lines, indent=1), encoding='ascii')


@pytest.mark.parametrize('case', MODULES, ids=lambda case: case.id)
def test_each_way_returns_the_same(results: dict[str, dict[str, dict[str, t.Any]]], case: Case) -> None:
    sync = results['sync'][case.id]
    assert {path: find(sync, path) for path in case.shows} == case.shows, sync
    assert {way: found for way, found in differences(results, case).items() if found} == {}
