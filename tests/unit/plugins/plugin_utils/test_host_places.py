# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests about jobs of one host that live in two places. The one of the controller is real, the target stands in."""

from __future__ import annotations

import collections.abc as c
import itertools
import os
import subprocess
import sys
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import (
    ABOUT,
    Look,
    StartRequest,
    new_look,
)
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._places.host_places import HostPlaces

ROOT = Path(__file__).resolve().parents[4]
HUNG_SECONDS = 60
_numbers = itertools.count(1)


class Target(Place):
    """Knows the jobs *ids*, and remembers what it was asked."""

    def __init__(self, *ids: str) -> None:
        self._ids = ids
        self.asked: list[tuple[str, dict[str, t.Any]]] = []
        self.error: Exception | None = None

    def ask(self, op: str, within: float | None = None, **details: t.Any) -> list[Look]:
        self.asked.append((op, details))
        if self.error is not None:
            raise self.error
        if op == 'list':
            return [self._look(job_id) for job_id in self._ids]
        return [self._look(one['id'] if op == 'start' else one) for one in details.get('jobs') or details['ids']]

    def _look(self, job_id: t.Any) -> Look:
        known = job_id in self._ids
        job = {'id': job_id, 'created': '2026-01-01T00:00:00.000000Z'} if known else None
        return new_look(job_id, '/target', 'user', known=known, job=job, ended=known)

    def reset(self) -> None:
        self.asked.append(('reset', {}))

    def is_remote(self, ids: list[t.Any]) -> bool:
        return True


def job(name: str | None = None) -> dict[str, t.Any]:
    fields = dict.fromkeys(StartRequest._fields)
    fields.update(id=f'j2026{next(_numbers):016d}.00000001', name=name, on_existing='attach', module='block', grace=0)
    fields.update(about=dict.fromkeys(ABOUT), leeway=0, spare_daemons=False, slots=1, no_log=False, argv=[])
    fields.update(
        after=[], after_any=False, resources={}, environment={}, stdin=False, output_limit=0, retention=60, payload={}
    )
    return fields


def start(places: HostPlaces, name: str | None, function: c.Callable[[t.Any], dict[str, t.Any]]) -> str:
    fields = job(name)
    (look,) = places.ask('start', jobs=[fields], bases={}, functions={fields['id']: function})
    assert look.error is None
    return str(look.id)


@pytest.fixture
def target() -> Target:
    return Target('j1.1', 'j2.2')


@pytest.fixture
def places(tmp_path: Path, target: Target) -> HostPlaces:
    task = SimpleNamespace(delegate_to=None)
    action = SimpleNamespace(_task=task, _templar=SimpleNamespace(template=lambda value: value))
    task_vars = {'inventory_hostname': 'web/1', 'background_jobs_controller_dir': str(tmp_path / 'controller')}
    places = HostPlaces(t.cast('t.Any', action), task_vars)
    places.__dict__['_target'] = target
    return places


def test_nothing_is_made_where_there_are_no_branches(places: HostPlaces, target: Target, tmp_path: Path) -> None:
    places.ask('wait', ids=['j1.1', {'name': 'deploy'}], seconds=0)
    places.ask('list', states=None, names=None, queues=None)
    assert [op for op, _details in target.asked] == ['wait', 'list']
    assert not (tmp_path / 'controller').exists()


def test_each_place_is_asked_for_its_own(places: HostPlaces, target: Target, tmp_path: Path) -> None:
    ours = start(places, 'ours', lambda output: {'changed': True})
    assert (tmp_path / 'controller/web%2F1').is_dir()
    assert target.asked == []

    ids: list[t.Any] = ['j1.1', {'name': 'ours'}, 'j2.2', ours]
    looks = places.ask('wait', ids=ids, seconds=HUNG_SECONDS, offsets=None)
    assert [look.id for look in looks] == ['j1.1', ours, 'j2.2', ours]
    assert all(look.ended for look in looks)
    assert target.asked[0][1]['ids'] == ['j1.1', 'j2.2']
    places.ask('status', ids=ids, offsets=[1, None, 3, None])
    assert target.asked[1][1]['offsets'] == [1, 3]
    assert [look.id for look in places.ask('list', states=None, names=None, queues=None)] == ['j1.1', 'j2.2', ours]
    assert (places.is_remote([ours]), places.is_remote([ours, 'j1.1'])) == (False, True)


def test_no_place_stops_anything_if_one_job_is_unknown(places: HostPlaces, target: Target) -> None:
    ours = start(places, None, lambda output: {})
    looks = places.ask('cancel', ids=[ours, 'j3.3'], grace=0, check=False)
    assert [look.known for look in looks] == [True, False]
    assert [details['check'] for _op, details in target.asked] == [True]
    places.ask('cancel', ids=[ours, 'j1.1'], grace=0, check=False)
    assert [details['check'] for _op, details in target.asked] == [True, True, False]


def test_a_name_goes_to_the_job_that_was_started_last(places: HostPlaces, target: Target, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'gate')

    def function(output: t.Any) -> dict[str, t.Any]:
        return {'read': (tmp_path / 'gate').read_text()}

    ours = start(places, 'deploy', function)
    theirs = job('deploy')
    with pytest.raises(
        AnsibleActionFail, match=f"Job {ours} of the name 'deploy' is running on the controller already"
    ):
        places.ask('start', jobs=[theirs], bases={}, functions={})
    (tmp_path / 'gate').write_text('go on')
    places.ask('wait', ids=[ours], seconds=HUNG_SECONDS)
    target.error = AnsibleConnectionFailure('gone')
    with pytest.raises(AnsibleConnectionFailure):
        places.ask('start', jobs=[theirs], bases={}, functions={})
    assert places.ask('status', ids=[{'name': 'deploy'}])[0].id == ours, 'the branch keeps its name until then'
    target.error = None
    places.ask('start', jobs=[theirs], bases={}, functions={})
    places.ask('status', ids=[{'name': 'deploy'}])
    assert [op for op, _details in target.asked] == ['start', 'start', 'status']
    assert places.ask('wait', ids=[ours], seconds=0)[0].ended


def test_a_job_waits_for_jobs_of_its_own_place(places: HostPlaces, target: Target) -> None:
    """And what cannot be is told before anything starts."""
    ours = start(places, 'ours', lambda output: {})
    branch, theirs = job(), job()
    functions: dict[str, t.Any] = {branch["id"]: lambda output: {}}
    for first, second, message in (
        (
            [{'name': 'theirs'}],
            [],
            'A branch cannot start after job theirs: web/1 has no such branch on this controller',
        ),
        (['j1.1'], [], 'A branch cannot start after job j1.1: .* with the task async_wait'),
        ([], [ours], f'A job of the target cannot start after job {ours} of web/1: that is a branch'),
        ([], [{'name': 'ours'}], 'A job of the target cannot start after job ours of web/1'),
    ):
        branch['after'], theirs['after'] = first, second
        with pytest.raises(AnsibleActionFail, match=message):
            places.ask('start', jobs=[theirs, branch], bases={}, functions=functions)
    assert target.asked == []
    branch['after'], theirs['after'] = [ours, {'name': 'ours'}], ['j1.1']
    _theirs, look = places.ask('start', jobs=[theirs, branch], bases={}, functions=functions)
    assert look.job['after'] == [ours]
    assert places.ask('wait', ids=[branch['id']], seconds=HUNG_SECONDS)[0].job['state'] == 'succeeded'


def test_what_the_controller_refuses_hides_nothing_that_runs_on_the_target(places: HostPlaces, tmp_path: Path) -> None:
    (tmp_path / 'controller').touch()
    branch, theirs = job(), job()
    request: dict[str, t.Any] = {'bases': {}, 'functions': {branch['id']: lambda output: {}}}
    looks = places.ask('start', jobs=[theirs, branch], **request)
    assert [look.id for look in looks] == [theirs['id'], branch['id']]
    assert 'cannot make the job directory' in str(looks[1].error)
    with pytest.raises(AnsibleActionFail, match='cannot make the job directory'):
        places.ask('start', jobs=[branch], **request)


def test_ansibles_main_process_loads_what_its_workers_need() -> None:
    """It imports the action. Each worker would compile the rest anew."""
    script = """
import importlib, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
importlib.import_module('ansible_collections.background.jobs.plugins.action.async_run')
print(*sys.modules)
"""
    environment = {**os.environ, 'ANSIBLE_COLLECTIONS_PATH': str(ROOT / 'collections')}
    done = subprocess.run([sys.executable, '-c', script], env=environment, stdout=subprocess.PIPE, check=True)
    loaded = {name.rpartition('._runtime.')[2] for name in done.stdout.decode().split()}
    assert {'requests.start', 'requests.wait', 'requests.cancel', 'supervise.supervisor'} <= loaded
