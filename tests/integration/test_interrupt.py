# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A play is interrupted on its terminal while it waits: its jobs are left, or they have ended before it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._engines import DROP_IN
from ansible_collections.background.jobs.tests.integration._playing import (
    Meeting,
    Playing,
    eventually,
    script,
    small_disk,
)
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target
from ansible_collections.background.jobs.tests.tools.screen import Screen

SCREEN = 200, 50
LONG = 600  # seconds, of jobs that the test or the interrupt ends
WITHOUT_FORK = 3
"""Tasks that wait without a fork; where there are more hosts, the others hold theirs."""


def many(directory: Path, count: int) -> list[Target]:
    return [local_target(f'h{n}', directory / f'h{n}', sys.executable) for n in range(1, count + 1)]


def interrupt(how: str, playing: Playing, screen: Screen) -> None:
    if how == 'Ctrl-C':
        screen.type('\x03')
    elif how == 'TERM':
        os.kill(playing.main().pid, signal.SIGTERM)
    else:
        screen.hang_up()


def states(targets: list[Target]) -> dict[str, list[str | None]]:
    """Host -> the state of each of its jobs, None while it has not ended."""
    return {
        target.name: [
            json.loads(end.read_text(encoding='ascii'))['state'] if end.exists() else None
            for job in sorted(Path(target.async_dir).glob('.jobs/j*'))
            for end in [job / 'end.json']
        ]
        for target in targets
    }


def told(log: Path) -> list[tuple[str, str]]:
    """(host, what became of its job), as the *log* has it. The terminal may be gone."""
    text = log.read_text(encoding='utf-8')
    return re.findall(r'(h\d+): job \(j\d+\.\d+\) (.*)\.$', text, re.MULTILINE)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ('how', 'policy', 'strategy', 'count'),
    [
        ('Ctrl-C', 'cancel', 'linear', 1),
        ('Ctrl-C', 'leave', 'free', 5),
        ('TERM', 'cancel', 'free', 5),
        ('TERM', 'leave', 'linear', 1),
        ('HUP', 'cancel', 'linear', 5),
        pytest.param('HUP', 'leave', 'free', 1, marks=pytest.mark.nightly),
        pytest.param('Ctrl-C', 'cancel', 'free', 100, marks=pytest.mark.nightly),
    ],
)
def test_it_is_interrupted(  # pylint: disable=too-many-arguments
    person: Controller, screen: Screen, tmp_path: Path, how: str, policy: str, strategy: str, count: int
) -> None:
    targets = many(tmp_path, count)
    meeting = Meeting(tmp_path / 'meeting')
    job = {'name': 'Wait', **script(meeting.wait(), name='job'), 'async': LONG, 'poll': 5}
    after = {'name': 'After', 'ansible.builtin.debug': {'msg': 'nothing comes after an interrupt'}}
    play: dict[str, t.Any] = {
        'strategy': strategy,
        'vars': {'background_jobs_on_interrupt': policy, 'background_jobs_max_waiting': max(WITHOUT_FORK, count - 2)},
        'tasks': [job, after],
    }
    log = tmp_path / 'ansible.log'
    with meeting.closed(), Playing(tmp_path, person, targets, play, FORKS='4', LOG_PATH=str(log)) as playing:
        # Hosts whose jobs are left are parked. For the others processes wait.
        waiting = playing.parked if policy == 'leave' else lambda: list(tmp_path.glob('home/tmp/*/*/wait-*'))
        eventually(lambda: len(waiting()) == count, 'all wait', 60 + 6 * count)
        interrupt(how, playing, screen)
        eventually(playing.over, 'ansible ends', 300)
        ended = states(targets)
        eventually(lambda: not playing.processes(), 'no process of Ansible is left', 60)
        with pytest.raises(AssertionError, match='did not come to its end'):
            playing.result()
    what, state = ('was cancelled', 'cancelled') if policy == 'cancel' else ('goes on', None)
    assert ended == {target.name: [state] for target in targets}
    assert sorted(told(log)) == sorted((target.name, what) for target in targets)
    text = log.read_text(encoding='utf-8')
    assert 'nothing comes after' not in text
    assert ('ansible-playbook background.jobs.jobs -i ' in text) == (policy == 'leave')


@pytest.mark.parametrize('how', ['drop-in', 'KILL'])
def test_a_guardian_stops_what_the_main_process_cannot(
    person: Controller, screen: Screen, tmp_path: Path, how: str
) -> None:
    """In drop-in no code of ours runs in the main process, and after KILL nobody's. The fork has been given back."""
    targets = many(tmp_path, 1)
    meeting = Meeting(tmp_path / 'meeting')
    drop_in = how == 'drop-in'
    work = {'ansible.builtin.shell': meeting.wait()} if drop_in else script(meeting.wait())
    play = {'vars': {'background_jobs_on_interrupt': 'cancel'}, 'tasks': [{**work, 'async': LONG, 'poll': 1}]}
    with meeting.closed(), Playing(tmp_path, person, targets, play, **DROP_IN if drop_in else {}) as playing:
        eventually(playing.waiting, 'it waits without a fork')
        eventually(lambda: list(tmp_path.glob('home/tmp/*/background.jobs/wait-*')), 'it waits')
        if drop_in:
            interrupt('Ctrl-C', playing, screen)
        else:
            os.kill(playing.main().pid, signal.SIGKILL)
        eventually(lambda: states(targets) == {'h1': ['cancelled']}, 'the job is stopped')
        eventually(lambda: not playing.processes(), 'no process of Ansible is left', 60)
        with pytest.raises(AssertionError, match='did not come to its end'):
            playing.result()


@pytest.mark.any_core
def test_a_policy_that_does_not_exist_starts_nothing(controller: Controller, tmp_path: Path) -> None:
    targets = many(tmp_path, 1)
    play = {'vars': {'background_jobs_on_interrupt': 'kill'}, 'tasks': [{**script('true'), 'register': 'r'}]}
    run = controller.play(targets, play)
    message = "The variable 'background_jobs_on_interrupt' must be cancel or leave, found 'kill'."
    assert run.results[0].result['msg'] == message
    assert states(targets) == {'h1': []}


def test_a_wait_goes_on_where_its_file_has_no_room(controller: Controller, local: Target, tmp_path: Path) -> None:
    temporary = tmp_path / 'temporary'
    fill = {'ansible.builtin.raw': f'head -c 9000000 /dev/zero > {temporary}/fill || true'}  # needs no temporary file
    job = {'name': 'job', **script('sleep 1; echo hi'), 'async': LONG, 'poll': 1, 'register': 'job'}
    room = {'ansible.builtin.raw': f'rm {temporary}/fill'}
    with small_disk(temporary):
        run = controller.play([local], {'tasks': [fill, job, room]}, LOCAL_TEMP=str(temporary))
    assert run['job']['stdout'] == 'hi', run.output
    assert 'nobody will be told' in run.output
