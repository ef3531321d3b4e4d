# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room: who is asked how, and that each host is told of, whatever goes wrong."""

from __future__ import annotations

import collections.abc as c
import contextlib
import errno
import json
import os
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import room_client, tickets
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.exchanges import Command, CommandLine
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parked_host import ParkedHost
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.room import _Room
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.room_client import Room
from ansible_collections.background.jobs.tests.tools.nobody import as_nobody
from ansible_collections.background.jobs.tests.unit.plugins.plugin_utils._master import master

LOOK: dict[str, t.Any] = {'ended': True, 'job': {'id': 'j1', 'state': 'succeeded'}}
ENDED = 'background.jobs>' + json.dumps({'response': {'jobs': [LOOK]}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / 'parked'
    path.mkdir()
    return path


@pytest.fixture
def room(folder: Path) -> c.Iterator[Room]:
    made = Room(2, str(folder))
    yield made
    made.end()


def ticket(folder: Path, name: str, command: str, control: str | None = None, **fields: t.Any) -> str:
    """The path of a ticket whose host answers what the shell's *command* prints."""
    made = tickets.Ticket(
        argv=['/bin/sh', '-c', command],
        control=control,
        placeholder='REQUEST',
        request={'op': 'wait'},
        hosts=1,
        poll=60,
        until=None,
        answered=time.monotonic(),
    )._replace(**fields)
    path = str(folder / name)
    tickets.write_private(path, json.dumps(made).encode())
    return path


def heard(room: Room, count: int) -> dict[str, dict[str, t.Any]]:
    """The path of each ticket -> what the room has told of it, as soon as it has told of *count*."""
    found: dict[str, dict[str, t.Any]] = {}
    until = time.monotonic() + 60
    while len(found) < count:
        found.update({message['path']: message for message in room.messages()})
        select.select([room._socket], [], [], 0.1)
        assert time.monotonic() < until, found
    return found


def test_an_end_is_told_and_its_looks_are_private(room: Room, folder: Path) -> None:
    path = ticket(folder, 'one', f"echo banner; echo '{ENDED}'; echo trailer")
    room.hand(path)
    assert heard(room, 1)[path]['what'] == 'ended'
    looks = Path(tickets.looks_path(path))
    assert stat.S_IMODE(looks.stat().st_mode) == 0o600
    assert json.loads(looks.read_text()) == [LOOK]


@pytest.mark.parametrize(
    'command',
    [
        'exit 255',
        'echo no answer',
        'echo "background.jobs>{half"',
        *(f"echo '{ENDED.replace(json.dumps(LOOK), answer)}'" for answer in ('1', '{"ended": true, "job": "j1"}')),
        f"echo '{ENDED.replace('succeeded', 'gone')}'",
        f"echo '{ENDED.replace('[', '').replace(']', '')}'",
    ],
)
def test_a_host_without_an_answer_is_lost(room: Room, folder: Path, command: str) -> None:
    path = ticket(folder, 'one', command)
    room.hand(path)
    assert heard(room, 1)[path]['what'] == 'lost'


def test_what_the_looks_of_a_parked_host_say_controls_no_terminal(room: Room, folder: Path) -> None:
    """As without parking (test_remote.py): the worker that goes on shows the texts as they are."""
    answer = 'background.jobs>' + json.dumps({'response': {'jobs': [{**LOOK, 'warning': 'a\x1b]0;owned\x07'}]}})
    path = ticket(folder, 'one', f"printf '%s\\n' '{answer}'")
    room.hand(path)
    assert heard(room, 1)[path]['what'] == 'ended'
    (look,) = json.loads(Path(tickets.looks_path(path)).read_text('utf-8'))
    assert look == {**LOOK, 'warning': 'a\\x1b]0;owned\\x07'}


def test_a_ticket_that_is_gone_is_lost(room: Room, folder: Path) -> None:
    room.hand(str(folder / 'gone'))
    assert heard(room, 1)[str(folder / 'gone')]['what'] == 'lost'


def test_looks_that_cannot_be_written_are_lost(room: Room, folder: Path) -> None:
    path = ticket(folder, 'one', f"echo '{ENDED}'")
    Path(tickets.looks_path(path)).mkdir()
    room.hand(path)
    assert heard(room, 1)[path]['what'] == 'lost'


def test_a_wait_that_is_over_in_time_is_lost(room: Room, folder: Path) -> None:
    lives = ENDED.replace('true', 'false')
    path = ticket(folder, 'one', f"echo '{lives}'", until=time.monotonic())
    room.hand(path)
    assert heard(room, 1)[path]['what'] == 'lost'


@pytest.mark.parametrize('hosts', [1, 60])
def test_a_master_connection_takes_no_process(room: Room, folder: Path, tmp_path: Path, hosts: int) -> None:
    with master(f'{tmp_path}/m', ENDED.encode()):
        paths = [ticket(folder, f'{n}', f'touch {tmp_path}/ran', f'{tmp_path}/m') for n in range(hosts)]
        for path in paths:
            room.hand(path)
        assert {message['what'] for message in heard(room, hosts).values()} == {'ended'}
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('fault', ['gone', 'refuses'])
def test_without_a_master_connection_the_command_is_run(room: Room, folder: Path, tmp_path: Path, fault: str) -> None:
    with master(f'{tmp_path}/m', b'') if fault == 'refuses' else contextlib.nullcontext():
        path = ticket(folder, 'one', f"echo '{ENDED}'", f'{tmp_path}/m')
        room.hand(path)
        assert heard(room, 1)[path]['what'] == 'ended'


def test_few_descriptors_are_no_fault_of_a_host(folder: Path) -> None:
    """The room may open less files than there are hosts: they take turns."""
    made = Room(50, str(folder))
    resource.prlimit(made._process.pid, resource.RLIMIT_NOFILE, (16, 16))
    try:
        paths = [ticket(folder, f'{n}', f"sleep 0.1; echo '{ENDED}'") for n in range(40)]
        for path in paths:
            made.hand(path)
        told = heard(made, len(paths))
    finally:
        made.end()
    assert {message['what'] for message in told.values()} == {'ended'}


def test_a_command_that_belongs_to_root_does_not_hold_the_room_up() -> None:
    """As with `become` on the local connection: the shell executes sudo in its own place."""
    command = Command(
        CommandLine(['sleep', '600'], None), subprocess.DEVNULL, files=resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    try:
        with as_nobody():
            command.close()
        assert command._process.returncode is None
    finally:
        command._process.kill()
        command._process.wait()


def test_a_command_may_open_as_many_files_as_ansible(folder: Path) -> None:
    """It may start a job, which inherits that."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0] - 1, limits[1]))
    try:
        made = Room(1, str(folder))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    path = ticket(folder, 'one', f"ulimit -n > {folder}/files; echo '{ENDED}'")
    made.hand(path)
    heard(made, 1)
    made.end()
    assert (folder / 'files').read_text().strip() == str(limits[0] - 1)


def test_few_processes_are_no_fault_of_a_host(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A fork that fails is tried again when another request has ended."""
    main, pidfd = socket.socketpair()[0], os.pidfd_open(os.getpid())
    made = _Room(main, pidfd, 2, resource.getrlimit(resource.RLIMIT_NOFILE))
    commands = made._kinds[1]
    one, other = (ParkedHost.read(ticket(folder, name, 'true')) for name in ('one', 'other'))
    assert made._ask(commands, one)

    def fork(*_arguments: t.Any) -> t.NoReturn:
        raise BlockingIOError(errno.EAGAIN, 'Resource temporarily unavailable')  # as for a user with too many processes

    monkeypatch.setattr(commands, 'exchange', fork)
    assert not made._ask(commands, other)
    assert list(commands.ready) == [other]


def test_a_killed_room_is_noticed(room: Room, folder: Path) -> None:
    room.hand(ticket(folder, 'one', 'sleep 100'))
    list(room.messages())
    os.kill(room._process.pid, signal.SIGKILL)
    with pytest.raises(OSError, match=r'room has ended|Broken pipe|reset'):
        heard(room, 1)
    room.kill()
    assert room._process.returncode == -signal.SIGKILL


@pytest.mark.parametrize('how', ['end', 'kill'])
def test_its_commands_end_with_it(folder: Path, how: str) -> None:
    made = Room(2, str(folder))
    made.hand(ticket(folder, 'one', f'echo $$ > {folder}/pid; sleep 100 & wait'))
    until = time.monotonic() + 60
    while not (folder / 'pid').exists() or not (folder / 'pid').read_text():
        list(made.messages())
        assert time.monotonic() < until
        time.sleep(0.05)
    getattr(made, how)()
    alive = ['pgrep', '-g', str(made._process.pid), '--runstates', 'R,S,D']
    while subprocess.run(alive, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        assert time.monotonic() < until  # the kernel needs a moment to end what was killed
        time.sleep(0.05)
    assert made._process.returncode is not None


def test_it_ends_when_ansible_is_killed_and_removes_the_tickets(folder: Path) -> None:
    script = (
        'import sys, time; sys.path.insert(0, sys.argv[1]); '
        f'from {room_client.__name__} import Room; '
        'room = Room(2, sys.argv[2]); print(room._process.pid, flush=True); time.sleep(100)'
    )
    ticket(folder, 'one', 'true')
    with subprocess.Popen(
        [sys.executable, '-c', script, str(room_client._ROOT), str(folder)], stdout=subprocess.PIPE
    ) as ansible:
        pid = int(t.cast('t.IO[bytes]', ansible.stdout).readline())
        room = os.pidfd_open(pid)
        ansible.kill()
    assert select.select([room], [], [], 60)[0]
    os.close(room)
    assert not folder.exists()
