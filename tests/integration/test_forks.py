# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task that waits gives its fork back, and nothing else changes by that.

Whether hosts wait at the same time is told by jobs that end only when enough of them run: no test depends on how fast
the machine is, except that what is to be found impossible has a few seconds to happen.
"""

from __future__ import annotations

import collections.abc as c
import os
import random
import re
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import (
    Log,
    Meeting,
    Playing,
    eventually,
    kinds,
    processes,
    script,
    until_there,
    without_what_differs,
)

LONG = 600  # seconds, of jobs that end before by themselves
SHORT = 5  # seconds, of jobs that cannot
CHILDREN = {'background_jobs_park': False}
"""Variables of plays whose tasks wait in processes of their own, which is what is tried. test_parking.py has the others."""

Play = c.Callable[..., Run]


def states(run: Run, task: str) -> list[str]:
    return sorted(event.result['job']['state'] for event in run.of(task))


# --- Strategies ------------------------------------------------------------------------------------------------------


@pytest.mark.spine
def test_all_hosts_start_before_any_is_waited_for(controller: Controller, many: t.Any, tmp_path: Path) -> None:
    strategies, hosts = ('linear', 'free', 'ansible.builtin.linear'), [f'h{n}' for n in range(1, 7)]
    plays = []
    for strategy in strategies:
        command = Meeting(tmp_path / strategy).of(6)
        job = {'name': f'{strategy} job', **script(command), 'async': LONG, 'poll': 2, 'register': 'r'}
        after = {'name': f'{strategy} after', 'ansible.builtin.debug': {'var': 'r.stdout'}}
        plays.append({'strategy': strategy, 'tasks': [job, after]})
    run = controller.play(many(6), *plays, FORKS='2')
    for strategy in strategies:
        ends = kinds(run, f'{strategy} job'), kinds(run, f'{strategy} after')
        assert ends == (dict.fromkeys(hosts, 'ok'),) * 2, run.output
        stdout = {event.host: event.result['stdout'] for event in run.of(f'{strategy} job')}
        assert stdout == {host: host for host in hosts}, strategy


@pytest.mark.spine
def test_async_wait_gives_the_fork_back_too(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path
) -> None:
    start = {**script(meeting.wait()), 'async': LONG, 'poll': 0, 'register': 'started'}
    wait = {'name': 'wait', 'background.jobs.async_wait': {'jobs': '{{ started }}'}, 'poll': 2}
    with Playing(tmp_path, controller, many(4), {'tasks': [start, wait], 'vars': CHILDREN}, FORKS='2') as playing:
        with meeting.closed():
            eventually(lambda: len(playing.waiting()) == 4, 'four tasks wait, each without a fork')
        run = playing.result()
    assert set(kinds(run, 'wait').values()) == {'ok'}, run.output


def test_who_comes_later_does_not_wait_for_who_came_first(controller: Controller, many: t.Any, tmp_path: Path) -> None:
    """h1's job ends when h2, 5 s later, has gone on from its own. h1's first request must not last as long as its limit."""
    gate = tmp_path / 'gate'
    command = "{{ lookup('pipe', 'sleep 5; echo true') if inventory_hostname == 'h2' else blocked }}"
    job = {'name': 'job', **script(command), 'async': 50, 'poll': 100}
    go = {
        'name': 'go',
        'ansible.builtin.file': {'path': str(gate), 'state': 'touch'},
        'when': "inventory_hostname == 'h2'",
    }
    play = {'strategy': 'free', 'tasks': [job, go], 'vars': {'blocked': until_there(gate)}}
    run = controller.play(many(2), play, FORKS='1')
    assert kinds(run, 'job') == {'h1': 'ok', 'h2': 'ok'}, run.output


def test_host_pinned_means_that_no_more_hosts_are_under_way_than_forks(
    controller: Controller, many: t.Any, meeting: Meeting
) -> None:
    job = {'name': 'job', **script(meeting.of(3)), 'async': SHORT, 'poll': 2, 'ignore_errors': True}
    run = controller.play(many(4), {'strategy': 'host_pinned', 'tasks': [job]}, FORKS='2')
    assert 'timed_out' in states(run, 'job'), run.output


def test_it_can_be_switched_off(controller: Controller, many: t.Any, meeting: Meeting) -> None:
    job = {'name': 'job', **script(meeting.of(3)), 'async': SHORT, 'poll': 2, 'ignore_errors': True}
    run = controller.play(
        many(4), {'tasks': [job], 'vars': {'background_jobs_give_back_forks': '{{ 1 == 2 }}'}}, FORKS='2'
    )
    assert 'timed_out' in states(run, 'job'), run.output


def test_the_cap(controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path) -> None:
    # Two wait without a fork, and two hold theirs: four at once, and not a fifth.
    keywords = {'vars': {**CHILDREN, 'background_jobs_max_waiting': '{{ 1 + 1 }}'}}
    job = {'name': 'job', **script(meeting.of(4)), 'async': LONG, 'poll': 2}
    run = controller.play(many(4), {'tasks': [job], **keywords}, FORKS='2')
    assert set(kinds(run, 'job').values()) == {'ok'}, run.output
    job = {'name': 'job', **script(Meeting(tmp_path / 'more').of(5)), 'async': SHORT, 'poll': 2, 'ignore_errors': True}
    run = controller.play(many(5), {'tasks': [job], **keywords}, FORKS='2')
    assert states(run, 'job')[-1] == 'timed_out', run.output


def test_a_setting_that_makes_no_sense_is_named(controller: Controller, many: t.Any) -> None:
    names = [f'background_jobs_{name}' for name in ('max_waiting', 'give_back_forks', 'park', 'margin')]
    job = {**script('sleep 1'), 'async': LONG, 'poll': 2, 'ignore_errors': True}
    run = controller.play(many(1), {'tasks': [{'name': name, **job, 'vars': {name: 'plenty'}} for name in names]})
    for name in names:
        (event,) = run.of(name)
        assert event.kind == 'failed', run.output
        assert name in event.result['msg']
        assert 'plenty' in event.result['msg']


# --- Keywords --------------------------------------------------------------------------------------------------------


def test_serial(controller: Controller, many: t.Any, meeting: Meeting, log: Log) -> None:
    command = log.around(meeting.of(2), '{{ inventory_hostname }}')  # the first job ends when the second one has begun
    job = {'name': 'job', **script(command), 'async': LONG, 'poll': 2}
    run = controller.play(many(4), {'serial': 2, 'tasks': [job]}, FORKS='5')
    assert run.rc == 0, run.output
    assert log.at_once() == 2
    hosts = [host for _sign, host in log.events()]
    assert set(hosts[:4]) == {'h1', 'h2'}  # the first batch ends before the second begins
    assert set(hosts[4:]) == {'h3', 'h4'}


def test_throttle(controller: Controller, many: t.Any, tmp_path: Path) -> None:
    """Of the task, of its block, and by a variable of the play."""
    logs = {where: Log(tmp_path / f'{where}.log') for where in ('task', 'block', 'variable')}
    jobs: dict[str, dict[str, t.Any]] = {}
    for where, log in logs.items():
        meeting = Meeting(tmp_path / where).of(2)  # the first job ends when the second one has begun
        command = log.around(meeting, '{{ inventory_hostname }}')
        jobs[where] = {'name': where, **script(command), 'async': LONG, 'poll': 2}
    tasks = [
        {**jobs['task'], 'throttle': 2},
        {'block': [jobs['block']], 'throttle': 2},
        {**jobs['variable'], 'throttle': '{{ two }}'},
    ]
    run = controller.play(many(5), {'tasks': tasks, 'vars': {'two': 2}}, FORKS='5')
    for where, log in logs.items():
        assert kinds(run, where) == {f'h{n}': 'ok' for n in range(1, 6)}, run.output
        assert log.at_once() == 2, where


def test_run_once(controller: Controller, many: t.Any, log: Log) -> None:
    job = {'name': 'job', **script(log.job(0.1)), 'async': LONG, 'poll': 2, 'run_once': True, 'register': 'r'}
    run = controller.play(many(3), {'tasks': [job]}, FORKS='2')
    assert log.events() == [('+', 'h1'), ('-', 'h1')]
    assert {host: variables['r']['rc'] for host, variables in run.registered.items()} == {'h1': 0, 'h2': 0, 'h3': 0}


def test_delegate_to(controller: Controller, many: t.Any, meeting: Meeting) -> None:
    task = {'name': 'job', **script(meeting.of(4)), 'async': LONG, 'poll': 2, 'delegate_to': 'h1', 'register': 'r'}
    run = controller.play(many(4), {'tasks': [task]}, FORKS='2')
    assert {host: variables['r']['stdout'] for host, variables in run.registered.items()} == {
        f'h{n}': f'h{n}' for n in range(1, 5)
    }, run.output
    results = [event.result for event in run.of('job')]
    assert all('/h1/async/' in result['job']['output_file'] for result in results)


def test_loop(controller: Controller, many: t.Any, tmp_path: Path) -> None:
    meetings = [Meeting(tmp_path / name) for name in ('first', 'second')]
    job = {
        'name': 'job',
        **script('{{ item }}'),
        'async': LONG,
        'poll': 2,
        'register': 'r',
        'loop': [meeting.of(4) for meeting in meetings],
    }
    run = controller.play(many(4), {'tasks': [job]}, FORKS='2')
    assert kinds(run, 'job') == {f'h{n}': 'ok' for n in range(1, 5)}, run.output
    for host, variables in run.registered.items():
        assert [item['stdout'] for item in variables['r']['results']] == [host, host]
        assert [event.kind for event in run.of('job', host)] == ['item_ok', 'item_ok', 'ok']


def test_loop_with_a_failed_item(controller: Controller, many: t.Any) -> None:
    job = {
        'name': 'job',
        **script('sleep 1; exit {{ item }}'),
        'async': LONG,
        'poll': 2,
        'register': 'r',
        'loop': [0, 3, 0],
        'ignore_errors': True,
    }
    run = controller.play(many(2), {'tasks': [job]}, FORKS='1')
    for host in ('h1', 'h2'):
        assert [event.kind for event in run.of('job', host)] == ['item_ok', 'item_failed', 'item_ok', 'failed']
        assert [item['rc'] for item in run.registered[host]['r']['results']] == [0, 3, 0]


def test_until(controller: Controller, many: t.Any, tmp_path: Path) -> None:
    tries = f'{tmp_path}/{{{{ inventory_hostname }}}}.tries'
    job = {
        'name': 'job',
        **script(f'sleep 0.5; echo x >> {tries}; test $(wc -l < {tries}) -ge 3'),
        'async': LONG,
        'poll': 2,
        'register': 'r',
        'until': 'r.rc == 0',
        'retries': 5,
        'delay': 0,
    }
    run = controller.play(many(3), {'tasks': [job]}, FORKS='2')
    for host in ('h1', 'h2', 'h3'):
        assert [event.kind for event in run.of('job', host)] == ['retry', 'retry', 'ok'], run.output
        assert run.registered[host]['r']['attempts'] == 3


def failing(host: str) -> dict[str, t.Any]:
    command = f"sleep 1; test {{{{ inventory_hostname }}}} != {host}"
    return {'name': 'job', **script(command), 'async': LONG, 'poll': 2}


AFTER = {'name': 'after', 'ansible.builtin.debug': {'msg': 'x'}}


def test_any_errors_fatal(controller: Controller, many: t.Any) -> None:
    run = controller.play(many(4), {'any_errors_fatal': True, 'tasks': [failing('h2'), AFTER]}, FORKS='2')
    assert kinds(run, 'job') == {'h1': 'ok', 'h2': 'failed', 'h3': 'ok', 'h4': 'ok'}, run.output
    assert kinds(run, 'after') == {}
    assert run.rc != 0


def test_ignore_errors(controller: Controller, many: t.Any) -> None:
    run = controller.play(many(4), {'tasks': [{**failing('h2'), 'ignore_errors': True}, AFTER]}, FORKS='2')
    assert kinds(run, 'job')['h2'] == 'failed', run.output
    assert kinds(run, 'after') == {f'h{n}': 'ok' for n in range(1, 5)}
    assert run.rc == 0


@pytest.mark.parametrize(('percentage', 'after'), [(30, {'h1': 'ok', 'h3': 'ok', 'h4': 'ok'}), (20, {})])
def test_max_fail_percentage(controller: Controller, many: t.Any, percentage: int, after: dict[str, str]) -> None:
    run = controller.play(many(4), {'max_fail_percentage': percentage, 'tasks': [failing('h2'), AFTER]}, FORKS='2')
    assert kinds(run, 'job')['h2'] == 'failed', run.output
    assert kinds(run, 'after') == after


def test_rescue_and_always(controller: Controller, many: t.Any) -> None:
    block = {
        'block': [failing('h2'), AFTER],
        'rescue': [{'name': 'rescue', **script('sleep 1'), 'async': LONG, 'poll': 2}],
        'always': [{'name': 'always', **script('sleep 1'), 'async': LONG, 'poll': 2}],
    }
    run = controller.play(many(3), {'tasks': [block]}, FORKS='2')
    assert kinds(run, 'rescue') == {'h2': 'ok'}, run.output
    assert kinds(run, 'after') == {'h1': 'ok', 'h3': 'ok'}
    assert kinds(run, 'always') == {'h1': 'ok', 'h2': 'ok', 'h3': 'ok'}
    assert run.rc == 0


def test_handlers(controller: Controller, many: t.Any, log: Log) -> None:
    job = {
        **script('sleep 1'),
        'async': LONG,
        'poll': 2,
        'notify': 'handler',
        'changed_when': 'inventory_hostname != "h2"',
    }
    handler = {'name': 'handler', **script(log.job(0.1)), 'async': LONG, 'poll': 2}
    run = controller.play(many(3), {'tasks': [job, job], 'handlers': [handler]}, FORKS='2')
    assert kinds(run, 'handler') == {'h1': 'ok', 'h3': 'ok'}, run.output
    assert sorted(log.events()) == [('+', 'h1'), ('+', 'h3'), ('-', 'h1'), ('-', 'h3')]


def test_the_timeout_keyword_ends_a_wait(controller: Controller, many: t.Any, tmp_path: Path) -> None:
    job = {'name': 'job', **script('sleep 600'), 'async': 600, 'poll': 500, 'timeout': 15}
    began = time.monotonic()
    try:
        run = controller.play(many(2), {'tasks': [job, AFTER]}, FORKS='1')
        took = time.monotonic() - began
    finally:
        for host in ('h1', 'h2'):
            end_jobs(tmp_path / host)
    assert kinds(run, 'job') == {'h1': 'failed', 'h2': 'failed'}, run.output
    assert all(
        re.search('expected time frame|timed out', event.result['msg'], re.IGNORECASE) for event in run.of('job')
    )
    assert took < 300  # neither the 600 of the job nor the 500 of the poll


# --- Ends ------------------------------------------------------------------------------------------------------------


def end_jobs(directory: Path) -> None:
    """Stop the jobs that a test has left, as a user who finds them would: by TERM to their supervisors."""
    for path in directory.glob('async/.jobs/j*/run.json'):
        supervisor = int(t.cast('re.Match[str]', re.search(r'"supervisor": ?([0-9]+)', path.read_text()))[1])
        if any(process.pid == supervisor for process in processes()):
            os.kill(supervisor, signal.SIGTERM)


@pytest.mark.parametrize('whole_group', [False, True], ids=['child', 'guardian'])
def test_a_killed_process_never_hangs_the_play(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, whole_group: bool
) -> None:
    job = {'name': 'job', **script(meeting.wait()), 'async': LONG, 'poll': 2}
    with Playing(tmp_path, controller, many(3), {'tasks': [job, AFTER], 'vars': CHILDREN}, FORKS='2') as playing:
        with meeting.closed():
            pairs = eventually(
                lambda: len(meeting.came()) == 3 and len(playing.waiting()) == 3 and playing.waiting(),
                'three tasks wait',
            )
            guardian, child = pairs[0]
            os.kill((guardian if whole_group else child).pid, signal.SIGKILL)
            if not whole_group:
                eventually(lambda: guardian.pid not in [p.pid for p in processes()], 'the guardian has told')
        run = playing.result()
    how = sorted(kinds(run, 'job').values())
    if whole_group:  # the child goes on, and brings the result
        assert how == ['ok', 'ok', 'ok'], run.output
        return
    assert how == ['failed', 'ok', 'ok'], run.output
    (failed,) = [event for event in run.of('job') if event.kind == 'failed']
    assert 'signal 9' in failed.result['msg']
    assert re.search(r'j[0-9]{20}\.[0-9]{8}', failed.result['msg'])
    assert 'async_wait' in failed.result['msg']
    assert set(kinds(run, 'after')) == {'h1', 'h2', 'h3'} - {failed.host}


@pytest.fixture
def loop_with_a_killed_child(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path
) -> c.Callable[[list[str]], Run]:
    """Play a task with a loop of these scripts, whose child is killed when one of them has come to the meeting."""

    def play(scripts: list[str]) -> Run:
        job = {'name': 'job', **script('{{ item }}'), 'async': LONG, 'poll': 2, 'loop': scripts}
        tasks = {'tasks': [job, AFTER], 'vars': CHILDREN}
        with Playing(tmp_path, controller, many(1), tasks) as playing, meeting.closed():
            ((_guardian, child),) = eventually(lambda: meeting.came() and playing.waiting(), 'the item waits')
            os.kill(child.pid, signal.SIGKILL)
            return playing.result()

    return play


def test_after_a_killed_child_the_guardian_goes_on_with_the_loop(
    loop_with_a_killed_child: c.Callable[[list[str]], Run], meeting: Meeting
) -> None:
    run = loop_with_a_killed_child([meeting.wait(), 'sleep 2; echo two'])
    assert [event.kind for event in run.of('job')] == ['item_failed', 'item_ok', 'failed'], run.output


def test_a_child_killed_in_a_later_item_starts_no_job_again(
    loop_with_a_killed_child: c.Callable[[list[str]], Run], meeting: Meeting, tmp_path: Path
) -> None:
    """Its guardian knows the first item only, and must not go on with the second."""
    run = loop_with_a_killed_child(
        [
            f'echo first >> {tmp_path}/log; sleep 5',
            f'echo second >> {tmp_path}/log',
            f'echo third >> {tmp_path}/log; {meeting.wait()}',
        ]
    )
    assert (tmp_path / 'log').read_text().split() == ['first', 'second', 'third'], run.output
    (failed,) = [event for event in run.of('job') if not event.kind.startswith('item')]
    assert failed.kind == 'failed'
    assert 'async_wait' in failed.result['msg']
    assert kinds(run, 'after') == {}


@pytest.mark.any_core
@pytest.mark.parametrize('whose', ['child', 'guardian'])
def test_a_killed_group_never_hangs_the_play(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, whose: str
) -> None:
    """The group of a guardian and that of its child have nobody in common."""
    job = {'name': 'job', **script(meeting.wait()), 'async': LONG, 'poll': 2}
    with Playing(tmp_path, controller, many(1), {'tasks': [job], 'vars': CHILDREN}) as playing:
        with meeting.closed():
            ((guardian, child),) = eventually(lambda: meeting.came() and playing.waiting(), 'the task waits')
            os.killpg((child if whose == 'child' else guardian).group, signal.SIGKILL)
            if whose == 'child':
                eventually(playing.over, 'the guardian has told')
        run = playing.result()
    assert kinds(run, 'job') == {'h1': 'failed' if whose == 'child' else 'ok'}, run.output


@pytest.mark.any_core
@pytest.mark.parametrize('hosts', [1, 3])
@pytest.mark.parametrize('watcher_killed', [False, True], ids=['two', 'and the watcher before'])
def test_a_guardian_and_its_child_killed_at_once_never_hang_the_play(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, hosts: int, watcher_killed: bool
) -> None:
    """Nobody but the watcher of the run can tell of it; the guardians start another one if it was killed."""
    job = {'name': 'job', **script(meeting.wait(), name='upgrade'), 'async': LONG, 'poll': 2}
    with Playing(tmp_path, controller, many(hosts), {'tasks': [job, AFTER], 'vars': CHILDREN}, FORKS='2') as playing:
        with meeting.closed():
            pairs = eventually(
                lambda: len(meeting.came()) == len(playing.waiting()) == hosts and playing.waiting(), 'all tasks wait'
            )
            watcher = eventually(lambda: playing.watcher(hosts), 'the watcher watches all tasks')
            if watcher_killed:
                os.kill(watcher.pid, signal.SIGKILL)
                eventually(lambda: playing.watcher(hosts) not in (None, watcher), 'another one watches all tasks')
            subprocess.run(['kill', '-9', *(str(process.pid) for process in pairs[0])], check=True)
            if hosts == 1:
                eventually(playing.over, 'the play has ended')
        run = playing.result()
    assert sorted(kinds(run, 'job').values()) == ['failed', *['ok'] * (hosts - 1)], run.output
    (failed,) = [event for event in run.of('job') if event.kind == 'failed']
    assert failed.result['msg'].startswith(f'{failed.host}: ')
    assert 'upgrade' in failed.result['msg']
    assert 'async_wait' in failed.result['msg']
    assert set(kinds(run, 'after')) == {f'h{n}' for n in range(1, hosts + 1)} - {failed.host}


@pytest.mark.parametrize('how', ['Ctrl-C', 'TERM', 'KILL'])
def test_an_end_of_the_play_leaves_no_process(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, how: str
) -> None:
    job = {
        'name': 'job',
        **script(meeting.wait() + f'; touch {tmp_path}/{{{{ inventory_hostname }}}}.done'),
        'async': LONG,
        'poll': 30,
    }
    with Playing(tmp_path, controller, many(3), {'tasks': [job, AFTER], 'vars': CHILDREN}, FORKS='2') as playing:
        with meeting.closed():
            eventually(lambda: len(meeting.came()) == 3 and len(playing.waiting()) == 3, 'three tasks wait')
            if how == 'Ctrl-C':
                playing.interrupt()
            else:
                os.kill(playing.main().pid, signal.SIGTERM if how == 'TERM' else signal.SIGKILL)
            eventually(lambda: not playing.processes(), 'no process of Ansible is left')
        with pytest.raises(AssertionError, match='did not come to its end'):
            playing.result()
    eventually(lambda: len(list(tmp_path.glob('*.done'))) == 3, 'the jobs go on')


@pytest.mark.parametrize('give_back', [True, False], ids=['fork given back', 'fork held'])
def test_ansible_dies_between_the_start_and_the_wait(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, give_back: bool
) -> None:
    """The parent of the worker is no longer ansible then, but whoever adopts orphans."""
    (target,) = many(1)
    target = target.also('h1', ansible_connection='kills', background_jobs_give_back_forks=give_back)
    job = {'name': 'job', **script(meeting.wait()), 'async': LONG, 'poll': 2}
    playing = Playing(tmp_path, controller, [target], {'tasks': [job], 'vars': CHILDREN})
    with playing, meeting.closed():
        eventually(lambda: meeting.came() and playing.over(), 'the job was started, and ansible killed')
        eventually(lambda: not playing.processes(), 'no process of Ansible is left')


@pytest.mark.any_core
@pytest.mark.parametrize('whose', ['child', 'guardian'])
def test_ansible_dies_after_one_of_the_two_was_killed(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, whose: str
) -> None:
    job = {'name': 'job', **script(meeting.wait()), 'async': LONG, 'poll': 1}
    with Playing(tmp_path, controller, many(1), {'tasks': [job], 'vars': CHILDREN}) as playing, meeting.closed():
        ((guardian, child),) = eventually(lambda: meeting.came() and playing.waiting(), 'the task waits')
        main = playing.main().pid
        os.kill((child if whose == 'child' else guardian).pid, signal.SIGKILL)
        os.kill(main, signal.SIGKILL)
        eventually(lambda: not playing.processes(), 'no process of Ansible is left')


@pytest.mark.any_core
@pytest.mark.timeout(3600)  # a kill takes a second or two, and thirteen on a machine with ten times too much to do
@pytest.mark.parametrize('kills', [20, pytest.param(200, marks=pytest.mark.nightly)])
def test_ansible_is_killed_at_any_moment(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, kills: int
) -> None:
    """From the fork of the first worker until all tasks wait."""
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    targets = many(3)
    job = {'name': 'job', **script(meeting.wait()), 'async': LONG, 'poll': 2}
    whole = 0.0  # seconds until all tasks wait, learned from the first run
    for number in range(kills + 1):
        with (
            Playing(tmp_path, controller, targets, {'tasks': [job], 'vars': CHILDREN}, FORKS='3') as playing,
            meeting.closed(),
        ):
            main = playing.main().pid
            eventually(lambda: len(playing.processes()) > 1, 'the first worker is forked')
            began = time.monotonic()
            if number == 0:
                eventually(lambda: len(playing.waiting()) == 3, 'three tasks wait')
                whole = time.monotonic() - began
            else:
                time.sleep(moments.uniform(0, whole * 1.2))  # a random moment is what is tested
            os.kill(main, signal.SIGKILL)
            eventually(lambda: not playing.processes(), f'no process is left, kill {number}, seed {seed}')


# --- Many ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('hosts', [24, pytest.param(200, marks=pytest.mark.crowd)])
def test_many_hosts_and_few_forks(
    controller: Controller, many: t.Any, meeting: Meeting, log: Log, tmp_path: Path, hosts: int
) -> None:
    """All hosts wait at the same time, and no more than 5 of them ask, and another 5 start, at once."""
    python = tmp_path / 'python'
    request = log.around(f'{sys.executable} "$@"', 'request')  # modules, and the supervisors' own, are none
    python.write_text(f'#!/bin/sh\nif [ "$1" = -I ]; then {request}; else exec {sys.executable} "$@"; fi\n')
    python.chmod(0o755)
    targets = [target.also(target.name, ansible_python_interpreter=str(python)) for target in many(hosts)]
    job = {'name': 'job', **script(meeting.wait()), 'async': 600, 'poll': 10}
    with Playing(tmp_path, controller, targets, {'tasks': [job], 'vars': CHILDREN}, FORKS='5') as playing:
        with meeting.closed():
            eventually(lambda: len(meeting.came()) == hosts and len(playing.waiting()) == hosts, 'all wait', 400)
            asked = len(log.events())
            eventually(lambda: len(log.events()) > asked + 50, 'they take turns')
        run = playing.result()  # the ends came all together, and so did the requests that tidied up
    assert len(kinds(run, 'job')) == hosts
    assert set(kinds(run, 'job').values()) == {'ok'}, run.output
    assert 1 < log.at_once() <= 5 + 5


# --- Nothing else changes --------------------------------------------------------------------------------------------


def test_the_screen_is_the_same(controller: Controller, many: t.Any) -> None:
    loop = {'name': 'loop', **script('sleep 0.3; echo {{ item }}'), 'async': LONG, 'poll': 2, 'loop': [1, 2]}
    tasks = [loop, {**failing('h2'), 'ignore_errors': True}, {**failing('h3'), 'name': 'fatal'}, AFTER]
    seen = [
        controller.play(many(4), {'tasks': tasks, 'vars': {'background_jobs_give_back_forks': given}}, FORKS='2')
        for given in (True, False)
    ]
    assert without_what_differs(seen[0].output) == without_what_differs(seen[1].output)
    assert 'PLAY RECAP' in seen[0].output
