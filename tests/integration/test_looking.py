# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks of the collection: what an operator sees of the jobs of all hosts, and does about them."""

from __future__ import annotations

import concurrent.futures
import functools
import re
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._playing import (
    RUN,
    eventually,
    has_shown,
    table,
    until_there,
)
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target

JOBS, FOLLOW, CANCEL, PRUNE = (f'background.jobs.{name}' for name in ('jobs', 'follow', 'cancel', 'prune'))
INFO = 'background.jobs.async_info'
SECRET = 'open-sesame-4711'


@pytest.fixture
def fleet_of_three(tmp_path: Path) -> list[Target]:
    """Two that answer, and one in natural order between them that cannot be reached."""
    here = [local_target(name, tmp_path / name, sys.executable) for name in ('web2', 'web10')]
    gone = Target('web3', {'ansible_host': '127.0.0.1', 'ansible_port': 9}, lambda command: '')
    return [*here, gone]


def start(controller: Controller, targets: list[Target], name: str, command: str, **more: t.Any) -> None:
    task = {'background.jobs.async_run': {'name': name, 'cmd': command}, 'poll': 0, 'async': 300, **more}
    assert controller.play(targets, {'tasks': [task]}).rc == 0


def test_the_jobs_of_all_hosts(controller: Controller, fleet_of_three: list[Target]) -> None:
    here = fleet_of_three[:2]
    start(controller, here[:1], 'upgrade', "sh -c 'exit 3'")
    start(controller, here, 'backup', 'sleep 300')
    run = controller.book(fleet_of_three, JOBS, COLUMNS='200')
    rows = table(run)
    assert [row[:3] for row in rows if row[1] == 'unreachable'] == [['web3', 'unreachable', rows[0][2]]]
    assert rows[0][0] == 'web3'
    assert [(row[0], row[1], row[2]) for row in rows[1:]] == [
        ('web2', 'upgrade', 'failed'),
        ('web2', 'backup', 'running'),
        ('web10', 'backup', 'running'),
    ]
    assert '3 hosts, 3 jobs: 1 unreachable, 1 failed, 2 running' in run.output
    assert 'UNREACHABLE!' not in run.output
    assert '\x1b' not in run.output

    narrow = controller.book(here, JOBS, '--extra-vars', 'state=running name=backup columns=80')
    only = table(narrow)
    assert max(map(len, narrow.output[narrow.output.rindex('HOST ') :].partition(' hosts, ')[0].splitlines())) <= 80
    assert [row[:3] for row in only] == [['web2', 'backup', 'running'], ['web10', 'backup', 'running']]
    cancelled = controller.book(fleet_of_three, CANCEL, '--extra-vars', 'job=backup confirm=yes', STRATEGY='free')
    assert 'reserved name' not in cancelled.output
    assert {event.host for event in cancelled.of('Cancel them') if event.result.get('changed')} == {'web2', 'web10'}
    assert {
        row[2] for row in table(controller.book(here, JOBS, '--extra-vars', 'job=backup', STRATEGY='host_pinned'))
    } == {'cancelled'}


@pytest.mark.any_core
def test_variables_of_the_inventory_select_nothing(controller: Controller, fleet_of_three: list[Target]) -> None:
    """The inventories of clouds have a `state` and a `name` for each host."""
    other: dict[str, t.Any] = {'job': 'a', 'queue': 'b', 'name': 'web1', 'state': {'code': 16}, 'columns': 3, 'keep': 9}
    here = fleet_of_three[:2]
    cloud = [Target(target.name, {**target.variables, **other}, target.shell) for target in here]
    start(controller, here, 'short', 'true')
    controller.play(here, {'tasks': [{'background.jobs.async_wait': {'jobs': 'short'}}]})

    for book in (JOBS, FOLLOW):
        rows = table(controller.book(cloud, book))
        assert [row[:3] for row in rows] == [['web2', 'short', 'succeeded'], ['web10', 'short', 'succeeded']]
    pruned = controller.book(cloud, PRUNE, '--extra-vars', 'older_than=0', '--check')
    assert '2 jobs on 2 hosts would be removed' in pruned.output


@pytest.mark.any_core
@pytest.mark.parametrize('selection', ['jobs=backup', ''])
def test_cancel_without_a_terminal_wants_a_selection(
    controller: Controller, fleet_of_three: list[Target], selection: str
) -> None:
    here = fleet_of_three[:2]
    start(controller, here, 'backup', 'sleep 300')
    run = controller.book(here, CANCEL, '--extra-vars', f'{selection} confirm=yes')
    assert run.rc != 0
    assert 'There is no terminal to ask which jobs to cancel. None was cancelled.' in run.output
    assert [row[2] for row in table(controller.book(here, JOBS))] == ['running'] * 2
    assert controller.book(here, CANCEL, '--extra-vars', 'job= confirm=yes').rc == 0
    assert [row[2] for row in table(controller.book(here, JOBS))] == ['cancelled'] * 2


@pytest.mark.any_core
def test_cancel_of_the_queued_jobs_only(controller: Controller, fleet_of_three: list[Target]) -> None:
    here = fleet_of_three[:2]
    commands = [{'command': 'sleep 300', 'name': name} for name in ('first', 'second')]
    task = {RUN: {'tasks': commands, 'queue': 'q'}, 'poll': 0, 'async': 300}
    assert controller.play(here, {'tasks': [task]}).rc == 0
    assert controller.book(here, CANCEL, '--extra-vars', 'state=queued confirm=yes').rc == 0
    rows = table(controller.book(here, JOBS))
    assert {(row[1], row[2]) for row in rows} == {('first', 'running'), ('second', 'cancelled')}
    assert controller.book(here, CANCEL, '--extra-vars', 'job=first confirm=yes').rc == 0


@pytest.mark.any_core
def test_following(tmp_path: Path, controller: Controller, fleet_of_three: list[Target]) -> None:
    here, gate = fleet_of_three[:2], tmp_path / 'gate'
    start(controller, here, 'build', f"sh -c 'echo begun; {until_there(gate)}; echo done'")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        following = pool.submit(controller.book, fleet_of_three, FOLLOW, '--extra-vars', 'job=build')
        try:
            for target in here:
                begun = f'{target.name} | build | begun\n'
                eventually(functools.partial(has_shown, tmp_path, begun), f'{target.name} is followed')
        finally:
            gate.touch()
    run = following.result()
    for target in here:
        assert f'{target.name} | build | done\n' in run.output
    assert [row[:3] for row in table(run)[1:]] == [['web2', 'build', 'succeeded'], ['web10', 'build', 'succeeded']]


@pytest.mark.any_core
def test_what_runs_where(tmp_path: Path, controller: Controller, fleet_of_three: list[Target]) -> None:
    """Without a name, a job is called by its task. A live job shows its last line, and a bad end that and its rc."""
    here, gate = fleet_of_three[:2], tmp_path / 'gate'
    script = f'echo begun; {until_there(gate)}; echo sad >&2; exit 4'
    task = {'name': 'Build {{ what }}', RUN: {'task': {'ansible.builtin.shell': script}}, 'poll': 0, 'async': 300}
    assert controller.play(here, {'vars': {'what': 'all'}, 'tasks': [task]}).rc == 0

    def shown() -> list[list[str]]:
        """The cells but for the time."""
        rows = table(controller.book(here, JOBS, '--extra-vars', 'columns=0'))
        return [[*row[:3], *row[4:]] for row in rows]

    live = [[target.name, 'Build all', 'running', 'begun'] for target in here]
    eventually(lambda: shown() == live, 'both have printed something')
    gate.touch()
    ended = [[target.name, 'Build all', 'failed', '4', 'sad'] for target in here]
    eventually(lambda: shown() == ended, 'both have ended')


@pytest.mark.any_core
def test_every_action_tells_what_a_job_is_about(controller: Controller, local: Target) -> None:
    job = '{{ start.job.id }}'
    command = 'sh -c "exec sleep 300" https://me:{{ word }}@host/{{ 1 + 2 }} --token={{ word }}'
    tasks = [
        {'name': 'Fetch {{ 1 + 1 }}', RUN: {'cmd': command}, 'poll': 0, 'register': 'start'},
        {'background.jobs.async_status': {'job': job}, 'register': 'status'},
        {INFO: {}, 'register': 'info'},
        {INFO: {'output': True}, 'register': 'lines'},
        {'background.jobs.async_cancel': {'jobs': job}, 'register': 'cancel'},
        {'background.jobs.async_wait': {'jobs': job}, 'register': 'wait', 'ignore_errors': True},
    ]
    run = controller.play([local], {'vars': {'word': SECRET}, 'tasks': tasks})
    assert run.rc == 0, run.output
    told = [run[name]['job'] for name in ('start', 'status')]
    told += [run[name]['jobs'][0] for name in ('info', 'lines', 'cancel')]
    told.append(run['wait']['jobs'][0]['job'])
    (started_by,) = {one['started_by'] for one in told}
    assert re.fullmatch(r'[^@\s]+@[^@\s]+', started_by)
    for one in told:
        assert (one['task'], one['host']) == ('Fetch 2', 'local')
        assert one['summary'] == 'sh -c "exec sleep 300" https://host/3 --token=***'
    assert [('last_line' in one, one['rc']) for one in told] == [(one is told[3], None) for one in told]
    assert told[3]['last_line'] is None


@pytest.mark.any_core
def test_no_log_hides_what_a_job_does(controller: Controller, local: Target) -> None:
    hidden = {'name': 'Hidden', RUN: {'cmd': f'printf {SECRET}'}, 'no_log': True}
    open_ = {'name': 'Open', RUN: {'task': {'ansible.builtin.shell': 'exit 3'}}, 'ignore_errors': True}
    run = controller.play(
        [local],
        {
            'tasks': [
                {**hidden, 'poll': 0, 'register': 'first'},
                {**open_, 'poll': 0, 'register': 'second'},
                {
                    'background.jobs.async_wait': {'jobs': ['{{ first }}', '{{ second }}']},
                    'no_log': True,
                    'ignore_errors': True,
                },
                {INFO: {}, 'register': 'info'},
            ]
        },
    )
    assert run.rc == 0, run.output
    jobs = run['info']['jobs']
    assert [(one['task'], one['summary'], one['rc']) for one in jobs] == [('Hidden', None, None), ('Open', 'exit 3', 3)]
    assert SECRET not in local.shell(f'cat {local.async_dir}/.jobs/*/spec.json')


@pytest.mark.any_core
def test_pruning_looks_before_it_removes(controller: Controller, fleet_of_three: list[Target]) -> None:
    here = fleet_of_three[:2]
    start(controller, here, 'short', 'true')
    controller.play(here, {'tasks': [{'background.jobs.async_wait': {'jobs': 'short'}}]})
    looked = controller.book(fleet_of_three, PRUNE, '--extra-vars', 'older_than=0', '--check')
    assert '2 jobs on 2 hosts would be removed' in looked.output
    assert all(target.jobs() for target in here)
    unanswered = controller.book(here, PRUNE, '--extra-vars', 'older_than=0')
    assert unanswered.rc != 0
    assert 'no job was removed. Where no terminal is, add -e confirm=yes.' in unanswered.output
    refused = controller.book(fleet_of_three, PRUNE, '--extra-vars', 'older_than=0 confirm=no')
    assert refused.rc == 0
    for selection in ('job=short', 'queue=q', 'name=short'):
        unknown = controller.book(here, PRUNE, '--extra-vars', f'older_than=0 confirm=yes {selection}')
        assert unknown.rc != 0
        assert 'not by job, name or queue. Nothing was removed.' in unknown.output
    assert all(target.jobs() for target in here)
    assert controller.book(fleet_of_three, PRUNE, '--extra-vars', 'older_than=0 confirm=yes').rc == 0
    assert not any(target.jobs() for target in here)
