# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keywords of a job, async_status, jobs of ansible-core itself, ad hoc use: on this machine, without root."""

from __future__ import annotations

import collections.abc as c
import os
import re
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._cases import prints
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._parity import RUN, Case, Table
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target

Play = c.Callable[..., Run]
STATUS = 'background.jobs.async_status'
WAIT = 'background.jobs.async_wait'
CORE_STATUS = 'ansible.builtin.async_status'


def until_finished(status: str, jid: str, register: str) -> dict[str, t.Any]:
    """A task that ends when the job has; it looks again at once, so the number of looks is no measure of time."""
    return {status: {'jid': jid}, 'register': register, 'until': f'{register} is finished', 'retries': 600, 'delay': 0}


def blocking(gate: Path, then: str) -> dict[str, t.Any]:
    """A shell task that does not go on before open_gate()."""
    os.mkfifo(gate)
    return {'ansible.builtin.shell': f'read line < {gate}; {then}'}


def open_gate(gate: Path) -> dict[str, t.Any]:
    return {'ansible.builtin.shell': f'echo > {gate}'}


@pytest.mark.spine
def test_a_job_that_is_not_waited_for(play: Play, local: Target, tmp_path: Path) -> None:
    gate = tmp_path / 'gate'
    run = play(
        local,
        {RUN: {'task': blocking(gate, 'echo done; echo odd >&2')}, 'async': 600, 'poll': 0, 'register': 'started'},
        {STATUS: {'jid': '{{ started.ansible_job_id }}'}, 'register': 'early'},
        {'ansible.builtin.stat': {'path': '{{ started.results_file }}'}, 'register': 'file'},
        open_gate(gate),
        until_finished(STATUS, '{{ started.ansible_job_id }}', 'late'),
        {STATUS: 'jid={{ started.ansible_job_id }}', 'register': 'short'},
        {STATUS: {'jid': '{{ started.ansible_job_id }}'}, 'check_mode': True, 'register': 'checked'},
        {STATUS: 'jid={{ started.ansible_job_id }} mode=cleanup', 'register': 'cleaned'},
        {STATUS: 'jid={{ started.ansible_job_id }}', 'register': 'gone', 'ignore_errors': True},
    )
    assert run.rc == 0, run.output
    started, early, late = run['started'], run['early'], run['late']
    jid = started['ansible_job_id']
    assert (started['started'], started['finished'], started['changed']) == (True, False, True)
    assert (started['job']['state'], started['job']['limit'], started['job']['id']) == ('running', 600, jid)
    assert run['file']['stat']['exists'] is True
    assert (early['started'], early['finished'], early['failed']) == (True, False, False)
    assert (early['ansible_job_id'], early['job']['state'], early['stdout']) == (jid, 'running', '')
    assert (late['started'], late['finished'], late['changed'], late['rc']) == (True, True, True, 0)
    assert (late['stdout_lines'], late['stderr_lines']) == (['done'], ['odd'])
    assert (late['job']['state'], late['job']['module']) == ('succeeded', 'ansible.builtin.shell')
    for name in ('short', 'checked'):
        assert {**run[name], 'attempts': late['attempts']} == late, f'{name} is not what the first look was'
    assert run['cleaned']['erased'] == started['results_file']
    assert run['gone']['failed'] is True
    assert f'could not find job {jid}' in run['gone']['msg']
    assert target_files(local) == []


def target_files(target: Target) -> list[str]:
    """What jobs have left in the job directory."""
    return target.shell(f"cd {target.async_dir}; find . -name 'j[0-9]*'").split()


def test_templates_are_filled_in_once(play: Play, local: Target, tmp_path: Path) -> None:
    """A lookup may be slow, and may not say the same twice."""
    count = tmp_path / 'count'
    task = {'ansible.builtin.shell': f"{{{{ lookup('pipe', 'echo once >> {count}; echo true') }}}}"}
    run = play(local, {RUN: {'task': task}}, {RUN: {'tasks': [task, task]}})
    assert run.rc == 0, run.output
    assert count.read_text(encoding='ascii').split() == ['once'] * 3


def test_facts_and_differences_of_many_jobs(play: Play, local: Target) -> None:
    """They are as after the modules themselves; the later of two facts counts."""

    def gives(fact: str, value: str, **more: t.Any) -> dict[str, t.Any]:
        diff = {'before': f'old {value}\n', 'after': f'new {value}\n'}
        return {'json_shell': {'changed': True, 'ansible_facts': {fact: value, 'last': value}, 'diff': diff, **more}}

    run = play(
        local,
        {RUN: {'tasks': [gives('one', '1'), gives('two', '2', diff=[{'prepared': 'new 2'}])]}, 'register': 'many'},
        {'assert': {'that': ["one == '1'", "two == '2'", "last == '2'", "ansible_facts.last == '2'"]}},
        {RUN: {'task': gives('three', '3')}, 'poll': 0, 'register': 'started'},
        {RUN: {'task': gives('four', '4', changed=False)}, 'poll': 0, 'register': 'unchanged'},
        {WAIT: {'jobs': ['{{ started }}', '{{ unchanged }}']}},
        {'assert': {'that': ["three == '3'", "last == '4'"]}},
        {'name': 'hidden', RUN: {'tasks': [gives('five', 'sesame')]}, 'no_log': True},
        diff=True,
    )
    assert run.rc == 0, run.output
    assert [job['ansible_facts']['last'] for job in run['many']['jobs']] == ['1', '2']
    for shown in ('+new 1', 'new 2', '+new 3'):
        assert run.output.count(f'{shown}\n') == 1, run.output
    assert 'new 4' not in run.output
    assert 'sesame' not in run.output + str(run.events)


def test_a_failed_job_is_looked_at(play: Play, local: Target) -> None:
    run = play(
        local,
        {RUN: {'task': {'command': 'false'}}, 'poll': 0, 'register': 'started'},
        {**until_finished(STATUS, '{{ started.ansible_job_id }}', 'late'), 'ignore_errors': True},
    )
    assert (run['late']['failed'], run['late']['rc'], run['late']['job']['state']) == (True, 1, 'failed')
    assert run['late']['finished'] is True


@pytest.mark.spine
def test_a_polled_job_leaves_no_files(play: Play, local: Target) -> None:
    run = play(local, {RUN: {'task': {'command': 'true'}}, 'async': 600, 'poll': 1, 'register': 'polled'})
    assert run['polled']['job']['state'] == 'succeeded'
    assert target_files(local) == []


def test_without_async_there_is_no_limit(play: Play, local: Target) -> None:
    run = play(local, {RUN: {'task': {'command': 'true'}}, 'poll': 1, 'register': 'polled'})
    assert (run['polled']['job']['limit'], run['polled']['rc']) == (None, 0)


def test_without_poll_the_setting_counts(play: Play, local: Target, tmp_path: Path) -> None:
    gate = tmp_path / 'gate'
    task = {RUN: {'task': blocking(gate, 'true')}, 'async': 600, 'register': 'job'}
    run = play(local, task, open_gate(gate), settings={'POLL_INTERVAL': '0'})
    assert run['job']['job']['state'] == 'running'


@pytest.mark.spine
def test_loops_start_many(play: Play, local: Target) -> None:
    run = play(
        local,
        {RUN: {'task': {'command': 'echo {{ item }}'}}, 'poll': 0, 'loop': ['a', 'b'], 'register': 'started'},
        {**until_finished(STATUS, '{{ item.ansible_job_id }}', 'late'), 'loop': '{{ started.results }}'},
    )
    assert [result['stdout'] for result in run['late']['results']] == ['a', 'b']


@pytest.mark.parametrize(('starter', 'status'), [('ours', STATUS), ('ours', CORE_STATUS), ('core', STATUS)])
def test_both_read_the_jobs_of_both(play: Play, local: Target, tmp_path: Path, starter: str, status: str) -> None:
    gate = tmp_path / 'gate'
    inner = blocking(gate, 'echo ünï; exit 3')
    task = {RUN: {'task': inner}} if starter == 'ours' else inner
    run = play(
        local,
        {**task, 'async': 600, 'poll': 0, 'register': 'started'},
        {status: {'jid': '{{ started.ansible_job_id }}'}, 'register': 'early'},
        open_gate(gate),
        {**until_finished(status, '{{ started.ansible_job_id }}', 'late'), 'ignore_errors': True},
        {status: {'jid': '{{ started.ansible_job_id }}', 'mode': 'cleanup'}, 'register': 'cleaned'},
    )
    assert run.rc == 0, run.output
    assert (bool(run['early']['started']), bool(run['early']['finished'])) == (True, False)
    late = run['late']
    assert (late['stdout'], late['rc'], late['failed'], bool(late['finished'])) == ('ünï', 3, True, True)
    assert late['ansible_job_id'] == run['started']['ansible_job_id']
    assert run['cleaned']['erased'] == run['started']['results_file']
    assert not Path(run['started']['results_file']).exists()


def test_check_mode_of_a_whole_run(play: Play, local: Target, tmp_path: Path) -> None:
    run = play(
        local,
        {
            RUN: {'task': {'command': {'cmd': f'touch {tmp_path}/made', 'creates': f'{tmp_path}/made'}}},
            'register': 'would',
        },
        {RUN: {'task': {'command': 'true'}}, 'register': 'skipped'},
        {RUN: {'task': {'file': {'path': f'{tmp_path}/made', 'state': 'touch'}}}, 'poll': 0, 'register': 'started'},
        until_finished(STATUS, '{{ started.ansible_job_id }}', 'late'),
        check_mode=True,
        diff=True,
    )
    assert (run['would']['changed'], run['skipped']['skipped'], run['late']['changed']) == (True, True, True)
    assert not (tmp_path / 'made').exists()


def test_run_once(controller: Controller, tmp_path: Path) -> None:
    targets = [local_target(name, tmp_path, sys.executable) for name in ('one', 'two')]
    task = {
        'name': 'once',
        RUN: {'task': {'shell': f'echo x >> {tmp_path}/runs'}},
        'run_once': True,
        'register': 'result',
    }
    run = controller.play(targets, {'tasks': [task]})
    assert (tmp_path / 'runs').read_text(encoding='utf-8') == 'x\n'
    assert run.registered['one'] == run.registered['two']
    assert [event.host for event in run.of('once')] == ['one']


def test_fifty_megabytes(controller: Controller, tmp_path: Path, local: Target) -> None:
    # Not by a command: of 50 MB, ansible-core's code for commands makes a minute's work.
    case = Case('50 MB', prints(b'{"changed": true, "text": "PADDING"}', padding=50_000_000), {'changed': True})
    table = Table([case])
    run = controller.play([local], *table.plays(vars={'dir': str(tmp_path / 'dir')}))
    table.check(case, run, 'local')
    assert run['sync_0']['text'].startswith('<50000000 characters')


class TestAdHoc:
    """`ansible` instead of a playbook; what -B and -P mean there, they mean here."""

    def test_polled(self, controller: Controller, local: Target) -> None:
        run = controller.adhoc(local, '-B', '30', '-P', '1', '-m', RUN, '-a', 'cmd="echo \'a b\'"')
        [event] = run.results
        assert (run.rc, event.kind, event.result['stdout']) == (0, 'ok', 'a b')
        assert (event.result['job']['limit'], event.result['job']['state']) == (30, 'succeeded')

    def test_not_polled(self, controller: Controller, local: Target, tmp_path: Path) -> None:
        gate = tmp_path / 'gate'
        os.mkfifo(gate)
        run = controller.adhoc(local, '-B', '30', '-P', '0', '-m', RUN, '-a', f'cmd="cat {gate}"')
        [started] = run.results
        assert (started.result['finished'], started.result['job']['state']) == (False, 'running')
        gate.write_text('through\n', encoding='utf-8')
        jid = started.result['ansible_job_id']
        looked = controller.adhoc(local, '-m', 'background.jobs.async_wait', '-a', f'jobs={jid}')
        assert looked.results[0].result['jobs'][0]['stdout'] == 'through'

    def test_failed(self, controller: Controller, local: Target) -> None:
        run = controller.adhoc(local, '-B', '30', '-P', '1', '-m', RUN, '-a', 'cmd=false')
        assert (run.rc, [event.kind for event in run.results]) == (2, ['failed'])

    def test_over_its_limit(self, controller: Controller, local: Target) -> None:
        run = controller.adhoc(local, '-B', '1', '-P', '1', '-m', RUN, '-a', 'cmd="sleep 600"')
        [event] = run.results
        assert (run.rc, event.kind, event.result['job']['state']) == (2, 'failed', 'timed_out')


# --- Jobs of the same name -------------------------------------------------------------------------------------------


def named(number: int, **keywords: t.Any) -> dict[str, t.Any]:
    """A task whose job is called deploy. It is the same work for the same *number*."""
    task = {'ansible.builtin.shell': 'sleep $SECONDS_LONG; echo version $NUMBER'}
    environment = {'NUMBER': str(number), 'SECONDS_LONG': keywords.pop('seconds', '0')}
    return {RUN: {'task': task, 'name': 'deploy'}, 'environment': environment, 'poll': 0, **keywords}


def all_ended() -> dict[str, t.Any]:
    """A task that ends when all jobs have. It does not collect them."""
    live = {'states': ['queued', 'running']}
    until = {'until': 'live.jobs | length == 0', 'retries': 600, 'delay': 0}
    return {'background.jobs.async_info': live, 'register': 'live', **until}


@pytest.mark.any_core
def test_a_task_attaches_to_the_same_work_only(play: Play, local: Target) -> None:
    """Five minutes are long enough for five tasks to find the job alive."""
    other = {'command': 'echo other', 'name': 'deploy'}
    run = play(
        local,
        named(1, seconds='300', register='first'),
        named(1, seconds='300', register='attached'),
        named(2, register='refused', ignore_errors=True),
        named(1, seconds='300', check_mode=True, register='checked', ignore_errors=True),
        named(2, poll=1, register='waited', ignore_errors=True),
        {RUN: {'tasks': [other, {'command': 'echo x'}]}, 'poll': 1, 'register': 'many', 'ignore_errors': True},
        {'background.jobs.async_cancel': {'jobs': 'deploy', 'grace': 0}},
    )
    assert run.rc == 0, run.output
    first, attached, refused = run['first'], run['attached'], run['refused']
    assert (attached['ansible_job_id'], attached['changed']) == (first['ansible_job_id'], False)
    assert f'{local.name}: attached to deploy, running since {first["job"]["started"][:10]} ' in run.output
    for result in (refused, run['checked'], run['waited'], run['many']['jobs'][0]):
        assert (result['started'], result['failed'], result['changed']) == (False, True, False)
        assert f"job {first['ansible_job_id']} of the name 'deploy' is running already, and does other" in result['msg']
    assert run['many']['jobs'][1]['stdout'] == 'x'
    assert run['many']['msg'].startswith("1 of 2 jobs failed: tasks[0] 'deploy' (not started: ")


@pytest.mark.any_core
def test_a_task_that_waits_and_attaches_has_changed_nothing(play: Play, local: Target) -> None:
    """Ten seconds are long enough for one task to find the job alive."""
    run = play(
        local,
        named(1, seconds='10', register='first'),
        named(1, seconds='10', poll=1, register='waited'),
        named(1, register='started'),
        all_ended(),
        named(1, poll=1, register='collected'),
        named(1, poll=1, register='anew'),
    )
    assert run.rc == 0, run.output
    assert 'attached to deploy, running since' in run.output
    assert 'attached to deploy, succeeded at' in run.output
    for start, attached in (('first', 'waited'), ('started', 'collected')):
        assert run[attached]['ansible_job_id'] == run[start]['ansible_job_id']
        assert (run[start]['changed'], run[attached]['changed']) == (True, False)
        assert run[attached]['stdout'] == 'version 1'
    assert (run['anew']['changed'], run['anew']['stdout']) == (True, 'version 1')


@pytest.mark.any_core
def test_no_old_result_is_taken_for_a_new_one(play: Play, local: Target) -> None:
    run = play(local, named(1, register='old'), all_ended(), named(2, poll=1, register='new'))

    assert run.rc == 0, run.output
    assert (run['new']['changed'], run['new']['stdout']) == (True, 'version 2')
    said = ' '.join(run.output.split())
    assert f'the job {run["old"]["ansible_job_id"]} had the name deploy before, did other work, succeeded at' in said


def test_the_same_work_is_the_same_in_the_next_run(controller: Controller, local: Target) -> None:
    """What ansible-core makes anew each time, paths of temporary directories for one, is no part of it."""
    uri = {'uri': {'url': 'file:///etc/hostname', 'src': '/etc/hostname', 'remote_src': False, 'method': 'PUT'}}
    start = {RUN: {'task': uri, 'name': 'upload'}, 'poll': 0, 'register': 'started'}
    ids = [controller.play([local], {'tasks': [start, all_ended()]})['started']['ansible_job_id'] for _run in range(2)]
    assert ids[0] == ids[1]


@pytest.mark.any_core
@pytest.mark.parametrize('way', ['name', 'tasks'])
def test_a_name_that_is_a_job_id_is_refused(play: Play, local: Target, way: str) -> None:
    jobs = (
        {'cmd': 'true', 'name': '2024.11'}
        if way == 'name'
        else {'tasks': [{'command': 'true'}, {'command': 'true', 'name': '2024.11'}]}
    )
    run = play(
        local,
        {RUN: jobs, 'poll': 0, 'register': 'refused', 'ignore_errors': True},
        {'background.jobs.async_info': {}, 'register': 'all'},
    )
    assert "'2024.11' cannot be the name of a job" in run['refused']['msg']
    assert run['all']['jobs'] == []


def test_a_short_limit_that_nobody_waits_for_brings_a_warning(play: Play, local: Target) -> None:
    """ansible-core before 2.18 gives it ten seconds, which the classic reboot relies on."""
    run = play(
        local,
        {RUN: {'cmd': 'true'}, 'async': 1, 'poll': 0},
        {RUN: {'cmd': 'true'}, 'async': 4, 'poll': 1},
        {RUN: {'cmd': 'true'}, 'async': 600, 'poll': 0},
    )
    warnings = re.findall(r'limit of ([0-9]+) s with poll: 0\s+stops', run.output)
    assert warnings == ['1'], run.output


@pytest.mark.any_core
@pytest.mark.parametrize(
    ('script', 'limit'),
    [('sleep 600', 20), ('exit 3', 600), ('true', 600)],
    ids=['timed_out', 'failed', 'succeeded'],
)
def test_a_job_that_ended_badly_keeps_its_files(play: Play, local: Target, script: str, limit: int) -> None:
    """The page on live output promises that a person can read the output on the target."""
    task = {RUN: {'task': {'shell': f'echo begun; {script}'}}, 'async': limit, 'poll': 1, 'register': 'job'}
    job = play(local, {**task, 'ignore_errors': True})['job']['job']
    if script == 'true':
        assert local.jobs() == []
    else:
        assert local.jobs() == [job['id']]
        assert local.shell(f'cat {job["output_file"]}') == 'out begun\n'
