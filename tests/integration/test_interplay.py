# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Together with what others put around ansible-core: mitogen's strategy, and ansible-runner."""

from __future__ import annotations

import collections.abc as c
import importlib.resources
import os
import signal
import sys
import typing as t
from pathlib import Path

import ansible_runner
import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._engines import DROP_IN, MEANWHILE
from ansible_collections.background.jobs.tests.integration._playing import Meeting, Playing, eventually, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target

MITOGEN = {'STRATEGY_PLUGINS': str(importlib.resources.files('ansible_mitogen') / 'plugins/strategy')}
RUN = 'background.jobs.async_run'
WAIT = 'background.jobs.async_wait'
STATUS = 'background.jobs.async_status'
GATE = '/tmp/interplay.gate'
BLOCKED = until_there(GATE)
ENDS = ('runner_on_ok', 'runner_on_failed')
OPEN = {'file': {'path': GATE, 'state': 'touch', 'mode': '0600'}}


def under_mitogen(*tasks: dict[str, t.Any], **keywords: t.Any) -> dict[str, t.Any]:
    """A play, which ends with a look at what runs its modules."""
    who = {'shell': "tr '\\0' ' ' < /proc/$PPID/cmdline", 'register': 'who'}
    return {'strategy': 'mitogen_linear', **keywords, 'tasks': [*tasks, who]}


@pytest.fixture
def closed(hosts: list[Target]) -> c.Iterator[Target]:
    """A host on which jobs that are BLOCKED go on until the gate is made; mitogen's own files are removed afterwards."""
    hosts[0].shell(f'rm -f {GATE}')
    yield hosts[0]
    hosts[0].shell(f'touch {GATE}; until rm -rf ~/.ansible_async 2>/dev/null; do sleep 0.1; done')


@pytest.mark.hosts
def test_by_name_under_mitogen(controller: Controller, closed: Target) -> None:
    fire = {RUN: {'task': {'shell': f'{BLOCKED}; echo fired'}}, 'async': 600, 'poll': 0, 'register': 'fired'}
    play = under_mitogen(
        {RUN: {'cmd': 'echo polled'}, 'async': 600, 'poll': 10, 'register': 'polled'},
        {RUN: {'cmd': 'whoami'}, 'become': True, 'register': 'root'},
        fire,
        {STATUS: {'jid': '{{ fired.ansible_job_id }}'}, 'register': 'status'},
        OPEN,
        {WAIT: {'jobs': '{{ fired }}'}, 'register': 'waited'},
        {RUN: {'cmd': 'true'}, 'vars': {'ansible_async_dir': '/tmp'}, 'register': 'refused', 'ignore_errors': True},
        {'name': 'Build', RUN: {'task': {'shell': 'echo alive; sleep 1; echo done'}, 'follow': True}},
    )
    run = controller.play([closed], play, **MITOGEN)
    assert run.rc == 0, run.output
    assert 'mitogen:' in run['who']['stdout']
    assert run['polled']['stdout'] == 'polled'
    assert run['root']['stdout'] == 'root'
    assert run['status']['job']['state'] == 'running'
    assert run['waited']['jobs'][0]['stdout'] == 'fired'
    assert run['refused']['msg'].endswith('under mitogen: /tmp is not private to its user.')
    for line in ('alive', 'done'):
        assert f'{closed.name} | Build | {line}\n' in run.output


@pytest.mark.hosts
def test_drop_in_under_mitogen(controller: Controller, closed: Target) -> None:
    """What says `async:` is mitogen's own job. async_status knows both kinds."""
    named = {RUN: {'cmd': 'echo named'}, 'async': 600, 'poll': 0, 'register': 'named'}
    until = {'until': 'ended.finished | bool', 'retries': 200, 'delay': 0.5}
    play = under_mitogen(
        {'async_status': {'jid': 'j1.1'}, 'register': 'unknown', 'ignore_errors': True},
        {'shell': 'echo polled', 'async': 600, 'poll': 1, 'register': 'polled'},
        {'shell': f'{BLOCKED}; echo fired', 'async': 600, 'poll': 0, 'register': 'fired'},
        {'async_status': {'jid': '{{ fired.ansible_job_id }}'}, 'register': 'status'},
        {WAIT: {'jobs': '{{ fired }}'}, 'register': 'waited', 'ignore_errors': True},
        OPEN,
        {'async_status': {'jid': '{{ fired.ansible_job_id }}'}, 'register': 'ended', **until},
        named,
        {WAIT: {'jobs': '{{ named }}'}},
        {'async_status': {'jid': '{{ named.ansible_job_id }}'}, 'register': 'of_named'},
    )
    target = closed.also('host', ansible_python_interpreter='auto_silent')
    run = controller.play([target], play, **MITOGEN, **DROP_IN)
    assert run.rc == 0, run.output
    assert run['unknown']['msg'] == 'could not find job'
    assert 'could not find job j1.1' in run['unknown']['reason']
    assert run['polled']['stdout'] == 'polled'
    assert not run['status']['finished']
    assert run['ended']['stdout'] == 'fired'
    assert 'job' not in run['ended']
    assert (
        f"job {run['fired']['ansible_job_id']} on host was started by ansible-core or mitogen" in run['waited']['msg']
    )
    assert run['of_named']['stdout'] == 'named'
    assert run['of_named']['job']['state'] == 'succeeded'


def test_forks_are_given_back_under_mitogen(controller: Controller, tmp_path: Path) -> None:
    """With a fork that is held, the first job would wait for the others until its limit."""
    targets = [local_target(f'local{number}', tmp_path / str(number), sys.executable) for number in range(3)]
    job = {RUN: {'task': {'shell': Meeting(tmp_path / 'meeting').of(3)}}, 'name': 'job', 'async': 600, 'poll': 1}
    run = controller.play(targets, under_mitogen(job), **MITOGEN, FORKS='1')
    assert [event.kind for event in run.of('job') if event.kind not in MEANWHILE] == ['ok'] * 3, run.output


@pytest.mark.hosts
def test_a_lost_connection_under_mitogen(controller: Controller, closed: Target, tmp_path: Path) -> None:
    job = {RUN: {'task': {'shell': f'{BLOCKED}; echo ended'}}, 'async': 600, 'poll': 1, 'register': 'job'}
    with Playing(tmp_path, controller, [closed], under_mitogen(job), **MITOGEN) as playing:
        eventually(playing.waiting, 'the task waits, without a fork')
        (ssh,) = [process for process in playing.processes() if process.command[0] == 'ssh']
        os.kill(ssh.pid, signal.SIGKILL)
        eventually(lambda: ssh.pid not in {process.pid for process in playing.processes()}, 'the connection is lost')
        closed.shell(f'touch {GATE}')
        run = playing.result()
    assert run['job']['stdout'] == 'ended', run.output


def named(command: str) -> dict[str, t.Any]:
    return {RUN: {'task': {'shell': command}}}


def unchanged(command: str) -> dict[str, t.Any]:
    return {'shell': command}


@pytest.mark.parametrize(('job', 'settings'), [(named, {}), (unchanged, DROP_IN)], ids=['by name', 'drop-in'])
def test_ansible_runner(
    job: t.Any, settings: dict[str, str], local: Target, collections_path: Path, tmp_path: Path
) -> None:
    tasks = [
        {'name': 'good', **job('sleep 3'), 'async': 600, 'poll': 1},
        {'name': 'bad', **job('exit 3'), 'async': 600, 'poll': 1, 'ignore_errors': True},
    ]
    environment = {'COLLECTIONS_PATH': str(collections_path), 'HOME': str(tmp_path / 'home'), **settings}
    run = ansible_runner.run(
        private_data_dir=str(tmp_path),
        inventory={'all': {'hosts': {local.name: local.variables}}},
        playbook=[{'hosts': 'all', 'gather_facts': False, 'tasks': tasks}],
        envvars={
            'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
            **{f'ANSIBLE_{name}': value for name, value in environment.items()},
        },
        quiet=True,
    )
    assert (run.status, run.rc) == ('successful', 0), run.stdout.read()
    events = [event for event in run.events if event['event'].startswith('runner_on_async_')]
    told = {}
    for task in ('good', 'bad'):
        ended = [event for event in run.events if event['event'] in ENDS and event['event_data']['task'] == task]
        jid = ended[0]['event_data']['res']['ansible_job_id']
        told[task] = [event['event'] for event in events if event['event_data']['jid'] == jid]
    assert 'runner_on_async_poll' in told['good']
    assert told['good'][-1] == 'runner_on_async_ok'
    assert told['bad'][-1] == 'runner_on_async_failed'
    assert len(events) == sum(map(len, told.values()))
