# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is out of reach is not a job that failed."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import os
import re
import signal
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._engines import ENGINES
from ansible_collections.background.jobs.tests.integration._parking import NEXT, masters
from ansible_collections.background.jobs.tests.integration._playing import Playing, eventually, script, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target
from hosts import Fleet, HostsError

CAME, GO, BACK = '/tmp/reconnect.came', '/tmp/reconnect.go', '/var/tmp/reconnect.back'
ASKS = 'SSH: EXEC'  # in the output, from -vvv on, with each request
JOB = script(f'echo $$ >> {CAME}; {until_there(GO)}; echo done')


WAYS = ['parked', 'child', 'worker']
"""Who waits: the room, a child of the worker whose fork was given back, or the worker itself."""


@pytest.fixture
def host(victim: Target) -> Target:
    victim.shell(f'sudo rm -f {CAME} {GO} {BACK}')
    return victim


def cut_off(host: Target, command: str) -> None:
    """Run what ends all sessions, the one that asks for it too, perhaps before it could report."""
    with contextlib.suppress(HostsError):
        host.shell(f'sudo systemd-run --quiet {command}')


@contextlib.contextmanager
def without_sshd(fleet: Fleet, host: Target) -> c.Iterator[None]:
    """sshd is stopped, and its sessions have ended."""
    script = f'systemctl stop ssh; pkill -KILL sshd; {until_there(BACK)}; systemctl start ssh'
    cut_off(host, f"sh -c '{script}'")
    eventually(lambda: not host.reached(), 'sshd is stopped')
    try:
        yield
    finally:
        fleet.tree(host.name).joinpath(BACK[1:]).touch()
        eventually(host.reached, 'sshd is back')


@pytest.fixture
def waits(controller: Controller, host: Target, tmp_path: Path) -> c.Callable[..., Playing]:
    """A play of one job, as soon as its task waits."""

    # From -vvv on, requests go by processes of ssh.
    def play(
        poll: int = 2,
        limit: int = 200,
        way: str = 'child',
        ignore: bool = False,
        verbosity: int = 3,
        **variables: t.Any,
    ) -> Playing:
        variables['background_jobs_park'] = way == 'parked'
        variables['background_jobs_give_back_forks'] = way != 'worker'
        job = {'name': 'job', **JOB, 'async': limit, 'poll': poll, 'register': 'r', 'ignore_unreachable': ignore}
        play = {'tasks': [job, NEXT], 'vars': variables}
        with contextlib.ExitStack() as stack:
            playing = stack.enter_context(Playing(tmp_path, controller, [host], play, VERBOSITY=str(verbosity)))
            waiting = playing.parked if way == 'parked' else lambda: clients(playing) or verbosity < 3
            eventually(lambda: waiting() and host.shell(f'cat {CAME} 2>/dev/null || true'), 'the job runs')
            stack.pop_all()  # the caller leaves it
        return playing

    return play


def clients(playing: Playing) -> list[int]:
    return [process.pid for process in playing.processes() if process.command[0] == 'ssh']


def check_done(playing: Playing, host: Target) -> None:
    """The job ended well, ran once, and nobody was told that the host was unreachable."""
    host.shell(f'touch {GO}')
    run = playing.result()
    assert [event.kind for event in run.of('job')] == ['ok'], run.output
    assert run['r']['stdout'] == 'done'
    assert len(host.shell(f'cat {CAME}').split()) == 1
    assert host.jobs() == [] or run['r']['ansible_job_id'] not in host.jobs()


@pytest.mark.hosts
@pytest.mark.parametrize('way', WAYS)
def test_sshd_is_stopped_and_started(waits: t.Any, host: Target, fleet: Fleet, tmp_path: Path, way: str) -> None:
    said = tmp_path / 'output.txt'
    with waits(way=way) as playing:
        with without_sshd(fleet, host):
            asked = said.read_text(encoding='utf-8').count(ASKS)
            eventually(lambda: said.read_text(encoding='utf-8').count(ASKS) > asked + 1, 'the host is asked again')
        check_done(playing, host)
        assert f'{host.name}: connection lost while waiting for ' in playing.result().output


@pytest.mark.any_core
@pytest.mark.hosts
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_the_ssh_client_is_killed(waits: t.Any, host: Target, number: int) -> None:
    with waits(poll=60) as playing:
        first = eventually(lambda: clients(playing), 'a wait is under way')
        for pid in first:
            os.kill(pid, number)
        eventually(lambda: set(clients(playing)) - set(first), 'the host is asked again')
        check_done(playing, host)


@pytest.mark.any_core
@pytest.mark.hosts
def test_the_session_is_cut_on_the_target(waits: t.Any, host: Target) -> None:
    with waits(poll=60) as playing:
        first = eventually(lambda: clients(playing), 'a wait is under way')
        cut_off(host, "pkill -KILL -f 'sshd.*deploy'")
        eventually(lambda: set(clients(playing)) - set(first), 'the host is asked again')
        check_done(playing, host)


@pytest.mark.any_core
@pytest.mark.hosts
@pytest.mark.parametrize('way', ['child', 'worker'])
def test_the_master_connection_ends(waits: t.Any, host: Target, fleet: Fleet, way: str) -> None:
    """Who waits over it has no process of ssh; then one makes a new master connection, and asks again."""
    with waits(poll=60, way=way, verbosity=0) as playing:
        eventually(lambda: host.shell("pgrep -f '[p]ython3 -I -S' || true"), 'a wait is under way')
        assert clients(playing) == []
        for pid in masters(fleet):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: clients(playing), 'the host is asked again')
        check_done(playing, host)


@pytest.mark.any_core
@pytest.mark.hosts
@pytest.mark.parametrize('way', ['parked', 'child'])
def test_the_host_falls_silent(waits: t.Any, host: Target, fleet: Fleet, tmp_path: Path, way: str) -> None:
    """Nothing closes the connection then: that the answer is overdue is all there is to be seen, after half a minute."""
    said = tmp_path / 'output.txt'
    with waits(way=way) as playing:
        with fleet.silent(host.name):
            overdue = re.compile('connection lost while waiting for .* did not answer within [0-9.]+ s')
            eventually(lambda: overdue.search(said.read_text(encoding='utf-8')), 'the answer is overdue', 120)
        check_done(playing, host)


@pytest.mark.any_core
@pytest.mark.hosts
def test_no_request_waits_for_a_silent_host_for_ever(controller: Controller, host: Target, fleet: Fleet) -> None:
    """The connection is there, and nobody closes it: the time is all there is to tell."""
    others = set(host.jobs())
    job = {'name': 'first', **JOB, 'async': 100, 'poll': 0}
    assert controller.play([host], {'tasks': [job]}).rc == 0
    (job_id,) = set(host.jobs()) - others
    tasks = [
        {'name': 'status', 'background.jobs.async_status': {'jid': job_id}},
        {'name': 'cancel', 'background.jobs.async_cancel': {'jobs': job_id}},
        {**job, 'name': 'start'},
    ]
    with fleet.silent(host.name):
        variables = {'background_jobs_request_timeout': '1s'}
        run = controller.play([host], {'tasks': tasks, 'vars': variables, 'ignore_unreachable': True})
    messages = {task['name']: run.of(task['name'])[0].result['msg'] for task in tasks}
    assert re.fullmatch(r'.*did not answer within \d+ s\.', messages['status']), run.output
    assert 'The jobs may have been asked to stop or not' in messages['cancel']
    assert 'they may run there' in messages['start']


@pytest.mark.hosts
@pytest.mark.parametrize('needs', ['discovery', 'facts'])
def test_what_is_needed_before_a_start_waits_for_a_silent_host_no_longer_either(
    controller: Controller, host: Target, fleet: Fleet, needs: str
) -> None:
    assert controller.play([host], {'tasks': [{'name': 'first', **JOB, 'async': 100, 'poll': 0}]}).rc == 0
    module = {'ansible.builtin.command': 'true'} if needs == 'discovery' else {'ansible.builtin.package': {'name': 'x'}}
    target = host.also(host.name, ansible_python_interpreter='auto') if needs == 'discovery' else host
    job = {'name': 'start', 'background.jobs.async_run': {'task': module}, 'poll': 0}
    with fleet.silent(host.name):
        run = controller.play([target], {'tasks': [job], 'vars': {'background_jobs_request_timeout': '1s'}})
    (event,) = run.of('start')
    assert event.kind == 'unreachable', run.output
    assert 'did not answer within 61 s' in run.output


@pytest.mark.any_core
@pytest.mark.hosts
def test_power_cut_and_boot(waits: t.Any, host: Target, fleet: Fleet) -> None:
    with waits(way='parked') as playing:
        fleet.cut(host.name)
        fleet.boot(host.name)
        run = playing.result()
    assert [event.kind for event in run.of('job')] == ['failed'], run.output
    result = run['r']
    assert result['job']['state'] == 'lost'
    assert 'rebooted' in result['msg']
    assert result['ansible_job_id'] in result['msg']


@pytest.mark.hosts
@pytest.mark.parametrize('way', WAYS)
def test_a_host_that_stays_away(waits: t.Any, host: Target, fleet: Fleet, way: str) -> None:
    """The limit leaves a busy machine the time to stop sshd before the job is over."""
    ignored = way == 'parked'
    with waits(limit=45, way=way, ignore=ignored, background_jobs_margin=2) as playing, without_sshd(fleet, host):
        run = playing.result()
    (event,) = run.of('job')
    assert event.kind == 'unreachable', run.output
    assert bool(run.of('next')) == ignored
    assert 'last seen at 20' in event.result['msg']
    assert 'may still run' in event.result['msg']
    assert re.search(r'; j[0-9]{20}\.[0-9]{8} may still run there', event.result['msg'])  # by its id: it has no name


@pytest.mark.hosts
def test_a_host_that_was_never_there(controller: Controller, hosts: list[Target]) -> None:
    target = dataclasses.replace(hosts[0], variables={**hosts[0].variables, 'ansible_port': 9})
    run = controller.play([target], {'tasks': [{'name': 'job', **JOB, 'async': 10}]}, VERBOSITY='3')
    (event,) = run.of('job')
    assert event.kind == 'unreachable'
    assert 'may' not in event.result['msg']  # nothing has been started
    assert run.output.count('SSH: EXEC') == 1


@pytest.fixture
def leaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A host that goes away for good once it has told of the end of a job."""
    monkeypatch.setenv('BACKGROUND_JOBS_LEFT', f'{tmp_path}/left')
    return local_target('local', tmp_path, sys.executable).also('local', ansible_connection='leaves')


START = {**script('sleep 1; echo done', name='deploy'), 'async': 100, 'poll': 0}
WAIT = 'background.jobs.async_wait'


@pytest.mark.any_core
@pytest.mark.parametrize(
    'wait',
    [
        {WAIT: {'jobs': 'deploy'}},
        {WAIT: {'jobs': 'deploy', 'follow': True}},
        {WAIT: {'jobs': 'deploy', 'timeout': '100'}},
        {**START, 'poll': 2},  # attaches
    ],
    ids=['async_wait', 'follow', 'timeout', 'attach'],
)
def test_a_host_that_went_away_with_the_end_of_its_job(
    controller: Controller, leaving: Target, tmp_path: Path, wait: dict[str, t.Any]
) -> None:
    """The wait has the result. That nobody can tidy up any more is a warning."""
    tasks = [START, {'name': 'wait', **wait, 'register': 'r'}]
    run = controller.play([leaving], {'tasks': tasks})
    (event,) = run.of('wait')
    assert event.kind == 'ok', run.output
    (result,) = run['r'].get('jobs', [run['r']])
    assert result['stdout'] == 'done'
    assert (tmp_path / 'left').exists()
    assert 'could not be tidied up' in run.output


def test_a_host_that_went_away_with_the_end_of_a_job_that_ansible_core_polls(
    controller: Controller, leaving: Target, tmp_path: Path
) -> None:
    job = {'name': 'job', 'ansible.builtin.shell': 'sleep 2; echo done', 'async': 100, 'poll': 1, 'register': 'r'}
    run = controller.play([leaving], {'tasks': [job]}, **ENGINES['drop-in'])
    assert [event.kind for event in run.of('job')] == ['ok'], run.output
    assert run['r']['stdout'] == 'done'
    assert (tmp_path / 'left').exists()
    assert 'could not be removed' in run.output


@pytest.mark.any_core
def test_a_wait_that_is_over_in_time_has_the_results_of_those_that_have_ended(
    controller: Controller, local: Target, tmp_path: Path
) -> None:
    jobs = [script('echo done', name='short'), script(until_there(tmp_path / 'go'), name='long')]
    tasks: list[dict[str, t.Any]] = [{**job, 'async': 100, 'poll': 0} for job in jobs]
    tasks.append({'name': 'wait', WAIT: {'jobs': ['short', 'long'], 'timeout': '3'}, 'register': 'r'})
    run = controller.play([local], {'tasks': [*tasks], 'ignore_errors': True})
    short, long = run['r']['jobs']
    assert (short['finished'], short['stdout'], long['finished']) == (True, 'done', False), run.output
    (tmp_path / 'go').touch()


@pytest.mark.any_core
def test_a_start_whose_job_ends_at_once_survives_a_lost_answer(
    controller: Controller, local: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`poll: 0` attaches to a job that has ended, and brings its output with one more request, which is asked again."""
    monkeypatch.setenv('BACKGROUND_JOBS_DROPS', str(tmp_path))
    monkeypatch.setenv('BACKGROUND_JOBS_DROPS_AFTER', 'start')
    again = {'name': 'again', **START, 'register': 'r'}
    target = local.also('local', ansible_connection='drops')
    look = {'background.jobs.async_info': {'names': ['deploy'], 'states': ['succeeded']}, 'register': 'look'}
    ended = {**look, 'until': 'look.jobs | length > 0', 'retries': 600, 'delay': 0.1}
    tasks = [START, ended, again]
    (tmp_path / 'drop-0').touch()
    run = controller.play([target], {'tasks': tasks})
    assert [event.kind for event in run.of('again')] == ['ok'], run.output
    assert run['r']['stdout'] == 'done'
    assert not list(tmp_path.glob('drop-*'))


@pytest.mark.any_core
@pytest.mark.parametrize(('losses', 'kind'), [(0, 'ok'), (1, 'ok'), (2, 'unreachable')])
def test_a_lost_start_is_asked_again_and_starts_nothing_twice(
    controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: int, kind: str
) -> None:
    target = local_target('local', tmp_path, sys.executable)
    target = dataclasses.replace(target, variables={**target.variables, 'ansible_connection': 'drops'})
    for number in range(losses):
        (tmp_path / f'drop-{number}').touch()
    monkeypatch.setenv('BACKGROUND_JOBS_DROPS', str(tmp_path))
    job = {'name': 'job', **script(f'echo x >> {tmp_path}/runs; sleep 1'), 'async': 100, 'poll': 2}
    run = controller.play([target], {'tasks': [job]})
    (event,) = run.of('job')
    assert event.kind == kind, run.output
    assert not list(tmp_path.glob('drop-*'))
    eventually((tmp_path / 'runs').exists, 'the job has run')
    assert (tmp_path / 'runs').read_text() == 'x\n'
    if losses == 2:
        (job_id,) = target.jobs()
        assert job_id in event.result['msg']
        assert 'may run there' in event.result['msg']
