# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operator's story, as docs/guides.md tells it: two terminals, twenty hosts, and much that goes wrong."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import contextlib
import functools
import json
import os
import signal
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import (
    RUN,
    Meeting,
    Playing,
    eventually,
    has_shown,
    table,
)
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target

JOBS, FOLLOW, CANCEL, PRUNE = (f'background.jobs.{name}' for name in ('jobs', 'follow', 'cancel', 'prune'))
LONG = 600
"""Seconds; longer than the story takes on any machine."""
TROUBLES = {
    'web3': 'echo "no space left on device" >&2; exit 1',
    'web7': 'echo "waiting for the lock"; sleep 600',
    'web12': 'echo "unpacking"; kill -9 $$',
}
"""Host -> what its upgrade comes to. That of web7 is longer than its limit."""
SHORT = 30
"""Seconds; a busy machine that starts twenty modules at once has printed the first line of each by then."""
CANCELLED, FOLLOWED = 'web5', 'web1'


@pytest.fixture
def twenty(tmp_path: Path) -> list[Target]:
    """This machine under twenty names, each with job files of its own."""
    return [local_target(f'web{number}', tmp_path / f'web{number}', sys.executable) for number in range(1, 21)]


@pytest.fixture
def second(tmp_path: Path, collections_path: Path) -> Controller:
    """What the operator has in a second terminal."""
    (tmp_path / 'second').mkdir()
    return Controller(tmp_path / 'second', collections_path)


def upgrade(meeting: Meeting, troubles: dict[str, str]) -> dict[str, t.Any]:
    """The play. Each upgrade goes on until *meeting* is open, or comes to what *troubles* say for its host."""
    well = f'echo begun; {meeting.wait()}; echo done'
    return {
        'vars': {'troubles': troubles, 'well': well},
        'tasks': [
            {
                'name': 'Upgrade',
                RUN: {
                    'name': 'upgrade',
                    'task': {'ansible.builtin.shell': '{{ troubles[inventory_hostname] | default(well) }}'},
                },
                'async': f'{{{{ {SHORT} if inventory_hostname == "web7" and troubles else {LONG} }}}}',
                'poll': 1,
            }
        ],
    }


def rows_of(run: Run) -> dict[str, list[str]]:
    """Host -> the cells of its row in the last table of the output, but for the time."""
    return {row[0]: [*row[1:3], *row[4:]] for row in table(run)}


def ends(targets: list[Target]) -> dict[str, str]:
    """Host -> the state in which its last job has ended, if a task has taken its result."""
    states = {}
    for target in targets:
        jobs = sorted(Path(target.async_dir).glob('.jobs/j*'))
        if jobs and (jobs[-1] / 'collected').exists():
            states[target.name] = json.loads((jobs[-1] / 'end.json').read_text(encoding='ascii'))['state']
    return states


def has_begun(target: Target) -> bool:
    """Whether the upgrade of *target* has printed its first line."""
    return any(b'begun' in path.read_bytes() for path in Path(target.async_dir).glob('.jobs/j*/output'))


@pytest.mark.any_core
def test_the_story(
    tmp_path: Path, controller: Controller, second: Controller, twenty: list[Target], meeting: Meeting
) -> None:
    play, by_name = upgrade(meeting, TROUBLES), {target.name: target for target in twenty}
    fine = [name for name in by_name if name not in (*TROUBLES, CANCELLED)]
    bad = {'web3': 'failed', 'web7': 'timed_out', 'web12': 'failed'}
    with contextlib.ExitStack() as closed:
        closed.enter_context(meeting.closed())
        with Playing(tmp_path, controller, twenty, play) as playing:
            eventually(lambda: ends(twenty) == bad, 'three have ended badly', 240)
            running = [by_name[name] for name in (*fine, CANCELLED)]
            eventually(lambda: all(map(has_begun, running)), 'the others run')
            rows = rows_of(second.book(twenty, JOBS, '--extra-vars', 'columns=0'))
            assert list(rows)[:3] == ['web3', 'web12', 'web7'], 'the troubled come first'
            assert rows['web3'] == ['upgrade', 'failed', '1', 'no space left on device']
            assert rows['web12'] == ['upgrade', 'failed', '-9', 'unpacking']
            assert rows['web7'] == ['upgrade', 'timed_out', 'waiting for the lock']
            for name in (*fine, CANCELLED):
                assert rows[name] == ['upgrade', 'running', 'begun']

            options = ('--extra-vars', 'job=upgrade confirm=yes')
            assert second.book([by_name[CANCELLED]], CANCEL, *options).rc == 0
            eventually(lambda: ends(twenty) == {**bad, CANCELLED: 'cancelled'}, 'the first terminal has noticed', 120)
            os.kill(playing.main().pid, signal.SIGKILL)
            eventually(lambda: not playing.processes(), 'no process of Ansible is left', 60)
            with pytest.raises(AssertionError, match='did not come to its end'):
                playing.result()
        again(tmp_path, controller, second, twenty, fine, upgrade(meeting, {}), closed.close)
    clean_up(second, twenty)


def again(
    tmp_path: Path,
    controller: Controller,
    second: Controller,
    twenty: list[Target],
    fine: list[str],
    play: dict[str, t.Any],
    open_gate: c.Callable[[], None],
) -> None:
    """Run it again, now that the troubles are mended, while the second terminal follows one host."""
    followed = [target for target in twenty if target.name == FOLLOWED]

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        following = pool.submit(second.book, followed, FOLLOW, '--extra-vars', 'job=upgrade')
        try:
            begun = f'{FOLLOWED} | upgrade | begun\n'
            eventually(functools.partial(has_shown, tmp_path / 'second', begun), 'one host is followed')
            with Playing(tmp_path, controller, twenty, play) as playing:
                try:
                    attached = functools.partial(
                        has_shown, tmp_path, f'{FOLLOWED}: attached to upgrade, running since '
                    )
                    eventually(attached, 'it has attached')
                finally:
                    open_gate()
        finally:
            open_gate()
    assert f'{FOLLOWED} | upgrade | done\n' in following.result().output
    run = playing.result()
    assert run.rc == 0, run.output
    results = {event.host: event.result for event in run.of('Upgrade')}
    assert set(results) == {target.name for target in twenty}
    assert all(result['stdout_lines'] == ['begun', 'done'] for result in results.values())
    assert sorted(host for host, result in results.items() if not result['changed']) == sorted(fine), 'these attached'


def clean_up(second: Controller, twenty: list[Target]) -> None:
    rows = rows_of(second.book(twenty, JOBS, '--extra-vars', 'columns=0'))
    assert {row[1] for row in rows.values()} == {'succeeded'}
    run = second.book(twenty, PRUNE, '--extra-vars', 'older_than=0 confirm=yes')
    assert run.rc == 0, run.output
    assert not any(target.jobs() for target in twenty)
