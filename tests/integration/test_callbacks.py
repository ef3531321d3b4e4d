# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The callbacks progress and timeline: runs on a terminal that is looked at, and the page they leave."""

from __future__ import annotations

import collections.abc as c
import json
import re
import sys
import typing as t
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import RUN, Playing, eventually, shell, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target
from ansible_collections.background.jobs.tests.tools.screen import Screen
from hosts import Fleet

SCREEN = 100, 30
BOTH = 'recorder,background.jobs.progress,background.jobs.timeline'
COPYING = r"printf 'one\n\033[2J\033[31m62%% copied\033[0m\n'; "
"""What a hostile job prints: it clears the screen, and writes in red from there on."""


@pytest.fixture
def gates(hosts: list[Target]) -> c.Iterator[tuple[str, str]]:
    """Two paths that jobs on the hosts may wait for. After the test there are files, so that no job waits any longer."""
    paths = '/tmp/callbacks.go', '/tmp/callbacks.over'
    for target in hosts:
        target.shell(f'rm -f {" ".join(paths)}')
    yield paths
    for target in hosts:
        target.shell(f'touch {" ".join(paths)}')


@pytest.fixture
def two(tmp_path: Path) -> list[Target]:
    return [local_target(name, tmp_path / name, sys.executable) for name in ('h1', 'h2')]


def page(directory: Path) -> Element:
    text = (directory / 'background-jobs.html').read_text(encoding='utf-8')
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def rows(found: Element) -> list[tuple[str, str, str]]:
    """(job, state, limit) of each row. The notes below the job's name are left out."""
    cells = [row.findall('td') for row in found.findall('.//tbody/tr')]
    return [
        (name.text or '', state.text or '', limit.text or '') for name, state, _queued, _ran, limit, *_more in cells
    ]


def test_a_play_over_ssh_is_seen(
    fleet: Fleet,
    hosts: list[Target],
    gates: tuple[str, str],
    screen: Screen,
    tmp_path: Path,
    collections_path: Path,
) -> None:
    go, over = gates
    person = Controller(tmp_path, collections_path, fleet.inventory, screen=screen)
    tasks = [
        {'name': 'Back up', **shell(COPYING + until_there(go)), 'async': 600, 'poll': 1},
        {'name': 'Fail', **shell('exit 3', name='bad one'), 'async': 600, 'poll': 1, 'ignore_errors': True},
        {'name': 'Keep a secret', **shell('sleep 3', name='mallory'), 'poll': 1, 'no_log': True},
        {'name': 'Go on', **shell(until_there(over)), 'async': 3600, 'poll': 0},
    ]
    names = [target.name for target in hosts]
    with Playing(tmp_path, person, hosts, {'tasks': tasks}, CALLBACKS_ENABLED=BOTH) as playing:
        each = [rf'^{name} +Back up +━*─+  0:\d\d of 10:00  62%  \\x1b\[2J62% copied$' for name in names]
        lines = screen.await_lines(
            lambda lines: all(re.search(one, '\n'.join(lines), re.MULTILINE) for one in each), 'both hosts at 62%'
        )
        assert [line.split()[0] for line in lines[-2:]] == sorted(names), 'the region is at the bottom'
        screen.resize(60, 20)
        screen.await_text(rf'^{names[0]} +Back up +running 0:\d\d of 10:00  62%.*…?$')
        screen.resize(100, 30)
        screen.await_text(each[1])
        for target in hosts:
            target.shell(f'touch {go}')
        screen.await_text('hidden by no_log +running')
        run = playing.result()
    assert run.rc == 0, '\n'.join(screen.all_lines())
    screen.close()
    log = '\n'.join(screen.all_lines())
    for name in names:
        assert len(re.findall(rf'^{name} \| Back up \| succeeded after 0:\d\d$', log, re.MULTILINE)) == 1
        assert len(re.findall(rf'^{name} \| bad one \| failed after \d+:\d\d \| the module ', log, re.MULTILINE)) == 1
        assert len(re.findall(rf'^{name} \| hidden by no_log \| ended after \d+:\d\d$', log, re.MULTILINE)) == 1
        assert len(re.findall(rf'^{name} \| Go on \| running 0:\d\d of 1:00:00$', log, re.MULTILINE)) == 1
    assert not re.findall('━|─', log), 'nothing of the region stays'
    assert b'\x1b[2J' not in screen.raw, 'what clears the screen never reached the terminal'
    assert 'mallory' not in log
    assert 'Timeline of 8 background jobs' in log.replace('\n', '')
    found = page(tmp_path)
    assert sorted(''.join(head.itertext()) for head in found.findall('.//tbody/tr/th')) == sorted(names)
    assert [(job.partition('the module')[0], *more) for job, *more in rows(found)] == 2 * [
        ('Back up', 'succeeded', '10:00'),
        ('bad one', 'failed', '10:00'),
        ('hidden by no_log', 'ended', '-'),
        ('Go on', 'running', '1:00:00'),
    ]


def test_an_interrupted_run_leaves_a_clean_terminal_and_a_timeline(
    person: Controller, screen: Screen, two: list[Target], tmp_path: Path
) -> None:
    task = {'name': 'Wait', **shell(until_there(f'{tmp_path}/go')), 'async': 600, 'poll': 1}
    with Playing(tmp_path, person, two, {'tasks': [task]}, CALLBACKS_ENABLED=BOTH) as playing:
        screen.await_text(r'^h1 +Wait +━*─+  0:\d[1-9] of 10:00\nh2 +Wait +━*─+  0:\d[1-9] of 10:00')
        screen.type('\x03')
        eventually(playing.over, 'Ctrl-C ends it')
        with pytest.raises(AssertionError, match='did not come to its end'):
            playing.result()
    (tmp_path / 'go').touch()
    screen.close()
    log = '\n'.join(screen.all_lines())
    assert '─' not in log
    assert re.search(r'^h2 \| Wait \| running 0:\d\d of 10:00$', log, re.MULTILINE)
    assert [state for _job, state, _limit in rows(page(tmp_path))] == ['running', 'running']


def test_prompts_are_left_alone(person: Controller, screen: Screen, two: list[Target], tmp_path: Path) -> None:
    start = {'name': 'Start', **shell(until_there(f'{tmp_path}/go')), 'async': 600, 'poll': 0, 'register': 'started'}
    pause = {'name': 'Ask', 'ansible.builtin.pause': {'prompt': 'Go on?'}, 'register': 'answer'}
    look = {'name': 'Look', 'background.jobs.async_status': {'jid': '{{ started.ansible_job_id }}'}}
    tell = {'name': 'Tell', 'ansible.builtin.command': 'echo {{ colour }}'}
    question = {'name': 'colour', 'prompt': 'Which colour', 'private': False}
    plays: list[dict[str, t.Any]] = [{'tasks': [start, pause]}, {'vars_prompt': [question], 'tasks': [tell, look]}]
    with Playing(tmp_path, person, two, *plays, CALLBACKS_ENABLED=BOTH) as playing:
        lines = screen.await_text(r'Go on\?')
        assert '─' not in '\n'.join(lines), 'no region where somebody types'
        screen.answer('of course\r')
        assert '─' not in '\n'.join(screen.await_text('^Which colour:')), 'no region where somebody types'
        screen.type('dark green\r')
        run = playing.result()
    (tmp_path / 'go').touch()
    screen.close()
    assert run.rc == 0
    assert [event.result['user_input'] for event in run.of('Ask') if event.kind == 'ok'] == ['of course']
    assert [event.result['stdout'] for event in run.of('Tell') if event.kind == 'ok'] == ['dark green'] * 2
    assert '─' not in '\n'.join(screen.all_lines())


def test_without_a_terminal_there_are_plain_lines(play: c.Callable[..., Run], local: Target, tmp_path: Path) -> None:
    run = play(
        local,
        {'name': 'Work', **shell('echo 5% done; sleep 8', name='the job'), 'async': 600, 'poll': 1},
        settings={'CALLBACKS_ENABLED': BOTH, 'BACKGROUND_JOBS_PROGRESS_INTERVAL': '1'},
    )
    said = [line for line in run.output.splitlines() if line.startswith('local | the job | ')]
    reports = [
        line for line in said if re.fullmatch(r'local \| the job \| running 0:\d\d of 10:00, 5% \| 5% done', line)
    ]
    assert len(reports) > 1, run.output
    assert re.fullmatch(r'local \| the job \| succeeded after 0:\d\d', said[-1])
    assert '\x1b' not in run.output
    assert rows(page(tmp_path)) == [('the job', 'succeeded', '10:00')]


def test_jobs_of_ansible_core_break_nothing(play: c.Callable[..., Run], local: Target, tmp_path: Path) -> None:
    run = play(
        local,
        {'name': 'Core', 'ansible.builtin.command': 'sleep 3', 'async': 600, 'poll': 1},
        {
            'name': 'Bad',
            'ansible.builtin.command': 'sh -c "sleep 2; false"',
            'async': 600,
            'poll': 1,
            'ignore_errors': True,
        },
        settings={'CALLBACKS_ENABLED': BOTH, 'BACKGROUND_JOBS_TIMELINE_PATH': str(tmp_path / 'background-jobs.html')},
    )
    assert run.rc == 0, run.output
    assert 'WARNING' not in run.output
    assert len(re.findall(r'^local \| \S+ \| succeeded after', run.output, re.MULTILINE)) == 1
    assert len(re.findall(r'^local \| \S+ \| failed after', run.output, re.MULTILINE)) == 1
    assert sorted(state for _job, state, _limit in rows(page(tmp_path))) == ['failed', 'succeeded']


def test_ad_hoc(controller: Controller, local: Target, tmp_path: Path) -> None:
    run = controller.adhoc(
        local, '-B', '60', '-P', '1', '-m', 'background.jobs.async_run', '-a', 'cmd="sleep 2"', CALLBACKS_ENABLED=BOTH
    )
    assert run.rc == 0, run.output
    assert re.search(r'^local \| \S+ \| succeeded after', run.output, re.MULTILINE), run.output
    assert len(rows(page(tmp_path))) == 1


LINES = (
    'local | Follow | one',  # of follow
    'local | 2 running, 0 of 2 done',  # of a task of many jobs
    'local | Follow | succeeded after',  # of progress
    'Timeline of 3 background jobs',
)


@pytest.mark.parametrize('stdout_callback', ['for_programs', 'default', 'minimal', 'oneline'])
def test_output_for_programs_is_not_spoilt(controller: Controller, local: Target, stdout_callback: str) -> None:
    """What the stdout callback did not print goes to standard error where a program reads its output."""
    tasks = [
        {'name': 'Follow', **shell('echo one; sleep 2', follow=True), 'poll': 1},
        {'name': 'Many', RUN: {'tasks': [{'command': 'sleep 3'}, {'command': 'sleep 3'}]}, 'poll': 1},
    ]
    out, err = controller.streams([local], {'tasks': tasks}, STDOUT_CALLBACK=stdout_callback, CALLBACKS_ENABLED=BOTH)
    if stdout_callback == 'for_programs':
        assert list(json.loads(out)) == ['local']
    for line in LINES:
        assert (line in err, line in out) == (
            (stdout_callback == 'for_programs'),
            (stdout_callback != 'for_programs'),
        ), line


def test_jobs_are_drawn_from_their_start(person: Controller, screen: Screen, two: list[Target], tmp_path: Path) -> None:
    """The first report of a task comes when its wait begins, however long `poll` is."""
    task = {'name': 'Wait', **shell(until_there(f'{tmp_path}/go')), 'async': 600, 'poll': 300}
    with Playing(tmp_path, person, two, {'tasks': [task]}, CALLBACKS_ENABLED=BOTH) as playing:
        screen.await_text(r'^h1 +Wait +━*─+  0:\d\d of 10:00\nh2 +Wait +━*─+  0:\d\d of 10:00')
        (tmp_path / 'go').touch()
        assert playing.result().rc == 0


def test_many_hosts_are_told_apart(person: Controller, screen: Screen, tmp_path: Path) -> None:
    """Natural order on the screen, the order of the inventory on the page, and at the end what ended badly, and why."""
    names = ['h10', 'h9', 'h1', 'h2']
    targets = [local_target(name, tmp_path / name, sys.executable) for name in names]
    work = f'echo 50%; [ {{{{ inventory_hostname }}}} != h9 ] || {{ echo no room >&2; exit 1; }}; {until_there(f"{tmp_path}/go")}'
    task = {'name': 'Upgrade', **shell(work, name='upgrade'), 'async': 600, 'poll': 1, 'ignore_errors': True}
    with Playing(tmp_path, person, targets, {'tasks': [task]}, CALLBACKS_ENABLED=BOTH, FORKS='2') as playing:
        lines = screen.await_text(
            '^4 jobs on 4 hosts: 1 failed, 3 running\n'
            + '\n'.join(rf'{name} +upgrade +━{{8}}─{{8}}  0:\d\d of 10:00  50%  50%' for name in ('h1', 'h2', 'h10'))
        )
        assert len(lines) > 4, 'the output is above'
        (tmp_path / 'go').touch()
        run = playing.result()
    assert run.rc == 0, '\n'.join(screen.all_lines())
    screen.close()
    after = '\n'.join(screen.all_lines()).rpartition('PLAY RECAP')[2].replace('\n', '')
    assert re.search(
        r'4 background jobs on 4 hosts: 1 failed, 3 succeededh9 +upgrade +failed after 0:\d\d +.*no room', after
    )
    found = page(tmp_path)
    assert [''.join(head.itertext()) for head in found.findall('.//tbody/tr/th')] == names
    (heading,) = found.findall('.//h3')
    assert re.fullmatch(r'failed: .*no room.* \(1\)', ''.join(heading.itertext()))
