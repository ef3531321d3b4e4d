# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connections that parked hosts depend on are closed, or nothing comes through them any more."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._parking import (
    NEXT,
    all_parked,
    job_of,
    kinds,
    masters,
    new_room,
)
from ansible_collections.background.jobs.tests.integration._playing import (
    Meeting,
    Playing,
    Process,
    eventually,
    until_there,
)
from ansible_collections.background.jobs.tests.integration._targets import Target
from hosts import Fleet

_PIDFD_GETFD = 438  # its number is the same on all architectures


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


@pytest.mark.parametrize(
    'end', [socket.SHUT_WR, socket.SHUT_RD, socket.SHUT_RDWR], ids=['to ansible', 'to the room', 'both']
)
def test_the_socket_of_the_room_is_closed(
    controller: Controller, many: t.Any, meeting: Meeting, tmp_path: Path, end: int
) -> None:
    """Another room takes the tickets; the one that nobody hears, or that hears nobody, ends."""
    with Playing(tmp_path, controller, many(2), {'tasks': [job_of(meeting.wait()), NEXT]}, FORKS='2') as playing:
        with meeting.closed():
            eventually(lambda: len(meeting.came()) == 2 and all_parked(playing, 2)(), 'two hosts are parked')
            first = t.cast('Process', playing.room())
            with socket_of_room(first) as copy:
                copy.shutdown(end)
            eventually(lambda: new_room(playing, {first.pid}), 'there is another room')
            eventually(all_parked(playing, 2), 'it is the only one')
        run = playing.result()
    assert kinds(run, 'job') == kinds(run, 'next') == {'h1': 'ok', 'h2': 'ok'}, run.output
    assert playing.parked() == []


def test_the_master_of_ssh_answers_nothing(
    controller: Controller, hosts: list[Target], fleet: Fleet, tmp_path: Path
) -> None:
    """The room leaves the hosts to workers, whose requests go on as soon as the master does."""
    gate = f'/tmp/silent-master-{tmp_path.name}'
    tasks = [job_of(until_there(gate), poll=1), NEXT]
    with Playing(tmp_path, controller, hosts, {'tasks': tasks}, FORKS='2', VERBOSITY='3') as playing:
        eventually(all_parked(playing, 2), 'two hosts are parked')
        silent = masters(fleet)
        try:
            for pid in silent:
                os.kill(pid, signal.SIGSTOP)
            eventually(lambda: not playing.parked(), 'the room has waited long enough for an answer', 180)
        finally:
            for pid in silent:
                os.kill(pid, signal.SIGCONT)
        for host in hosts:
            host.shell(f'touch {gate}')
        run = playing.result()
    assert len(silent) >= 2  # an earlier test may have left one of another user
    assert kinds(run, 'job') == kinds(run, 'next') == {host.name: 'ok' for host in hosts}, run.output
    assert run.output.count('are to be asked for') == 2
