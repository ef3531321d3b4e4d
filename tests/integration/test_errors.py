# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a task is said, with the culprit's name, before anything starts on the target."""

from __future__ import annotations

import collections.abc as c
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._engines import ENGINES
from ansible_collections.background.jobs.tests.integration._playing import shell, until_there
from ansible_collections.background.jobs.tests.integration._targets import CORE, Target, local_target

RUN, WAIT, STATUS, CANCEL, INFO, PRUNE = (
    f'background.jobs.async_{name}' for name in ('run', 'wait', 'status', 'cancel', 'info', 'prune')
)
ACTION_PLUGINS = str(Path(__file__).resolve().parent / 'targets/jobs/action_plugins')
GOOD = {'ansible.builtin.command': {'cmd': 'true'}}

# id: (the task, what its message says)
BAD_TASKS: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    'two modules': ({RUN: {'task': {'command': 'true', 'shell': 'true'}}}, ['one module', 'command', 'shell']),
    'no module': ({RUN: {'task': {}}}, ['one module', 'none']),
    'a string': ({RUN: {'task': 'command true'}}, ['mapping', 'command true']),
    'neither task nor cmd': ({RUN: {}}, ['task', 'cmd']),
    'task and cmd': ({RUN: {'task': GOOD, 'cmd': 'true'}}, ['task', 'cmd']),
    'unknown option': ({RUN: {'task': GOOD, 'tusk': 1}}, ['tusk']),
    'misspelt option': ({RUN: {'taks': GOOD}}, ["async_run has no option 'taks': did you mean 'tasks'?"]),
    'singular option': ({WAIT: {'job': 'x'}}, ["async_wait has no option 'job': did you mean 'jobs'?"]),
    'keyword as an option': (
        {RUN: {'cmd': 'true', 'register': 'x'}},
        ["async_run has no option 'register': it is a keyword of the task"],
    ),
    'a name of many': (
        {RUN: {'tasks': [GOOD, GOOD], 'name': 'x'}},
        ["'name' of async_run has no effect: it names one job. Give each of 'tasks' its own."],
    ),
    'slots in words': ({RUN: {'cmd': 'true', 'queue': 'q', 'slots': 'many'}}, ["'slots' is of type ", 'int']),
    'no slots': ({RUN: {'cmd': 'true', 'queue': 'q', 'slots': 0}}, ['slots', '1 or more', '0']),
    'slots without queue': ({RUN: {'cmd': 'true', 'slots': 2}}, ["'slots' of async_run has no effect", "'queue'"]),
    'slots of one without queue': (
        {RUN: {'tasks': [{**GOOD, 'slots': 2}, {**GOOD, 'queue': 'q'}]}},
        ["'slots' of tasks[0] has no effect", "'queue'"],
    ),
    'slots of a block without queue': (
        {RUN: {'block': [GOOD], 'slots': 2}},
        ["'slots' of async_run has no effect", "'queue'"],
    ),
    'slots that are true': (
        {RUN: {'tasks': [{**GOOD, 'queue': 'q', 'slots': True}]}},
        ["'slots of tasks[0]' must be a whole number of 1 or more, found 'True'"],
    ),
    'a name that is a list': (
        {RUN: {'tasks': [{**GOOD, 'name': ['x']}]}},
        ["'name of tasks[0]' must be a text, found ['x']"],
    ),
    'a name twice, as a number': (
        {RUN: {'tasks': [{**GOOD, 'name': 7}, {**GOOD, 'name': '7'}]}},
        ['A name can be given to one job only: 7.'],
    ),
    'a name twice, and between them one that waits': (
        {RUN: {'tasks': [{**GOOD, 'name': 'x'}, {**GOOD, 'after': 'x'}, {**GOOD, 'name': 'x'}]}},
        ['A name can be given to one job only: x.'],
    ),
    'half a branch': (
        {RUN: {'block': [GOOD]}, 'vars': {'background_jobs_branches': 1.9}},
        ["'background_jobs_branches' must be a whole number of 0 or more, found 1.9"],
    ),
    'a limit without end': (
        {RUN: {'tasks': [{**GOOD, 'async': '9' * 400}]}},
        ["'async of tasks[0]' must be a number of seconds"],
    ),
    'order of one task': (
        {RUN: {'cmd': 'true', 'in_order': True}},
        ["'in_order' of async_run has no effect", "'tasks'"],
    ),
    'after_any without after': ({RUN: {'cmd': 'true', 'after_any': True}}, ["'after_any' of async_run has no effect"]),
    'after_any of one without after': (
        {RUN: {'tasks': [{**GOOD, 'after_any': True}]}},
        ["'after_any' of tasks[0] has no effect"],
    ),
    'after no such job': (
        {RUN: {'cmd': 'true', 'after': 'nobody'}},
        ['could not find job nobody, after which', 'Nothing'],
    ),
    'after what is no job': (
        {RUN: {'cmd': 'true', 'after': True}},
        ["'after' takes job ids, names and registered results", 'True'],
    ),
    'after one below': (
        {RUN: {'tasks': [{**GOOD, 'after': 'second'}, {**GOOD, 'name': 'second'}]}},
        ["'after' of tasks[0] names tasks[1], which stands below it"],
    ),
    'on_end of two modules': (
        {RUN: {'cmd': 'true', 'on_end': {**GOOD, 'shell': 'true'}}},
        ["'on_end' must be a mapping of one module name to its arguments", 'shell'],
    ),
    'on_end of one of the tasks': (
        {RUN: {'tasks': [{**GOOD, 'on_end': {'debug': {'msg': 'x'}}}]}},
        ["'tasks[0].on_end' must be a module that runs on the target", 'debug'],
    ),
    'on_end that is no task': ({RUN: {'tasks': [{**GOOD, 'on_end': 3}]}}, ["'tasks[0].on_end' must be a mapping", '3']),
    'follow of a list': ({INFO: {'follow': True}}, ["'follow' of async_info has no effect"]),
    'async of a wait': (
        {WAIT: {'jobs': 'x'}, 'async': 60},
        ["'async' of async_wait has no effect: the limits belong to the jobs", "Set 'timeout'"],
    ),
    'follow of a cancel': ({CANCEL: {'jobs': 'x', 'follow': True}}, ["'follow' of async_cancel has no effect"]),
    'follow of a look': ({STATUS: {'jid': 'x', 'follow': False}}, ["'follow' of async_status has no effect"]),
    'follow of a prune': ({PRUNE: {'follow': True}}, ["'follow' of async_prune has no effect"]),
    'look at a result': (
        {STATUS: {'jid': {'ansible_job_id': 'j1.1', 'stdout': 'long'}}},
        [
            "'jid' takes the id or the name of one job, found a mapping: of a registered result r, give r.ansible_job_id."
        ],
    ),
    'offset without output': ({STATUS: {'jid': 'j1.1', 'offset': 3}}, ["'offset' of async_status has no effect"]),
    'negative offset': (
        {STATUS: {'jid': 'j1.1', 'offset': -3, 'output': True}},
        ["'offset' must not be negative", '-3'],
    ),
    'negative grace': ({RUN: {'cmd': 'true', 'grace': -1}}, ["'grace' must be a number of seconds", "'-1'"]),
    'grace in words': ({CANCEL: {'jobs': 'x', 'grace': 'long'}}, ["'grace' must be a number of seconds", "'long'"]),
    'default limit in words': (
        {RUN: {'cmd': 'true', 'limit': 'long'}},
        ["'limit' must be a number of seconds", "'long'"],
    ),
    'resources of one': (
        {RUN: {'tasks': [GOOD, {**GOOD, 'resources': {'memry': '2G'}}]}},
        ["'resources of tasks[1]' has no key 'memry': did you mean 'memory'?"],
    ),
    'margin in words': (
        {RUN: {'cmd': 'true'}, 'vars': {'background_jobs_margin': 'wide'}},
        ["'background_jobs_margin' must be a number of seconds", "'wide'"],
    ),
    'no such name': ({WAIT: {'jobs': 'nobody'}}, ['could not find job nobody on local: user ']),
    'no such names': ({CANCEL: {'jobs': ['nobody', 'j1.1']}}, ['could not find the jobs nobody, j1.1 on local: user ']),
    'no such name of a look': ({STATUS: {'jid': 'nobody'}}, ['could not find job nobody on local: user ']),
    'unknown module': ({RUN: {'task': {'no_such_module': {}}}}, ['no_such_module']),
    'unknown collection': ({RUN: {'task': {'no.such.module': {}}}}, ['no.such.module']),
    'no such block': ({RUN: {'block': [{'no_such_module': {}}]}}, ['no_such_module']),
    'rescue without block': ({RUN: {'task': GOOD, 'rescue': [GOOD]}}, ['rescue', 'block']),
    'block and task': ({RUN: {'block': [GOOD], 'task': GOOD}}, ['block', 'task']),
    'empty block': ({RUN: {'block': []}}, ["'block' has no tasks"]),
    'branch in order': (
        {RUN: {'tasks': [GOOD, {'copy': {'content': 'x', 'dest': '/nowhere/x'}}], 'in_order': True}},
        ['tasks[1] (copy) runs on the controller', 'into one block'],
    ),
    'target after branch': (
        {
            RUN: {
                'tasks': [{'copy': {'content': 'x', 'dest': '/nowhere/x'}}, {**GOOD, 'after': 'x', 'name': 'y'}],
                'in_order': True,
            }
        },
        [
            'tasks[1] (ansible.builtin.command) runs on the target and cannot wait for tasks[0] (copy), which runs on the controller'
        ],
    ),
    'branch after an unknown one': (
        {RUN: {'block': [GOOD], 'after': 'nobody'}},
        [
            'A branch cannot start after job nobody: local has no such branch on this controller.',
            'Nothing was started.',
        ],
    ),
    'end of a branch': ({RUN: {'block': [GOOD], 'on_end': {'no_such_module': {}}}}, ['no_such_module']),
    'branch at an end': (
        {RUN: {'task': GOOD, 'on_end': {'copy': {'content': 'x', 'dest': '/nowhere/x'}}}},
        ["'on_end' must be a module that runs on the target, found copy"],
    ),
    'no branches': (
        {RUN: {'block': [GOOD]}, 'vars': {'background_jobs_branches': 0}},
        ["'background_jobs_branches' must be 1 or more"],
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
    for words in ('<class', 'ansible_collections.'):
        assert words not in events[0].result['msg']


def test_no_message_comes_after_an_empty_traceback(told: tuple[Target, Run]) -> None:
    """Of the exception that ansible-core before 2.19 looks for, and that is not there."""
    assert 'NoneType: None' not in told[1].output


def test_an_unknown_job_brings_one_message(told: tuple[Target, Run]) -> None:
    """That of this collection, and not the one of ansible-core's own async_status, which it replaces."""
    assert 'has no such file in' not in told[1].output


def test_nothing_was_started(told: tuple[Target, Run]) -> None:
    target, run = told
    assert target.jobs() == [run['good']['ansible_job_id']]


Play = c.Callable[..., Run]

# name: a task that has something wrong there, which may be an argument in the wrong column
HIDDEN: dict[str, dict[str, t.Any]] = {
    'task': {RUN: {'task': 'command echo {{ secret }}'}},
    'tasks': {RUN: {'tasks': ['command echo {{ secret }}']}},
    'on_end': {RUN: {'cmd': 'true', 'on_end': 'command echo {{ secret }}'}},
    'name': {RUN: {'tasks': [{**GOOD, 'name': ['{{ secret }}']}]}},
    'memory': {RUN: {'cmd': 'true', 'resources': {'memory': '{{ secret }}'}}},
    'grace': {RUN: {'cmd': 'true', 'grace': '{{ secret }}'}},
    'jobs': {WAIT: {'jobs': {'msg': '{{ secret }}'}}},
}


def test_no_log_hides_values_of_messages(play: Play, local: Target) -> None:
    """ansible-core 2.21 shows the message of a failed task nevertheless."""
    tasks = [{'name': name, **task, 'register': name} for name, task in HIDDEN.items()]
    run = play(local.also('local', secret='sesame'), *tasks, no_log=True, ignore_errors=True)
    for name in HIDDEN:
        assert name in run[name]['msg']
        assert run[name]['msg'].endswith('. What was found is hidden by no_log.')
    assert 'sesame' not in run.output + str(run.events) + str(run.registered)


def test_what_module_defaults_hand_to_every_action_is_accepted(play: Play, local: Target) -> None:
    """ansible-core merges them with the options of the task before an action sees either."""
    run = play(
        local,
        {'name': 'list', INFO: {}},
        {'name': 'prune', PRUNE: {}},
        {'name': 'run', RUN: {'cmd': 'true'}, 'poll': 0, 'register': 'one'},
        {RUN: {'tasks': [GOOD, GOOD]}, 'poll': 0, 'register': 'many'},
        module_defaults={'group/background.jobs.jobs': {'follow': True}, RUN: {'slots': 2, 'name': 'nightly'}},
    )
    assert run.rc == 0, run.output
    assert [job['job']['name'] for job in (run['one'], *run['many']['jobs'])] == ['nightly', None, None]


def test_module_defaults_set_what_not_every_action_has(play: Play, local: Target) -> None:
    """The group's options reach each action that knows them. The keyword `async`, and the options of a task, say otherwise."""
    run = play(
        local,
        {RUN: {'cmd': 'nice'}, 'register': 'default'},
        {RUN: {'cmd': 'nice', 'resources': {'nice': 8}}, 'async': 600, 'register': 'own'},
        {RUN: {'cmd': 'nice', 'limit': 0}, 'register': 'unlimited'},
        {RUN: {'tasks': [GOOD, {**GOOD, 'async': '1m'}]}, 'register': 'tasks'},
        {INFO: {}, 'register': 'info'},
        {WAIT: {'jobs': []}},
        {PRUNE: {}},
        {WAIT: {'jobs': [], 'limt': 1}, 'ignore_errors': True, 'register': 'misspelt'},
        module_defaults={
            'group/background.jobs.jobs': {'grace': 3, 'limit': '1h', 'resources': {'nice': 6}, 'on_end': GOOD},
        },
    )
    assert run.rc == 0, run.output
    jobs = [run[name] for name in ('default', 'own', 'unlimited')]
    assert [(job['stdout'], job['job']['limit']) for job in jobs] == [('6', 3600), ('8', 600), ('6', None)]
    assert [job['job']['limit'] for job in run['tasks']['jobs']] == [3600, 60]
    assert [job['task'] for job in run['info']['jobs']] == [
        'on_end'
    ] * 5  # the other jobs went when their tasks had waited
    assert "async_wait has no option 'limt'" in run['misspelt']['msg']


@pytest.mark.any_core
def test_durations_work_wherever_seconds_do(play: Play, local: Target) -> None:
    run = play(
        local,
        {RUN: {'tasks': [{'command': 'sleep 100', 'async': '0.02m'}, GOOD], 'grace': '0.1m'}, 'register': 'run'},
        {RUN: {'cmd': 'true', 'grace': '1h'}, 'poll': 0, 'register': 'start'},
        {WAIT: {'jobs': '{{ start }}', 'timeout': '5m'}, 'register': 'wait'},
        {CANCEL: {'jobs': '{{ start }}', 'grace': '5s'}},
        {PRUNE: {'older_than': '1w'}},
        ignore_errors=True,
        vars={'background_jobs_margin': '2m', 'background_jobs_retention': '30d'},
    )
    assert [job['job']['limit'] for job in run['run']['jobs']] == [2, None]
    assert [job['job']['state'] for job in run['run']['jobs']] == ['timed_out', 'succeeded']
    assert run['wait']['jobs'][0]['job']['state'] == 'succeeded'
    assert [event.kind for event in run.results].count('failed') == 1, run.output


@pytest.mark.any_core
def test_one_host_without_the_job_does_not_stop_the_others(controller: Controller, tmp_path: t.Any) -> None:
    one, two = (local_target(name, tmp_path / name, sys.executable) for name in ('one', 'two'))
    start = {
        'name': 'start',
        RUN: {'cmd': 'sleep 1000', 'name': 'upgrade'},
        'poll': 0,
        'when': "inventory_hostname == 'one'",
    }
    cancel = {'name': 'cancel', CANCEL: {'jobs': ['upgrade', 'nobody'], 'missing': 'ok'}}
    wait = {'name': 'wait', WAIT: {'jobs': 'upgrade', 'missing': 'ok'}, 'register': 'wait', 'ignore_errors': True}
    strict = {'name': 'strict', CANCEL: {'jobs': 'upgrade'}, 'ignore_errors': True}
    run = controller.play([one, two], {'tasks': [start, cancel, wait, strict]})
    stopped = {event.host: [job['state'] for job in event.result['jobs']] for event in run.of('cancel')}
    assert stopped == {'one': ['cancelled'], 'two': []}
    assert {host: len(variables['wait']['jobs']) for host, variables in run.registered.items()} == {'one': 1, 'two': 0}
    assert [event.kind for event in run.of('strict', 'two')] == ['failed']
    assert [event.kind for event in run.of('strict', 'one')] == ['ok']


@pytest.mark.any_core
def test_an_id_of_another_host_is_recognised(controller: Controller, tmp_path: t.Any) -> None:
    one, two = (local_target(name, tmp_path / name, sys.executable) for name in ('one', 'two'))
    start = {'name': 'start', RUN: {'cmd': 'true'}, 'poll': 0, 'register': 'started'}
    looks = [{'name': 'look', WAIT: {'jobs': "{{ hostvars['one'].started }}"}, 'ignore_errors': True}]
    run = controller.play([one, two], {'tasks': [start, *looks]})
    (event,) = run.of('look', 'two')
    job_id = run.registered['one']['started']['ansible_job_id']
    assert event.result['msg'].startswith(f'could not find job {job_id} on two: user ')
    assert event.result['msg'].endswith(f'Job {job_id} was started on one: ids differ from host to host.')


@pytest.mark.any_core
def test_messages_name_the_host_that_was_asked(controller: Controller, tmp_path: t.Any) -> None:
    """With `delegate_to`, that is another one than the task is for, which has registered the job."""
    one, two = (local_target(name, tmp_path / name, sys.executable) for name in ('one', 'two'))
    elsewhere = {'ansible_async_dir': str(tmp_path / 'elsewhere')}
    tasks = [
        {RUN: {'cmd': 'true'}, 'poll': 0, 'register': 'started'},
        {'name': 'wait', WAIT: {'jobs': '{{ started }}'}, 'vars': elsewhere, 'ignore_errors': True},
        {'name': 'look', STATUS: {'jid': 'nobody'}, 'ignore_errors': True},
    ]
    play = {'hosts': 'one', 'tasks': [{**task, 'delegate_to': 'two'} for task in tasks]}
    run = controller.play([one, two], play)
    told = [run.of(name)[0].result['msg'] for name in ('wait', 'look')]
    job_id = run['started']['ansible_job_id']
    assert told[0].startswith(f'could not find job {job_id} on two: user '), run.output
    assert 'was started on' not in told[0]
    assert told[1].startswith('could not find job nobody on two: user ')


def test_a_wait_that_fails_says_what_may_still_run(controller: Controller, local: Target, tmp_path: Path) -> None:
    gate = tmp_path / 'gate'
    job = shell(f'chmod 0777 {local.async_dir}; {until_there(gate)}', name='upgrade')
    try:
        run = controller.play([local], {'tasks': [{'name': 'job', **job, 'poll': 1}]})
    finally:
        gate.touch()
    (event,) = run.of('job')
    assert event.result['msg'].startswith(
        'The wait failed; upgrade may still run there. Mend this, and wait again with async_wait: '
        f'{local.async_dir} can be written by others'
    ), run.output
    assert event.result['msg'].count('can be written') == 1
    assert 'An exception occurred' not in run.output


@pytest.mark.any_core
def test_many_failures_are_told_with_names_and_causes(play: Play, local: Target) -> None:
    tasks = [
        {'shell': 'echo no space left >&2; exit 1', 'name': 'upgrade'},
        {'shell': 'echo broken; exit 3'},
        {'command': 'sleep 100', 'async': 1},
        GOOD,
    ]
    run = play(local, {RUN: {'tasks': tasks, 'grace': 0}, 'register': 'run', 'ignore_errors': True})
    assert run['run']['msg'].startswith(
        "3 of 4 jobs failed: tasks[0] 'upgrade' (shell, rc 1: no space left); tasks[1] (shell, rc 3: broken); "
        'tasks[2] (command, timed out: Timeout exceeded'
    )


@pytest.mark.any_core
def test_a_look_takes_a_name(play: Play, local: Target) -> None:
    run = play(
        local,
        {RUN: {'cmd': 'echo done', 'name': 'upgrade'}, 'poll': 0, 'register': 'started'},
        {WAIT: {'jobs': 'upgrade'}},
        {STATUS: {'job': 'upgrade'}, 'register': 'by_name'},
        {INFO: {}, 'register': 'info'},
        {WAIT: {'jobs': '{{ info }}'}, 'register': 'waited'},
        {STATUS: {'jid': 'upgrade', 'mode': 'cleanup'}, 'register': 'cleanup'},
        {STATUS: {'jid': 'upgrade'}, 'register': 'gone', 'ignore_errors': True},
    )
    job_id = run['started']['ansible_job_id']
    assert (run['by_name']['ansible_job_id'], run['by_name']['stdout']) == (job_id, 'done')
    assert [job['ansible_job_id'] for job in run['waited']['jobs']] == [job_id]
    assert run['cleanup']['erased'].endswith(job_id)
    assert 'could not find job upgrade on local' in run['gone']['msg']


@pytest.mark.parametrize(
    ('arguments', 'printed'),
    [
        ('cmd=/bin/echo --do-stuff', '--do-stuff'),
        ('cmd="/bin/echo --do-stuff"', '--do-stuff'),
        ('/bin/echo --do-stuff', '--do-stuff'),
        ('cmd="/bin/echo PREFIX=/usr"', 'PREFIX=/usr'),
    ],
)
def test_ad_hoc_command_lines(controller: Controller, local: Target, arguments: str, printed: str) -> None:
    if not arguments.startswith('cmd="') and CORE < (2, 19):  # ansible-core refuses it before the action is asked
        with pytest.raises(AssertionError, match='has extra params, which is only allowed in'):
            controller.adhoc(local, '-m', RUN, '-a', arguments)
        return
    run = controller.adhoc(local, '-m', RUN, '-a', arguments)
    assert [event.result.get('stdout') for event in run.results] == [printed], run.output


def test_an_action_plugin_is_refused_for_its_own_reason_or_becomes_a_branch(
    controller: Controller, local: Target
) -> None:
    tasks = {
        'raises': {'polls_itself': {'cmd': 'true'}},
        'returns': {'polls_itself': {'cmd': 'true', 'returns': True}},
        'without': {'without_async': {}},
        'alone': {'works_alone': {}},
    }
    run = controller.play(
        [local],
        {
            'ignore_errors': True,
            'tasks': [{RUN: {'task': task}, 'register': name} for name, task in tasks.items()],
        },
        ACTION_PLUGINS=ACTION_PLUGINS,
    )
    for name in ('raises', 'returns'):
        message = run[name]['msg']
        assert "'polls_itself' cannot run in the background" in message
        assert 'waits for it by itself' in message
        assert 'Make it a task of its own' in message
    assert (run['without']['rc'], run['without']['job']['place']) == (0, 'controller'), run.output
    assert run['alone']['in_background'], run.output
    assert local.jobs() == []
    assert local.shell(f'ls {local.variables["ansible_remote_tmp"]} || true') == ''


@pytest.mark.parametrize('engine', ENGINES)
def test_what_that_refusal_says_works(controller: Controller, local: Target, engine: str) -> None:
    settings = {**ENGINES[engine]}
    settings['ACTION_PLUGINS'] = ':'.join(filter(None, [settings.get('ACTION_PLUGINS'), ACTION_PLUGINS]))
    task = {'polls_itself': {'cmd': 'echo hi'}, 'async': 30, 'poll': 0, 'register': 'r'}
    run = controller.play([local], {'tasks': [task]}, **settings)
    assert run['r']['stdout'] == 'hi', run.output
