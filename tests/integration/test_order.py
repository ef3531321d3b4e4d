# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs after jobs: in a row, by name, across tasks and plays, and what a person sees of those that wait or are skipped."""

from __future__ import annotations

import collections.abc as c
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import RUN, eventually, states, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target

Play = c.Callable[..., Run]
WAIT, INFO, STATUS, CANCEL, TABLE = (
    f'background.jobs.async_{name}' for name in ('wait', 'info', 'status', 'cancel', 'table')
)


def shell(command: str, **more: t.Any) -> dict[str, t.Any]:
    return {'ansible.builtin.shell': command, **more}


@pytest.mark.spine
def test_a_row_ends_with_the_first_that_fails(play: Play, local: Target, tmp_path: Path) -> None:
    trace = tmp_path / 'trace'
    steps = [shell(f'echo {step} >> {trace}') for step in ('fetch', 'build')]
    row = [*steps, shell('echo no room >&2; exit 3', name='test'), shell(f'echo install >> {trace}', name='install')]
    after = [*row, shell(f'echo clean >> {trace}', after_any=True)]
    run = play(
        local,
        {RUN: {'in_order': True, 'tasks': after}, 'register': 'row', 'ignore_errors': True},
        {RUN: {'in_order': True, 'tasks': steps}, 'register': 'good'},
        {RUN: {'task': shell('true'), 'after': 'test'}, 'register': 'one'},
        {RUN: {'tasks': [shell('true')], 'after': ['test']}, 'register': 'many'},
        {RUN: {'task': shell('true'), 'after': 'test', 'after_any': True}, 'register': 'any_end'},
        {STATUS: {'jid': 'install'}, 'register': 'status'},
    )
    assert run.rc == 0, run.output
    assert states(run['row']) == ['succeeded', 'succeeded', 'failed', 'skipped', 'succeeded']
    assert run['row']['failed'] is True
    assert run['row']['msg'].startswith(
        "1 of 5 jobs failed: tasks[2] 'test' (shell, rc 3: no room). 1 of 5 jobs skipped: "
    )
    assert run['row']['jobs'][3]['skipped'] is True
    assert 'after the success of job' in run['row']['jobs'][3]['msg']
    assert trace.read_text(encoding='ascii').split() == ['fetch', 'build', 'clean', 'fetch', 'build']
    assert states(run['good']) == ['succeeded', 'succeeded']
    for name in ('one', 'many', 'status'):
        assert run[name]['skipped'] is True, run[name]
        assert run[name].get('failed', False) is False
    assert '(test), which failed' in run['one']['msg']
    assert run['any_end']['rc'] == 0


@pytest.mark.any_core
def test_jobs_wait_across_tasks_and_plays(controller: Controller, local: Target, tmp_path: Path) -> None:
    gate, trace = tmp_path / 'gate', tmp_path / 'trace'
    first = {RUN: {'task': shell(until_there(gate)), 'name': 'download'}, 'poll': 0, 'register': 'first'}
    run = controller.play(
        [local],
        {
            'tasks': [
                first,
                {RUN: {'task': shell(f'echo unpack >> {trace}'), 'after': '{{ first }}', 'name': 'unpack'}, 'poll': 0},
            ]
        },
        {
            'tasks': [
                {
                    RUN: {
                        'tasks': [
                            shell(f'echo restart >> {trace}', name='restart', after=['unpack', 'download']),
                            shell(f'echo tell >> {trace}', after=['restart']),
                            shell(f'echo all >> {trace}', after='{{ first.ansible_job_id }}', queue='q'),
                        ]
                    },
                    'poll': 0,
                    'register': 'last',
                },
                {INFO: {}, 'register': 'info'},
                {TABLE: {'columns': 200}, 'register': 'table'},
            ]
        },
    )
    assert run.rc == 0, run.output
    assert [job['job']['state'] for job in run['last']['jobs']] == ['queued'] * 3
    assert [job['job']['waits_for'] for job in run['last']['jobs']] == [
        ['download', 'unpack'],
        ['restart'],
        ['download'],
    ]
    jobs = {job['name']: job for job in run['info']['jobs'] if job['name']}
    assert jobs['unpack']['waits_for'] == ['download']
    assert jobs['unpack']['after'] == [jobs['download']['id']]
    assert 'after download and 1 more' in run.output
    gate.touch()
    run = controller.play(
        [local],
        {
            'tasks': [{WAIT: {'jobs': ['restart', '{{ ids }}']}, 'register': 'end'}],
            'vars': {'ids': [job['ansible_job_id'] for job in run['last']['jobs']]},
        },
    )
    assert run.rc == 0, run.output
    assert set(states(run['end'])) == {'succeeded'}
    lines = trace.read_text(encoding='ascii').split()
    assert sorted(lines) == ['all', 'restart', 'tell', 'unpack']
    assert [line for line in lines if line != 'all'] == ['unpack', 'restart', 'tell']


@pytest.mark.any_core
def test_the_callbacks_tell_who_waits_and_what_was_skipped(
    controller: Controller, local: Target, tmp_path: Path
) -> None:
    gate = tmp_path / 'gate'
    row = [
        shell(f'{until_there(gate)}; exit 1', name='upgrade'),
        shell('true', name='restart'),
        shell('true', name='tell'),
    ]
    tasks = [
        {RUN: {'in_order': True, 'tasks': row}, 'poll': 0},
        {INFO: {}},
        {'ansible.builtin.shell': f'sleep 3; touch {gate}'},
        {WAIT: {'jobs': ['upgrade', 'restart', 'tell']}, 'ignore_errors': True},
    ]
    run = controller.play(
        [local],
        {'tasks': tasks},
        CALLBACKS_ENABLED='recorder,background.jobs.progress,background.jobs.timeline',
        BACKGROUND_JOBS_PROGRESS_INTERVAL='1',
        BACKGROUND_JOBS_TIMELINE_PATH=str(tmp_path / 'timeline.html'),
    )
    assert run.rc == 0, run.output
    assert 'local | restart | queued, after upgrade' in run.output
    assert 'local | tell | skipped' in run.output
    assert '3 background jobs on 1 host: 1 failed, 2 skipped' in run.output
    page = eventually(lambda: (tmp_path / 'timeline.html').read_text(encoding='utf-8'), 'the timeline is written')
    assert '<small>after upgrade</small>' in page
    assert '<small>after restart</small>' in page


@pytest.mark.any_core
def test_on_end_of_a_whole_play(controller: Controller, local: Target, tmp_path: Path) -> None:
    trace = tmp_path / 'trace'
    told = shell(f'echo "$BACKGROUND_JOBS_NAME $BACKGROUND_JOBS_STATE $BACKGROUND_JOBS_RC $HOW" >> {trace}')
    other = shell(f'echo "other $BACKGROUND_JOBS_STATE" >> {trace}; exit 4')
    count = {'ansible.builtin.shell': f'until [ $(wc -l < {trace}) -ge 4 ]; do sleep 0.1; done'}
    tasks = [
        {RUN: {'name': 'good', 'cmd': 'true'}, 'register': 'good', 'name': 'Do it'},
        {RUN: {'name': 'bad', 'cmd': 'false'}, 'ignore_errors': True},
        {RUN: {'name': 'good', 'cmd': 'true', 'on_existing': 'attach'}, 'poll': 0},
        {RUN: {'tasks': [shell('true', name='late', on_end={**other, 'async': '5m'})]}},
        count,
        {WAIT: {'jobs': '{{ (info.jobs | map(attribute="id") | list) }}'}, 'ignore_errors': True, 'register': 'ends'},
    ]
    tasks.insert(5, {INFO: {}, 'register': 'info'})
    defaults = {'background.jobs.async_run': {'on_end': told, 'grace': '5s'}}
    run = controller.play([local], {'tasks': tasks, 'module_defaults': defaults, 'environment': {'HOW': 'by hand'}})
    assert run.rc == 0, run.output
    assert sorted(trace.read_text(encoding='ascii').splitlines()) == [
        'bad failed 1 by hand',
        'good succeeded 0 by hand',
        'good succeeded 0 by hand',
        'other succeeded',
    ]
    assert run['good']['job']['state'] == 'succeeded'
    jobs = [job['job'] for job in run['ends']['jobs']]
    ends = [job for job in jobs if job['name'] is None]
    assert sorted(job['state'] for job in ends) == ['failed', 'succeeded', 'succeeded', 'succeeded']
    assert {job['limit'] for job in ends if job['state'] == 'failed'} == {300}
    assert 'Do it: on_end' in [job['task'] for job in ends]


@pytest.mark.any_core
def test_controllers_of_one_target_start_jobs_after_each_others(
    tmp_path: Path, collections_path: Path, local: Target
) -> None:
    """Each lets its jobs wait for those of the other; what is to run at an end runs once, whoever looks."""
    controllers = []
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        controllers.append(Controller(tmp_path / name, collections_path))
    one, two = controllers
    gate, log = tmp_path / 'gate', tmp_path / 'log'

    def step(name: str, *, after: list[str] | None = None, rc: int = 0, **more: t.Any) -> dict[str, t.Any]:
        script = f'echo {name} >> {log}; exit {rc}'
        options = {'task': {'ansible.builtin.shell': script}, 'name': name, **more}
        return {RUN: {**options, **({'after': after} if after else {})}, 'poll': 0}

    held = {RUN: {'name': 'first', 'cmd': f'sh -c "{until_there(gate)}"'}, 'poll': 0}
    told = {'ansible.builtin.shell': f'echo told-$BACKGROUND_JOBS_STATE >> {log}'}
    one.play([local], {'tasks': [held, step('bad', after=['first'], rc=1)]})
    two.play([local], {'tasks': [step('second', after=['first'], on_end=told), step('left_out', after=['bad'])]})
    one.play(
        [local], {'tasks': [step('third', after=['second']), step('whatever', after=['bad', 'second'], after_any=True)]}
    )
    gate.touch()
    names = ['first', 'second', 'third', 'bad', 'whatever', 'left_out']
    waits = {'tasks': [{WAIT: {'jobs': names}, 'register': 'ended', 'ignore_errors': True}]}
    ends = []
    for controller in controllers:
        run = controller.play([local], waits)
        ends.append({job['job']['name']: job['job']['state'] for job in run['ended']['jobs']})
    assert (
        ends[0]
        == ends[1]
        == {
            'first': 'succeeded',
            'second': 'succeeded',
            'third': 'succeeded',
            'bad': 'failed',
            'whatever': 'succeeded',
            'left_out': 'skipped',
        }
    )
    lines = eventually(
        lambda: 'told' in log.read_text(encoding='utf-8') and log.read_text(encoding='utf-8').split(), 'it was told'
    )
    assert sorted(lines) == ['bad', 'second', 'third', 'told-succeeded', 'whatever']
    assert lines.index('second') < lines.index('third')
    assert max(lines.index('bad'), lines.index('second')) < lines.index('whatever')
