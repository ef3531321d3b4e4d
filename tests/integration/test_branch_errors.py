# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in blocks are told before anything starts, and the result says what went wrong later."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._branches import COMMAND, INFO, branch
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import RUN
from ansible_collections.background.jobs.tests.integration._targets import Target

ACTION_PLUGINS = str(Path(__file__).resolve().parent / 'targets/jobs/action_plugins')

MISTAKES: list[tuple[dict[str, t.Any], str]] = [
    ({'block': [{'no.such.module': {'a': 1}}]}, 'no.such.module'),
    ({'block': [{COMMAND: 'true', 'wenn': True}]}, 'conflicting action statements'),
    ({'block': [{COMMAND: 'true'}], 'rescue': [{'no.such.module': {}}]}, 'no.such.module'),
    ({'block': []}, "'block' has no tasks: there is nothing to run."),
    ({'block': [{COMMAND: 'true'}, 'true']}, "'block[1]' must be a task, found 'true'."),
    ({'block': '{{ tasks }}'}, "'block' must be a list of tasks, written here: it cannot come from a variable."),
]


def test_mistakes_are_told_before_anything_starts(controller: Controller, local: Target) -> None:
    tasks = [
        {'name': f'{index}', RUN: options, 'async': 600, 'poll': 0, 'ignore_errors': True}
        for index, (options, _message) in enumerate(MISTAKES)
    ]
    run = controller.play([local], {'tasks': [*tasks, {INFO: {}, 'register': 'jobs'}]})
    for index, (_options, message) in enumerate(MISTAKES):
        (event,) = run.of(f'{index}')
        assert event.kind == 'failed', event
        assert message in event.result['msg']
    assert 'Traceback' not in run.output
    assert run['jobs']['jobs'] == []


ERRORS: list[tuple[dict[str, t.Any], list[str]]] = [
    ({'include_role': {'name': 'no_such_role'}}, ["ole 'no_such_role' was not found in"]),
    ({'include_tasks': 'nowhere.yml'}, ["the task 'include_tasks' failed: ", 'nowhere.yml']),
    ({'include_tasks': '{{ item }}.yml', 'loop': '{{ nobody_set_this }}'}, ["'nobody_set_this' is undefined"]),
    ({'include_tasks': 'broken.yml'}, ['the tasks could not go on: ', 'apping values are not allowed', 'broken.yml']),
    (
        {'include_tasks': 'unknown.yml'},
        ['the tasks could not go on: ', "module/action 'no.such.module'", 'unknown.yml'],
    ),
]
"""What ends the tasks without a module that has failed, and what the result says of it."""


def test_the_result_says_what_went_wrong(controller: Controller, local: Target, tmp_path: Path) -> None:
    (tmp_path / 'broken.yml').write_text('- command: true\n   foo: [\n', encoding='utf-8')
    controller.write('unknown.yml', [{'no.such.module': {}}])
    rescued = branch({COMMAND: 'true'}, {'block': [{'include_tasks': 'nowhere.yml'}], 'rescue': [{COMMAND: 'true'}]})
    tasks = [
        {**branch({'name': 'Works', COMMAND: 'true'}, task), 'name': f'{index}', 'ignore_errors': True}
        for index, (task, _messages) in enumerate(ERRORS)
    ]
    # Not the error of the task that was rescued.
    broken = branch({'block': [{COMMAND: 'false'}], 'rescue': [ERRORS[0][0]]}, register='broken', ignore_errors=True)
    run = controller.play([local], {'tasks': [*tasks, {**rescued, 'register': 'rescued'}, broken]})
    assert run.rc == 0, run.output
    for index, (_task, messages) in enumerate(ERRORS):
        (event,) = run.of(f'{index}')
        assert event.kind == 'failed', event
        for words in messages:
            assert words in event.result['msg'], event.result['msg']
        assert (event.result['tasks'][0]['name'], event.result['stats']['changed']) == ('Works', 1)
    assert run['rescued']['failed'] is False
    assert 'msg' not in run['rescued']
    assert "'no_such_role' was not found in" in run['broken']['msg']


@pytest.mark.parametrize('way', ['play', 'task', 'setting'])
def test_no_debugger_of_tasks_ends_a_branch(controller: Controller, local: Target, way: str) -> None:
    keyword = {'debugger': 'on_failed'}
    block = {'name': 'Fails', COMMAND: 'false', **(keyword if way == 'task' else {})}
    rescued = branch(block, rescue=[{COMMAND: 'echo rescued'}], register='rescued')
    play = {'tasks': [rescued], **(keyword if way == 'play' else {})}
    run = controller.play([local], play, **({'ENABLE_TASK_DEBUGGER': '1'} if way == 'setting' else {}))
    assert run.rc == 0, run.output
    assert [task['result'].get('stdout') for task in run['rescued']['tasks']] == ['', 'rescued']


@pytest.mark.spine
def test_an_action_that_fails_says_what_it_says_without_a_job(controller: Controller, local: Target) -> None:
    """From 2.19 on, errors, warnings and deprecations are objects; the result of a job is JSON."""
    tasks = [
        {'name': 'Alone', 'complains': {}, 'register': 'alone'},
        {'name': 'Job', RUN: {'task': {'complains': {}}}, 'register': 'job'},
        {'name': 'Block', **branch({'complains': {}}, register='block')},
    ]
    runs = {
        task['name']: controller.play(
            [local], {'tasks': [{**task, 'ignore_errors': True}]}, ACTION_PLUGINS=ACTION_PLUGINS
        )
        for task in tasks
    }
    for name in ('Alone', 'Job'):
        (event,) = runs[name].of(name)
        assert (event.kind, event.result['msg']) == ('failed', 'on purpose')
        assert 'fatal: [local]: FAILED! =>' in runs[name].output
        assert _warnings(runs[name]) == _warnings(runs['Alone']), runs[name].output
    assert '[WARNING]: careful' in _warnings(runs['Job'])
    (task,) = runs['Block']['block']['tasks']
    assert (task['result']['msg'], task['result']['warnings']) == ('on purpose', ['careful'])
    assert [said['msg'] for said in task['result']['deprecations']] == ['the old way']
    assert 'Summary(' not in str(runs)


def _warnings(run: Run) -> list[str]:
    return [line for line in run.output.splitlines() if 'WARNING]: ' in line]
