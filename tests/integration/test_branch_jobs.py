# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Branches are jobs like any other: the same actions and words, and nobody has to know where they live."""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import eventually
from ansible_collections.background.jobs.tests.integration._targets import Target

Play = c.Callable[..., Run]
RUN = 'background.jobs.async_run'
WAIT = 'background.jobs.async_wait'
STATUS = 'background.jobs.async_status'
INFO = 'background.jobs.async_info'
CANCEL = 'background.jobs.async_cancel'
PRUNE = 'background.jobs.async_prune'


def shell(script: str, **keywords: t.Any) -> dict[str, t.Any]:
    return {'ansible.builtin.shell': script, **keywords}


def held(gate: Path) -> dict[str, t.Any]:
    """A task that does not go on before something is written to *gate*."""
    if not gate.exists():
        os.mkfifo(gate)
    return shell(f'read line < {gate}')


def release(gate: Path) -> dict[str, t.Any]:
    return shell(f'echo > {gate}')


def jobs_left(controller: Controller) -> list[Path]:
    return sorted(controller.branches.glob('*/.jobs/j*'))


@pytest.mark.spine
def test_an_action_that_works_on_the_controller_is_a_job(
    play: Play, controller: Controller, local: Target, tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / 'greeting.j2').write_text('hello {{ who }}\n', encoding='utf-8')
    copied = {'src': str(tmp_path / 'greeting.j2'), 'dest': str(tmp_path / 'copied'), 'mode': '0600'}
    run = play(
        local,
        {RUN: {'task': {'ansible.builtin.copy': copied}}, 'async': 600, 'register': 'copied'},
        {
            RUN: {'task': {'template': f'src={tmp_path}/greeting.j2 dest={tmp_path}/{{{{ who }}}}'}},
            'vars': {'who': 'world'},
            'register': 'templated',
        },
        {'ansible.builtin.copy': copied, 'register': 'again'},
        {RUN: {'task': {'ansible.builtin.script': '/nowhere/x'}}, 'register': 'bad', 'ignore_errors': True},
        {RUN: {'task': {'set_fact': {'seen': '{{ inventory_hostname }}'}}}},
        {'ansible.builtin.debug': {'msg': '{{ seen }}'}, 'register': 'joined'},
        settings={'LOCAL_TEMP': str(temporary)},
    )
    assert run.rc == 0, run.output
    result, again = run['copied'], run['again']
    assert (result['changed'], result['finished'], again['changed']) == (True, True, False)
    assert result['checksum'] == again['checksum']
    job = result['job']
    assert (job['place'], job['state'], job['module']) == ('controller', 'succeeded', 'ansible.builtin.copy')
    assert (job['limit'], job['queue'], job['host']) == (600, 'branches', 'local')
    assert (tmp_path / 'world').read_text(encoding='utf-8') == 'hello world\n'
    assert (run['bad']['failed'], run['bad']['job']['state']) == (True, 'failed')
    assert '/nowhere/x' in run['bad']['msg']
    assert run['joined']['msg'] == 'local'
    assert [path.name for path in jobs_left(controller)] == [run['bad']['ansible_job_id']], 'only a failed one is kept'
    assert local.jobs() == []
    assert list(temporary.iterdir()) == []


@pytest.mark.spine
def test_conditions_and_names_are_read_by_the_action_and_templates_are_filled_in_once(
    play: Play, local: Target, tmp_path: Path
) -> None:
    copied = {'content': '{{ template }}', 'dest': str(tmp_path / 'copied')}
    tasks = [
        {'ansible.builtin.assert': {'that': ['number == 7', 'number in [6, 7]']}},
        {'ansible.builtin.debug': {'var': 'number'}},
        {'ansible.builtin.copy': copied},
    ]
    template = '{% raw %}{{ number }}{% endraw %}'
    run = play(
        local,
        {RUN: {'tasks': tasks}, 'poll': 1, 'vars': {'number': 7, 'template': template}, 'register': 'all'},
    )
    assert run.rc == 0, run.output
    assert run['all']['jobs'][1]['number'] == 7
    assert (tmp_path / 'copied').read_text(encoding='utf-8') == '{{ number }}'


@pytest.mark.spine
def test_an_action_that_hides_its_result_hides_it_as_a_branch(
    controller: Controller, local: Target, tmp_path: Path
) -> None:
    """As include_vars does with a file that ansible-vault has encrypted, without any `no_log`."""
    password, vaulted = tmp_path / 'password', tmp_path / 'vaulted.yml'
    password.write_text('of the vault\n', encoding='utf-8')
    vaulted.write_text('key: open-sesame\n', encoding='utf-8')
    program = str(Path(sys.executable).parent / 'ansible-vault')
    subprocess.run([program, 'encrypt', '--vault-password-file', str(password), str(vaulted)], check=True)
    task = {'ansible.builtin.include_vars': str(vaulted)}
    run = controller.play(
        [local],
        {
            'tasks': [
                {RUN: {'task': task}, 'name': 'wait'},
                {RUN: {'task': task}, 'name': 'start', 'poll': 0, 'register': 'started'},
                {WAIT: {'jobs': '{{ started }}'}, 'name': 'wait later'},
                {STATUS: {'jid': '{{ started.ansible_job_id }}'}, 'name': 'status'},
                {'ansible.builtin.debug': {'msg': '{{ key | length }}'}, 'register': 'joined'},
            ]
        },
        VERBOSITY='4',
        VAULT_PASSWORD_FILE=str(password),
    )
    assert run.rc == 0, run.output
    assert int(run['joined']['msg']) == len('open-sesame')
    for name in ('wait', 'wait later', 'status'):
        assert 'censored' in run.of(name)[0].result, run.output
    assert 'open-sesame' not in run.output


@pytest.mark.spine
def test_a_block_that_is_not_waited_for_at_once(
    play: Play, controller: Controller, local: Target, tmp_path: Path, temporary: Path
) -> None:
    gate = tmp_path / 'gate'
    block = [shell('echo {{ word }}', register='echoed'), {**held(gate), 'name': 'hold on'}, shell('echo late')]
    run = play(
        local,
        {
            RUN: {'name': 'build', 'block': block},
            'vars': {'word': 'one'},
            'poll': 0,
            'async': 600,
            'register': 'started',
        },
        {
            STATUS: {'job': 'build', 'output': True},
            'register': 'early',
            'until': '"hold on" in early.job.output.lines | string',
            'retries': 600,
            'delay': 0,
        },
        {INFO: {'names': ['build'], 'states': ['running'], 'output': True}, 'register': 'info'},
        {'ansible.builtin.debug': {'msg': '{{ echoed is defined }}'}, 'register': 'before'},
        release(gate),
        {WAIT: {'jobs': '{{ started }}'}, 'register': 'waited'},
        {'ansible.builtin.debug': {'msg': '{{ echoed.stdout }}'}, 'register': 'after'},
        {STATUS: {'job': 'build'}, 'register': 'late'},
        {PRUNE: {'older_than': 0}, 'register': 'pruned'},
        settings={'LOCAL_TEMP': str(temporary)},
    )
    assert run.rc == 0, run.output
    job_id = run['started']['ansible_job_id']
    assert (run['started']['finished'], run['started']['job']['place']) == (False, 'controller')
    assert run['early']['job']['state'] == 'running'
    (job,) = run['info']['jobs']
    assert (job['id'], job['place'], job['last_line']) == (job_id, 'controller', 'TASK [hold on]')
    (result,) = run['waited']['jobs']
    assert [task['name'] for task in result['tasks']] == ['ansible.builtin.shell', 'hold on', 'ansible.builtin.shell']
    assert result['tasks'][0]['result']['stdout'] == 'one'
    assert (run['before']['msg'], run['after']['msg']) == (False, 'one')
    assert (run['late']['ansible_job_id'], run['late']['job']['state']) == (job_id, 'succeeded')
    assert 'branch_variables' not in json.dumps([run['late'], run['waited']])
    assert [job['id'] for job in run['pruned']['jobs']] == [job_id]
    assert jobs_left(controller) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.spine
def test_tasks_of_both_kinds_are_one_list(play: Play, local: Target, tmp_path: Path) -> None:
    tasks = [
        {'command': 'echo first'},
        {'copy': {'content': 'x', 'dest': str(tmp_path / 'x')}, 'name': 'over there'},
        {'command': 'echo third', 'name': 'third'},
        {'ansible.builtin.fail': {'msg': 'on purpose'}},
    ]
    run = play(
        local,
        {RUN: {'tasks': tasks}, 'poll': 0, 'register': 'started'},
        {INFO: {}, 'register': 'info'},
        {WAIT: {'jobs': '{{ started }}'}, 'register': 'waited', 'ignore_errors': True},
        {CANCEL: {'jobs': ['over there', 'third']}, 'register': 'cancelled'},
        {RUN: {'tasks': tasks}, 'register': 'polled', 'ignore_errors': True},
    )
    places = ['target', 'controller', 'target', 'controller']
    for name in ('started', 'waited', 'polled'):
        assert [result['job']['place'] for result in run[name]['jobs']] == places, run.output
    listed = {job['id']: job['place'] for job in run['info']['jobs']}
    assert listed == {job['ansible_job_id']: job['job']['place'] for job in run['started']['jobs']}
    for name in ('waited', 'polled'):
        results = run[name]['jobs']
        assert (results[0]['stdout'], results[1]['dest'], results[2]['stdout']) == (
            'first',
            str(tmp_path / 'x'),
            'third',
        )
        assert '1 of 4 jobs failed' in run[name]['msg']
        assert 'on purpose' in run[name]['msg']
    assert run['cancelled']['changed'] is False


def test_the_ends_of_branches(
    play: Play, controller: Controller, local: Target, tmp_path: Path, temporary: Path
) -> None:
    gate = tmp_path / 'gate'
    kill = "kill -9 $(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[\"supervisor\"])' {}/run.json)"
    folder = str(controller.branches / 'local/.jobs')
    run = play(
        local,
        {
            RUN: {'name': 'late', 'block': [held(gate)]},
            'async': 2,
            'poll': 1,
            'register': 'late',
            'ignore_errors': True,
        },
        {RUN: {'name': 'stopped', 'block': [held(gate)]}, 'poll': 0, 'register': 'stopped'},
        {CANCEL: {'jobs': 'stopped', 'grace': 0}, 'register': 'cancel'},
        {RUN: {'name': 'killed', 'block': [held(gate)]}, 'poll': 0, 'register': 'killed'},
        shell(kill.format(f'{folder}/{{{{ killed.ansible_job_id }}}}')),
        {WAIT: {'jobs': 'killed'}, 'register': 'lost', 'ignore_errors': True},
        settings={'LOCAL_TEMP': str(temporary)},
    )
    assert run['late']['job']['state'] == 'timed_out', run.output
    assert run['late']['job']['reason'].startswith('Timeout exceeded')
    assert [job['state'] for job in run['cancel']['jobs']] == ['cancelled']
    assert run['lost']['jobs'][0]['job']['state'] == 'lost'
    assert 'was killed' in run['lost']['msg']
    with contextlib.suppress(OSError):  # nobody reads
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))  # who reads finds the end of the file
    eventually(lambda: not list(temporary.iterdir()), 'the one whose supervisor was killed tidies up by itself')


@pytest.mark.any_core
def test_branches_share_slots(play: Play, local: Target, tmp_path: Path) -> None:
    gate = tmp_path / 'gate'
    branch = {RUN: {'block': [held(gate)], 'name': '{{ item }}'}, 'poll': 0}
    run = play(
        local,
        {**branch, 'loop': ['one', 'two', 'three'], 'register': 'started'},
        {STATUS: {'job': 'two'}, 'register': 'two'},
        {CANCEL: {'jobs': 'two'}, 'register': 'cancel'},
        {STATUS: {'job': 'three'}, 'register': 'three'},
        release(gate),
        {WAIT: {'jobs': 'one'}},
        release(gate),
        {WAIT: {'jobs': 'three'}, 'register': 'waited'},
        {
            RUN: {'block': [{RUN: {'block': [shell('echo inner', register='inner')]}}]},
            'register': 'outer',
        },
        {'ansible.builtin.debug': {'msg': '{{ inner.stdout }}'}, 'register': 'nested'},
        vars={'background_jobs_branches': 1},
    )
    assert run.rc == 0, run.output
    states = [result['job']['state'] for result in run['started']['results']]
    assert states == ['running', 'queued', 'queued']
    assert [result['job'].get('position') for result in run['started']['results']] == [None, 1, 2]
    assert (run['two']['job']['state'], run['two']['job']['queue']) == ('queued', 'branches')
    (cancelled,) = run['cancel']['jobs']
    assert (cancelled['state'], cancelled['started']) == ('cancelled', None)
    assert 'taken out of queue branches' in cancelled['reason']
    assert run['three']['job']['position'] == 1
    assert run['waited']['jobs'][0]['job']['state'] == 'succeeded'
    assert run['nested']['msg'] == 'inner', 'a branch that waits for its own needs no second slot'


@pytest.mark.any_core
def test_a_branch_outlives_its_play_and_another_one_attaches(play: Play, local: Target, tmp_path: Path) -> None:
    gate = tmp_path / 'gate'
    block = [held(gate), shell('echo done', register='done')]
    first = play(local, {RUN: {'name': 'long', 'block': block}, 'poll': 0, 'register': 'started'})
    run = play(
        local,
        {RUN: {'name': 'long', 'block': block}, 'poll': 0, 'register': 'attached'},
        {RUN: {'name': 'long', 'block': [shell('echo other')]}, 'register': 'other', 'ignore_errors': True},
        {RUN: {'name': 'long', 'block': block, 'on_existing': 'fail'}, 'register': 'refused', 'ignore_errors': True},
        release(gate),
        {WAIT: {'jobs': 'long'}},
        {'ansible.builtin.debug': {'msg': '{{ done.stdout }}'}, 'register': 'joined'},
    )
    assert run['attached']['ansible_job_id'] == first['started']['ansible_job_id'], run.output
    assert run['attached']['changed'] is False
    assert 'does other work' in run['other']['msg']
    assert 'is running already' in run['refused']['msg']
    assert run['joined']['msg'] == 'done'


@pytest.mark.any_core
def test_the_supervisor_of_a_branch_is_small(play: Play, controller: Controller, local: Target, tmp_path: Path) -> None:
    gate = tmp_path / 'gate'
    run = play(local, {RUN: {'name': 'long', 'block': [held(gate)]}, 'poll': 0, 'register': 'started'})
    file = controller.branches / 'local/.jobs' / run['started']['ansible_job_id'] / 'run.json'
    supervisor = json.loads(file.read_text(encoding='utf-8'))['supervisor']

    def mapped() -> int:
        status = Path(f'/proc/{supervisor}/status').read_text(encoding='utf-8')
        return int(status.partition('RssAnon:')[2].split()[0])

    eventually(lambda: mapped() < 8000, 'the supervisor has given the memory of ansible back')
    os.kill(supervisor, signal.SIGTERM)
    ended = play(local, {WAIT: {'jobs': 'long'}, 'register': 'waited', 'ignore_errors': True})
    assert ended['waited']['jobs'][0]['job']['state'] == 'cancelled'
