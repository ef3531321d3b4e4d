# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What parked hosts depend on is killed, closed, removed or silent. Each host ends with the truth, and nothing is left."""

from __future__ import annotations

import collections.abc as c
import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._parking import (
    LONG,
    NEXT,
    Many,
    all_parked,
    await_parked,
    job_of,
    masters,
    why_not_parked,
)
from ansible_collections.background.jobs.tests.integration._playing import (
    Meeting,
    Playing,
    Process,
    eventually,
    has_shown,
    kinds,
    shell,
    small_disk,
    until_there,
)
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target
from hosts import Fleet

WAIT = 'background.jobs.async_wait'
_PIDFD_GETFD = 438  # its number is the same on all architectures


def new_room(playing: Playing, old: set[int]) -> Process | None:
    room = playing.room()
    return None if room is None or room.pid in old else room


# --- Processes and files ---------------------------------------------------------------------------------------------


@pytest.mark.any_core
def test_the_room_is_killed(controller: Controller, many: Many, meeting: Meeting, tmp_path: Path) -> None:
    """Another one takes its tickets; when it was killed again and again, children wait."""
    with Playing(tmp_path, controller, many(3), {'tasks': [job_of(meeting.wait()), NEXT]}, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 3, meeting)
            killed: set[int] = set()
            for _room in range(3):
                room = eventually(lambda: new_room(playing, killed), 'there is another room')
                killed.add(room.pid)
                os.kill(room.pid, signal.SIGKILL)
            eventually(lambda: len(playing.waiting()) == 3, 'three children wait', 200)
        run = playing.result()
    assert kinds(run, 'job') == kinds(run, 'next') == {f'h{n}': 'ok' for n in range(1, 4)}, run.output


@pytest.mark.parametrize('how', ['Ctrl-C', 'TERM', 'KILL'])
def test_an_end_of_the_play_leaves_nothing(
    controller: Controller, many: Many, meeting: Meeting, tmp_path: Path, how: str
) -> None:
    with Playing(tmp_path, controller, many(3), {'tasks': [job_of(meeting.wait()), NEXT]}, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 3, meeting)
            if how == 'Ctrl-C':
                playing.interrupt()
            else:
                os.kill(playing.main().pid, signal.SIGTERM if how == 'TERM' else signal.SIGKILL)
            eventually(lambda: not playing.processes(), 'no process of Ansible is left')
            assert playing.parked() == []
        with pytest.raises(AssertionError, match='did not come to its end'):
            playing.result()


@pytest.mark.any_core
def test_the_room_has_no_descriptors_left(controller: Controller, many: Many, meeting: Meeting, tmp_path: Path) -> None:
    with Playing(tmp_path, controller, many(3), {'tasks': [job_of(meeting.wait()), NEXT]}, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 3, meeting)
            room = playing.room()
            assert room is not None
            resource.prlimit(room.pid, resource.RLIMIT_NOFILE, (3, 3))
            eventually(lambda: len(playing.waiting()) == 3, 'three children wait')
        run = playing.result()
    assert kinds(run, 'job') == kinds(run, 'next') == {f'h{n}': 'ok' for n in range(1, 4)}, run.output
    assert playing.parked() == []


def test_the_files_of_a_ticket_are_gone(controller: Controller, many: Many, meeting: Meeting, tmp_path: Path) -> None:
    with Playing(tmp_path, controller, many(2), {'tasks': [job_of(meeting.wait()), NEXT]}, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 2, meeting)
            for path in playing.parked():
                for file in path.parent.iterdir():
                    file.unlink()
        run = playing.result()
    assert set(kinds(run, 'job').values()) == {'failed'}, run.output
    assert all('look for them with async_info' in event.result['msg'] for event in run.of('job'))


@pytest.mark.any_core
def test_the_disk_of_tickets_is_full(controller: Controller, many: Many, tmp_path: Path) -> None:
    """Ansible itself needs a few bytes in its temporary directory, so the tickets have a full disk of their own there."""
    disk = tmp_path / 'full'
    wait = {**shell('sleep 0.1'), 'async': LONG, 'poll': 0}
    use = {
        'ansible.builtin.shell': f'for d in {tmp_path}/home/tmp/ansible-local-*; do mkdir -p $d/background.jobs; '
        f'ln -s {disk} $d/background.jobs/parked; done; head -c 9000000 /dev/zero > {disk}/fill || true',
        'run_once': True,
    }
    with small_disk(disk):
        run = controller.play(many(2), {'tasks': [wait, use, job_of('sleep 1')]}, VERBOSITY='3', FORKS='1')
        assert os.listdir(disk) == ['fill']
    assert kinds(run, 'job') == {'h1': 'ok', 'h2': 'ok'}, run.output
    assert any('No space left on device' in reason for reason in why_not_parked(run))


@pytest.mark.parametrize('action', ['async_run', 'async_wait'])
def test_a_host_that_cannot_run_python_for_a_moment(
    controller: Controller, meeting: Meeting, tmp_path: Path, action: str
) -> None:
    """As while its Python is upgraded. The room gives such a host back; it is asked again until it answers."""
    python, gate = tmp_path / 'python', tmp_path / 'gate'
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding='utf-8')
    python.chmod(0o755)
    host = local_target('h1', tmp_path, str(python))
    upgrade = f'{meeting.wait()}; mv {python} {python}.old; {until_there(gate)}; mv {python}.old {python}; echo done'
    tasks = [job_of(upgrade, poll=1)]
    if action == 'async_wait':
        tasks = [job_of(upgrade, poll=0), {WAIT: {'jobs': '{{ r }}'}, 'poll': 1, 'register': 'w'}]
    with Playing(tmp_path, controller, [host], {'tasks': tasks}) as playing:
        with meeting.closed():
            await_parked(playing, 1, meeting)
        eventually(lambda: has_shown(tmp_path, 'asking again') or playing.over(), 'the host does not answer')
        gate.touch()
        run = playing.result()
    assert run.rc == 0, run.output
    result = run['r'] if action == 'async_run' else run['w']['jobs'][0]
    assert result['stdout'] == 'done'


# --- Connections -----------------------------------------------------------------------------------------------------


def socket_of_room(room: Process) -> socket.socket:
    """Another descriptor of the room's socket to ansible: what is done to it is done to the socket."""
    pidfd = os.pidfd_open(room.pid)
    descriptor = int(room.command[room.command.index('-c') + 3])
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, pidfd, descriptor, 0)
        assert copy >= 0, os.strerror(ctypes.get_errno())
        return socket.socket(fileno=copy)
    finally:
        os.close(pidfd)


@pytest.mark.any_core
@pytest.mark.parametrize(
    'end', [socket.SHUT_WR, socket.SHUT_RD, socket.SHUT_RDWR], ids=['to ansible', 'to the room', 'both']
)
def test_the_socket_of_the_room_is_closed(
    controller: Controller, many: Many, meeting: Meeting, tmp_path: Path, end: int
) -> None:
    """Another room takes the tickets; the one that nobody hears, or that hears nobody, ends."""
    with Playing(tmp_path, controller, many(2), {'tasks': [job_of(meeting.wait()), NEXT]}, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 2, meeting)
            first = t.cast('Process', playing.room())
            with socket_of_room(first) as copy:
                copy.shutdown(end)
            eventually(lambda: new_room(playing, {first.pid}), 'there is another room')
            eventually(all_parked(playing, 2), 'it is the only one')
        run = playing.result()
    assert kinds(run, 'job') == kinds(run, 'next') == {'h1': 'ok', 'h2': 'ok'}, run.output
    assert playing.parked() == []


@contextlib.contextmanager
def silent_masters(fleet: Fleet) -> c.Iterator[set[int]]:
    """Have the master connections of ssh answer nothing; their pids."""
    silent = masters(fleet)
    try:
        for pid in silent:
            os.kill(pid, signal.SIGSTOP)
        yield silent
    finally:
        for pid in silent:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.any_core
def test_the_master_of_ssh_answers_nothing(
    controller: Controller, hosts: list[Target], fleet: Fleet, tmp_path: Path
) -> None:
    """The room leaves the hosts to workers, whose requests go on as soon as the master does."""
    gate = f'/tmp/silent-master-{tmp_path.name}'
    tasks = [job_of(until_there(gate), poll=1), NEXT]
    with Playing(tmp_path, controller, hosts, {'tasks': tasks}, FORKS='2', VERBOSITY='3') as playing:
        eventually(all_parked(playing, 2), 'two hosts are parked')
        with silent_masters(fleet) as silent:
            eventually(lambda: not playing.parked(), 'the room has waited long enough for an answer')
        for host in hosts:
            host.shell(f'touch {gate}')
        run = playing.result()
    assert len(silent) >= 2  # an earlier test may have left one of another user
    assert kinds(run, 'job') == kinds(run, 'next') == {host.name: 'ok' for host in hosts}, run.output
    assert run.output.count('are to be asked for') == 2


@pytest.mark.any_core
def test_the_master_of_ssh_never_answers_again(
    controller: Controller, hosts: list[Target], fleet: Fleet, tmp_path: Path
) -> None:
    """Each request ends when its answer is overdue, and the task a short time after the limit, with the truth."""
    job = job_of('sleep 600', **{'async': 40, 'poll': 1, 'vars': {'background_jobs_margin': 5}})
    with Playing(tmp_path, controller, hosts, {'tasks': [job, NEXT]}, FORKS='2') as playing:
        eventually(all_parked(playing, 2), 'two hosts are parked')
        with silent_masters(fleet) as silent:
            eventually(playing.over, 'the play has ended')
        run = playing.result()
    assert set(kinds(run, 'job').values()) == {'unreachable'}, run.output
    assert all('may still run there' in event.result['msg'] for event in run.of('job')), run.output
    assert kinds(run, 'next') == {}
    assert playing.parked() == []
    assert [process for process in playing.processes() if process.pid not in silent] == []
