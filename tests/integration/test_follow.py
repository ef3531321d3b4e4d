# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live output as a person at the controller sees it, over ssh."""

from __future__ import annotations

import functools
import re
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import Playing, eventually, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target, target_pythons

RUN = 'background.jobs.async_run'
WAIT = 'background.jobs.async_wait'
STATUS = 'background.jobs.async_status'
GATE = '/tmp/follow.gate'
BLOCKED = until_there(GATE)
OF_A = '/tmp/follow.a'
"""Holds the process id of job a."""
AFTER_A = f'while [ ! -s {OF_A} ] || kill -0 $(cat {OF_A}) 2>/dev/null; do sleep 0.1; done'

MUCH = 'for second in 1 2 3 4; do yes 0123456789abcdef | head -n 100000; sleep 1; done; echo last'
"""100 MB a minute, for a few seconds."""


def shell(command: str, **options: t.Any) -> dict[str, t.Any]:
    return {RUN: {'task': {'ansible.builtin.shell': command}, **options}}


def shown(run: Run, begin: str) -> list[str]:
    """The lines of the run that begin with *begin*, without that."""
    return [line[len(begin) :] for line in run.output.splitlines() if line.startswith(begin)]


@pytest.mark.spine
@pytest.mark.parametrize(('callback', 'forks'), [('default', '1'), ('minimal', '5')])
def test_lines_are_seen_while_the_job_runs(
    tmp_path: Path, controller: Controller, hosts: list[Target], callback: str, forks: str
) -> None:
    """Of all hosts, also with one fork."""
    for host in hosts:
        host.shell(f'rm -f {GATE}')
    task = shell(f'echo one; echo oops >&2; {BLOCKED}; echo two; printf three', follow=True)
    play = {'tasks': [{'name': 'Build', **task, 'poll': 60}]}
    with Playing(tmp_path, controller, hosts, play, STDOUT_CALLBACK=callback, FORKS=forks) as playing:
        seen = functools.partial((tmp_path / 'output.txt').read_text, encoding='utf-8')
        eventually((tmp_path / 'output.txt').exists, 'the run begins')
        for host in hosts:
            for line in (f'{host.name} | Build | one\n', f'{host.name} | Build ! oops\n'):
                eventually(lambda: line in seen(), line)  # noqa: B023 - it is called here only
        assert not playing.over()
        assert '| two' not in seen()
        for host in hosts:
            host.shell(f'touch {GATE}')
    run = playing.result()
    assert run.rc == 0, run.output
    for host in hosts:
        assert shown(run, f'{host.name} | Build | ') == ['one', 'two', 'three']
        assert shown(run, f'{host.name} | Build ! ') == ['oops']


@pytest.fixture(scope='module')
def many(tmp_path_factory: pytest.TempPathFactory, collections_path: Path, hosts: list[Target], fleet: t.Any) -> Run:
    """Everything that needs no look meanwhile, in one run."""
    hosts[0].shell(f'rm -f {OF_A}')
    return Controller(tmp_path_factory.mktemp('follow'), collections_path, fleet.inventory).play(
        hosts[:1],
        {
            'module_defaults': {'group/background.jobs.jobs': {'follow': True}},
            'ignore_errors': True,
            'tasks': [
                {'name': 'Defaults', **shell('echo by default')},
                {'name': 'Not now', **shell('echo not now', follow=False)},
                {'name': 'Secret', **shell('echo do not tell'), 'no_log': True},
                {'name': 'Getent', RUN: {'task': {'ansible.builtin.getent': 'database=passwd key=root'}}},
                {'name': 'Third', RUN: {'task': {'talks': {}}}},
                {'name': 'Escapes', **shell(r"printf '\033[2Jcl\033[31mear\033[0m\007 1%%\r 2%%\n\377\n'")},
                {'name': 'Much', **shell(MUCH), 'register': 'much'},
                {
                    'name': 'Start',
                    RUN: {
                        'tasks': [
                            {'ansible.builtin.shell': f'echo $$ > {OF_A}; echo of a; exit 3', 'name': 'a'},
                            {'ansible.builtin.shell': f'echo of b; {AFTER_A}; sleep 8; echo end of b', 'name': 'b'},
                            {'ansible.builtin.shell': 'sleep 8', 'queue': 'q'},
                            {'ansible.builtin.shell': 'echo of q', 'queue': 'q'},
                        ]
                    },
                    'async': 100,
                    'poll': 0,
                    'register': 'started',
                },
                {'name': 'Wait', WAIT: {'jobs': '{{ started }}'}, 'poll': 2, 'register': 'waited'},
                {
                    'name': 'Look',
                    STATUS: {'jid': '{{ started.jobs.1.ansible_job_id }}', 'output': True},
                    'register': 'one',
                },
                {
                    'name': 'Look on',
                    STATUS: {
                        'jid': '{{ started.jobs.1.ansible_job_id }}',
                        'output': True,
                        'offset': '{{ one.job.output.offset }}',
                    },
                    'register': 'two',
                },
                {'name': 'List', 'background.jobs.async_info': None},
                {'name': 'Clean', 'background.jobs.async_prune': {'older_than': 0}},
            ],
        },
        {'vars': {'background_jobs_follow': True}, 'tasks': [{'name': 'Variable', **shell('echo by variable')}]},
        {'tasks': [{'name': 'Nobody asks', **shell('echo no')}]},
    )


def test_who_asks_sees(many: Run) -> None:
    """By the option, the defaults of the action group, or a variable; nobody else."""
    assert shown(many, 'host1 | Defaults | ') == ['by default']
    assert shown(many, 'host1 | Variable | ') == ['by variable']
    assert shown(many, 'host1 | Not now | ') == []
    assert shown(many, 'host1 | Nobody asks | ') == []
    assert [event.kind for event in many.of('List') + many.of('Clean')] == ['ok', 'ok'], many.output


def test_no_log_shows_nothing(many: Run) -> None:
    assert [event.kind for event in many.of('Secret')] == ['ok']
    assert 'do not tell' not in many.output


def test_modules_that_run_commands(many: Run) -> None:
    """One of ansible-core and one of somebody else's."""
    assert shown(many, 'host1 | Getent | ')[0].startswith('root:')
    assert shown(many, 'host1 | Third | ') == ['I run a command', 'and ******** another']


def test_what_could_harm_a_terminal(many: Run) -> None:
    assert shown(many, 'host1 | Escapes | ') == [' 2%', r'\xff']
    assert '\x1b' not in many.output


def test_much_output(many: Run) -> None:
    """The job and its result are whole, the screen is not drowned, and what was skipped is said."""
    assert many['much']['stdout'].startswith('<6800004 characters'), 'as the recorder has what is long'
    lines = shown(many, 'host1 | Much | ')
    assert lines[-1] == 'last'
    assert len(lines) < 100_000
    skipped = [int(number) for number in re.findall(r'\| Much ! \.\.\. (\d+) bytes were skipped', many.output)]
    assert sum(skipped) > 3_000_000


@pytest.mark.spine
def test_a_wait_tells_of_its_jobs(many: Run) -> None:
    """In one line, and never as if something had failed that has not."""
    told = [line for line in shown(many, 'host1 | ') if ' of 4 done' in line]
    assert told
    assert any(
        re.match(r'[23] running, (1 queued, )?1 of 4 done, 1 failed \(a\) \| \d:\d\d of 1:40', line) for line in told
    ), told
    assert 'RETRYING' not in many.output
    assert [job['job']['name'] for job in many['waited']['jobs']] == ['a', 'b', None, None]
    assert many['waited']['failed'] is True
    assert shown(many, 'host1 | a | ') == ['of a']
    assert shown(many, 'host1 | b | ') == ['of b', 'end of b']


def test_a_look_brings_the_output(many: Run) -> None:
    assert many['one']['job']['output']['lines'] == [
        {'stream': 'stdout', 'text': 'of b'},
        {'stream': 'stdout', 'text': 'end of b'},
    ]
    assert many['two']['job']['output'] == {'lines': [], 'offset': many['one']['job']['output']['offset'], 'skipped': 0}


def test_every_python(tmp_path: Path, controller: Controller) -> None:
    targets = [
        local_target(f'py{version}', tmp_path, f'{prefix}/bin/python3') for version, prefix in target_pythons().items()
    ]
    targets.append(local_target('env', tmp_path, f'/usr/bin/env {sys.executable}'))
    run = controller.play(targets, {'tasks': [{'name': 'Hello', **shell('echo hello', follow=True)}]}, FORKS='2')

    assert run.rc == 0, run.output
    for target in targets:
        assert shown(run, f'{target.name} | Hello | ') == ['hello']


def test_no_log_of_the_wait_hides_what_it_shows(controller: Controller, hosts: list[Target]) -> None:
    """Also of jobs that were started without it: live output, the line about all of them, and the events."""
    wait = {'name': 'Wait', WAIT: {'jobs': 'open', 'follow': True}, 'poll': 1, 'no_log': True}
    start = {'name': 'Start', **shell('echo sesame; sleep 3', name='open'), 'poll': 0}
    clean = {'name': 'Clean', STATUS: {'jid': 'open', 'mode': 'cleanup'}}
    run = controller.play(hosts[:1], {'tasks': [start, wait, clean]})
    assert run.rc == 0, run.output
    polls = [event for event in run.events if event.task == 'Wait' and event.kind == 'async_poll']
    assert polls
    assert 'sesame' not in run.output
    assert ' of 1 done' not in run.output
    assert 'sesame' not in str([event.result for event in polls])


def test_the_events_are_those_of_ansible_core(controller: Controller, hosts: list[Target]) -> None:
    """For callback plugins nothing changes, but that there is more to be known."""
    command = {'ansible.builtin.shell': 'sleep 3.5'}
    bad = {'ansible.builtin.shell': 'sleep 1.5; exit 4'}
    keywords = {'async': 600, 'poll': 1}
    run = controller.play(
        hosts[:1],
        {
            'ignore_errors': True,
            'tasks': [
                {'name': 'core', **command, **keywords},
                {'name': 'ours', RUN: {'task': command}, **keywords},
                {'name': 'core bad', **bad, **keywords},
                {'name': 'ours bad', RUN: {'task': bad}, **keywords},
            ],
        },
    )
    assert run.rc == 0, run.output
    told = {
        task: [event for event in run.events if event.task == task] for task in ('core', 'ours', 'core bad', 'ours bad')
    }
    kinds = {task: [event.kind for event in events if event.kind != 'async_poll'] for task, events in told.items()}
    assert kinds['ours'] == kinds['core'] == ['async_ok', 'ok']
    assert kinds['ours bad'] == kinds['core bad'] == ['async_failed', 'failed']
    polls = [event for event in told['ours'] if event.kind == 'async_poll']
    assert len(polls) >= 2
    for poll in polls:
        assert (poll.result['started'], poll.result['finished']) == (True, False)
        assert re.fullmatch(r'ours \(0:\d\d of 10:00\)', poll.result['ansible_job_id'])
        assert re.fullmatch(r'j\d+\.\d+', poll.result['job']['id'])
        assert (poll.result['job']['state'], poll.result['job']['line']) == ('running', None)
    lines = re.findall(
        r'ASYNC POLL on host1: jid=(?:j\d+\.\d+|ours(?: bad)? \(0:\d\d of 10:00\)) started=.*', run.output
    )
    assert len(lines) >= 4
    assert max(map(len, lines)) <= 80
