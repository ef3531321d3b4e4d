# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Branches after branches, and what a person sees of branches: the words are those of jobs of the target."""

from __future__ import annotations

import collections.abc as c
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import RUN, eventually, states, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target

Play = c.Callable[..., Run]
WAIT, INFO, STATUS, CANCEL, TABLE, PRUNE = (
    f'background.jobs.async_{name}' for name in ('wait', 'info', 'status', 'cancel', 'table', 'prune')
)


def shell(script: str, **keywords: t.Any) -> dict[str, t.Any]:
    return {'ansible.builtin.shell': script, **keywords}


@pytest.mark.spine
def test_a_row_of_branches_ends_with_the_first_that_fails(play: Play, local: Target, tmp_path: Path) -> None:
    (tmp_path / 'say.sh').write_text('#!/bin/sh\necho $1 >> $2\n', encoding='utf-8')
    trace = tmp_path / 'trace'

    def say(word: str, **more: t.Any) -> dict[str, t.Any]:
        return {'ansible.builtin.script': f'{tmp_path}/say.sh {word} {trace}', **more}

    row = [
        say('fetch', name='fetch'),
        {'ansible.builtin.fail': {'msg': 'on purpose'}, 'name': 'build'},
        say('install', name='install'),
        say('clean', after_any=True),
    ]
    run = play(
        local,
        {RUN: {'in_order': True, 'tasks': row}, 'register': 'row', 'ignore_errors': True},
        {RUN: {'tasks': [shell('true', name='target'), say('no', name='no', after='build')]}, 'register': 'mixed'},
        {RUN: {'block': [shell(f'echo block >> {trace}')], 'after': 'build'}, 'register': 'skipped'},
        {RUN: {'block': [shell(f'echo block >> {trace}')], 'after': 'build', 'after_any': True}, 'register': 'any_end'},
        {RUN: {'task': shell('true'), 'after': 'build'}, 'register': 'refused', 'ignore_errors': True},
        {RUN: {'block': [shell('true')], 'after': 'target'}, 'register': 'foreign', 'ignore_errors': True},
        {STATUS: {'jid': 'install'}, 'register': 'status'},
        {PRUNE: {'older_than': 0, 'states': ['skipped', 'failed']}, 'check_mode': True, 'register': 'would'},
        {PRUNE: {'older_than': 0, 'states': ['skipped', 'failed']}, 'register': 'pruned'},
        {INFO: {}, 'register': 'info'},
    )
    assert run.rc == 0, run.output
    assert states(run['row']) == ['succeeded', 'failed', 'skipped', 'succeeded']
    assert '1 of 4 jobs skipped' in run['row']['msg']
    assert states(run['mixed']) == ['succeeded', 'skipped']
    assert trace.read_text(encoding='utf-8').split() == ['fetch', 'clean', 'block']
    for name in ('skipped', 'status'):
        assert run[name]['skipped'] is True, run[name]
        assert run[name].get('failed', False) is False
    assert '(build), which failed' in run['skipped']['msg']
    assert run['any_end']['job']['state'] == 'succeeded'
    assert [sorted(job['id'] for job in run[name]['jobs']) for name in ('would', 'pruned')] == 2 * [
        sorted([*(job['ansible_job_id'] for job in run['row']['jobs'][1:3]), run['mixed']['jobs'][1]['ansible_job_id']])
    ]
    assert {(job['state'], job['place']) for job in run['info']['jobs']} == {
        ('succeeded', 'controller'),
        ('succeeded', 'target'),
    }
    assert 'after job build of local: that is a branch' in run['refused']['msg']
    assert 'after job target: local has no such branch' in run['foreign']['msg']


def test_on_end_and_resources_of_branches(play: Play, local: Target, tmp_path: Path) -> None:
    """It is a branch as well: a module on the target, or any other action, which is told how the branch has ended."""
    trace = tmp_path / 'trace'
    told = shell(f'echo "$BACKGROUND_JOBS_NAME $BACKGROUND_JOBS_STATE $HOW {{{{ who }}}}" >> {trace}')
    (tmp_path / 'tell.sh').write_text('#!/bin/sh\necho "script $BACKGROUND_JOBS_STATE" >> $1\n', encoding='utf-8')
    script = {'ansible.builtin.script': f'{tmp_path}/tell.sh {trace}', 'async': '5m'}
    fails = {'ansible.builtin.fail': {'msg': 'on purpose'}, 'name': 'bad', 'on_end': script}
    task = {'environment': {'HOW': 'by-hand'}, 'vars': {'who': 'me'}}
    over = "info.jobs | selectattr('state', 'in', ['queued', 'running']) | length == 0"
    run = play(
        local,
        {RUN: {'block': [shell('true')], 'name': '{{ "{{ 6 }}" }}', 'on_end': told}, **task},
        {RUN: {'tasks': [fails]}, 'ignore_errors': True, 'name': 'Do it'},
        {RUN: {'block': [shell('nice', register='niced')], 'resources': {'nice': 5}}},
        {'ansible.builtin.debug': {'msg': '{{ niced.stdout }}'}, 'register': 'nice'},
        {INFO: {}, 'register': 'info', 'until': over, 'retries': 600, 'delay': 0.1},
    )
    assert run.rc == 0, run.output
    assert sorted(trace.read_text(encoding='utf-8').splitlines()) == ['script failed', '{{ 6 }} succeeded by-hand me']
    assert run['nice']['msg'] == '5', 'a branch and its processes have its resources'
    ends = [job for job in run['info']['jobs'] if 'after' in job]
    assert {job['place'] for job in ends} == {'controller'}
    assert [(job['task'], job['limit'], job['state']) for job in ends if job['limit']] == [
        ('Do it: on_end', 300, 'succeeded')
    ]


@pytest.mark.any_core
def test_branches_wait_across_plays_and_people_see_for_whom(
    controller: Controller, local: Target, tmp_path: Path
) -> None:
    """In results, the table, the progress display, the lines of follow, and the timeline."""
    gate, trace = tmp_path / 'gate', tmp_path / 'trace'
    download = [shell(until_there(gate), name='Fetch it'), shell(f'echo download >> {trace}; exit 1', name='Unpack it')]
    run = controller.play(
        [local],
        {'tasks': [{RUN: {'block': download, 'name': 'download'}, 'poll': 0}]},
        {
            'tasks': [
                {
                    RUN: {'block': [shell('true')], 'after': 'download', 'name': 'restart'},
                    'poll': 0,
                    'register': 'last',
                },
                {RUN: {'block': [shell('true')], 'after': 'restart', 'name': 'tell', 'queue': 'q'}, 'poll': 0},
                {RUN: {'block': [shell('true')], 'after': 'download', 'name': 'unwanted'}, 'poll': 0},
                {CANCEL: {'jobs': 'unwanted'}, 'register': 'cancelled'},
                {INFO: {}, 'register': 'info'},
                {TABLE: {'columns': 200}},
                shell(f'sleep 3; touch {gate}'),
                {
                    WAIT: {'jobs': ['download', 'restart', 'tell'], 'follow': True},
                    'ignore_errors': True,
                    'register': 'end',
                },
            ]
        },
        CALLBACKS_ENABLED='recorder,background.jobs.progress,background.jobs.timeline',
        BACKGROUND_JOBS_PROGRESS_INTERVAL='1',
        BACKGROUND_JOBS_TIMELINE_PATH=str(tmp_path / 'timeline.html'),
    )
    assert run.rc == 0, run.output
    assert (run['last']['job']['state'], run['last']['job']['waits_for']) == ('queued', ['download'])
    (cancelled,) = run['cancelled']['jobs']
    assert (cancelled['state'], cancelled['started']) == ('cancelled', None)
    assert 'while it waited for other jobs' in cancelled['reason']
    jobs = {job['name']: job for job in run['info']['jobs']}
    assert (jobs['download']['state'], jobs['download']['place']) == ('running', 'controller')
    assert jobs['restart']['after'] == [jobs['download']['id']]
    assert jobs['tell']['waits_for'] == ['restart']
    assert states(run['end']) == ['failed', 'skipped', 'skipped']
    for words in (
        'local | restart | queued, after download',
        'local | tell | skipped',
        'TASK [Unpack it]',
        'failed: Unpack it',
        '4 background jobs on 1 host: ',
        '2 skipped',
    ):
        assert words in run.output, words
    page = eventually(lambda: (tmp_path / 'timeline.html').read_text(encoding='utf-8'), 'the timeline is written')
    assert '<small>after download</small>' in page
    assert '<small>after restart</small>' in page
