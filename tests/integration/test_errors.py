# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a task is said, with the culprit's name, before anything starts on the target."""

from __future__ import annotations

import sys
import typing as t

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target

pytestmark = [pytest.mark.spine]

RUN = 'background.jobs.async_run'
GOOD = {'ansible.builtin.command': {'cmd': 'true'}}

# id: (the task, what its message says)
BAD_TASKS: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    'two modules': ({RUN: {'task': {'command': 'true', 'shell': 'true'}}}, ['one module', 'command', 'shell']),
    'no module': ({RUN: {'task': {}}}, ['one module', 'none']),
    'a string': ({RUN: {'task': 'command true'}}, ['mapping', 'command true']),
    'neither task nor cmd': ({RUN: {}}, ['task', 'cmd']),
    'task and cmd': ({RUN: {'task': GOOD, 'cmd': 'true'}}, ['task', 'cmd']),
    'unknown option': ({RUN: {'task': GOOD, 'tusk': 1}}, ['tusk']),
    'unknown module': ({RUN: {'task': {'no_such_module': {}}}}, ['no_such_module']),
    'unknown collection': ({RUN: {'task': {'no.such.module': {}}}}, ['no.such.module']),
    'copy': (
        {RUN: {'task': {'copy': {'content': 'x', 'dest': '/nowhere/x'}}}},
        ["'copy'", 'cannot run in the background'],
    ),
    'template': (
        {RUN: {'task': {'ansible.builtin.template': {'src': 'x', 'dest': '/nowhere/x'}}}},
        ["'ansible.builtin.template'", 'cannot run in the background'],
    ),
    'debug': ({RUN: {'task': {'debug': {'msg': 'x'}}}}, ["'debug'", 'cannot run in the background']),
    'set_fact': ({RUN: {'task': {'set_fact': {'x': 1}}}}, ["'set_fact'", 'cannot run in the background']),
    'raw': ({RUN: {'task': {'raw': 'true'}}}, ["'raw'", 'cannot run in the background']),
    'script': ({RUN: {'task': {'script': 'x.sh'}}}, ["'script'", 'cannot run in the background']),
    'include_tasks': ({RUN: {'task': {'include_tasks': 'x.yml'}}}, ["'include_tasks'", 'cannot run in the background']),
    'import_role': (
        {RUN: {'task': {'ansible.builtin.import_role': {'name': 'x'}}}},
        ["'ansible.builtin.import_role'", 'cannot run in the background'],
    ),
    'meta': ({RUN: {'task': {'meta': 'noop'}}}, ["'meta'", 'cannot run in the background']),
    'itself': ({RUN: {'task': {RUN: {'task': GOOD}}}}, [f"'{RUN}'", 'cannot run in the background']),
    'negative limit': ({RUN: {'task': GOOD}, 'async': -5}, ['async', '-5']),
    'limit in words': ({RUN: {'task': GOOD}, 'async': 'soon'}, ['async', 'soon']),
    'templated limit in words': ({RUN: {'task': GOOD}, 'async': "{{ 'soon' }}"}, ['async', 'soon']),
    'negative poll': ({RUN: {'task': GOOD}, 'poll': -1}, ['poll', '-1']),
    'poll in words': ({RUN: {'task': GOOD}, 'poll': 'often'}, ['poll', 'often']),
    'undefined variable': ({RUN: {'task': {'command': 'echo {{ nobody_set_this }}'}}}, ['nobody_set_this']),
}


@pytest.fixture(scope='module')
def told(tmp_path_factory: pytest.TempPathFactory, collections_path: t.Any) -> tuple[Target, Run]:
    """One run of all bad tasks, and a good one at the end, which shows that jobs would leave traces."""
    directory = tmp_path_factory.mktemp('errors')
    target = local_target('local', directory, sys.executable)
    tasks = [{'name': name, **task} for name, (task, _words) in BAD_TASKS.items()]
    good = {'name': 'good', RUN: {'task': GOOD}, 'poll': 0, 'register': 'good'}
    run = Controller(directory, collections_path).play([target], {'tasks': [*tasks, good], 'ignore_errors': True})
    return target, run


@pytest.mark.parametrize('name', BAD_TASKS)
def test_the_message_names_the_culprit(told: tuple[Target, Run], name: str) -> None:
    events = told[1].of(name)
    assert [event.kind for event in events] == ['failed']
    for words in BAD_TASKS[name][1]:
        assert words in events[0].result['msg']


def test_nothing_was_started(told: tuple[Target, Run]) -> None:
    target, run = told
    assert target.jobs() == [run['good']['ansible_job_id']]
