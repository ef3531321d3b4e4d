# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two forks by which a worker leaves its task to a child: whatever fails, one process goes on with the task.

And what else becomes of processes of a task: the watcher, which outlives those that it watches; one that is interrupted
while it begins to wait; those that look at many hosts.
"""

from __future__ import annotations

import collections.abc as c
import errno
import multiprocessing
import os
import pickle
import queue
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible import constants as C
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat import host_tasks
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import interrupt, watcher

COLLECTIONS = Path(__file__).resolve().parents[4] / 'collections'

SCRIPT = '''
import os, signal, sys
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import workers

name, fault, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
function, say, calls = getattr(os, name), os.write, []

def faulty(*arguments):
    calls.append(arguments)
    if len(calls) < number:
        return function(*arguments)
    if fault == 'kills':
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(11, 'the test has made it fail')

setattr(os, name, faulty)
try:
    guarded = workers._fork_guarded()
except OSError:
    say(1, b'worker ')
else:
    if guarded is None:
        say(1, b'child ')
    else:
        say(1, b'guardian of %d ' % os.waitpid(guarded.pid, 0)[1])
os._exit(0)
'''


def who_goes_on(name: str, fault: str, call: int) -> str:
    """Who returns from the forks if the *call*-th call of os.*name* fails, or kills the process that makes it."""
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, name, fault, str(call)],
        env={**os.environ, 'PYTHONPATH': str(COLLECTIONS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding='utf-8',
        check=False,
        timeout=60,
    )
    return done.stdout.strip()  # of all processes: the pipe ends when the last one has ended


def test_the_child_goes_on_and_the_guardian_waits_for_it() -> None:
    assert who_goes_on('fork', 'fails', 3) == 'child guardian of 0'


@pytest.mark.parametrize(
    ('name', 'call'),
    [('pipe', 1), ('pipe', 2), ('fork', 1), ('fork', 2), ('pidfd_open', 1), ('write', 1)],
    ids=['first pipe', 'second pipe', 'guardian', 'child', 'pidfd of the child', 'a guardian that cannot report'],
)
def test_where_a_step_fails_the_worker_goes_on(name: str, call: int) -> None:
    assert who_goes_on(name, 'fails', call) == 'worker'


@pytest.mark.parametrize(('name', 'call'), [('setsid', 1), ('fork', 2), ('pidfd_open', 1), ('write', 1)])
def test_where_the_guardian_is_killed_before_it_watches_the_worker_goes_on(name: str, call: int) -> None:
    assert who_goes_on(name, 'kills', call) == 'worker'


class Watched:
    """A task whose failed result is *result*, as its guardian and its child have it."""

    def __init__(self, result: str) -> None:
        self._reader, self._writer = os.pipe()
        self._result = os.memfd_create('failed result')
        os.write(self._result, pickle.dumps(result))

    def send(self, connection: socket.socket) -> None:
        socket.send_fds(connection, [watcher._READY], [self._reader, self._result])

    def tell_sent(self) -> None:
        os.write(self._writer, watcher._SENT)

    def end(self) -> None:
        for descriptor in (self._reader, self._writer, self._result):
            os.close(descriptor)


class Watching:
    """A watcher in a thread of this process: what it sends comes into `results`."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.results: queue.SimpleQueue[str] = queue.SimpleQueue()

    def client(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(60)
        return connection

    def connected(self) -> socket.socket:
        connection = self.client()
        connection.connect(self._address)
        return connection

    def watch(self, task: Watched) -> None:
        with self.connected() as connection:
            task.send(connection)
            assert connection.recv(1) == watcher._READY

    def assert_watches(self) -> None:
        task = Watched('last')
        self.watch(task)
        task.end()
        assert self.results.get(timeout=60) == 'last'


@pytest.fixture
def watching(tmp_path: Path) -> c.Iterator[Watching]:
    address = str(tmp_path / 'watcher')
    made = Watching(address)
    with (
        subprocess.Popen(['sleep', '600']) as ansible,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening,
    ):
        listening.bind(address)
        listening.listen()
        worker = t.cast('t.Any', SimpleNamespace(_final_q=made.results))
        thread = threading.Thread(target=watcher._Watcher(worker, os.pidfd_open(ansible.pid), listening).run)
        thread.start()
        yield made
        ansible.kill()
        thread.join()


def test_a_task_that_has_sent_its_result_gets_no_other_one(watching: Watching) -> None:
    """After a watcher was killed, guardian and child both register their task, and one of them may be late."""
    task = Watched('first')
    watching.watch(task)
    task.tell_sent()
    watching.watch(task)
    task.end()
    watching.assert_watches()


def test_the_watcher_outlives_a_client_that_is_killed(watching: Watching) -> None:
    task = Watched('first')
    with watching.connected() as connection:
        task.send(connection)
    with watching.connected() as connection:
        task.send(connection)
        assert select.select([connection], [], [], 60)[0]
    watching.watch(task)
    task.tell_sent()
    task.end()
    watching.assert_watches()


def test_a_watcher_without_descriptors_refuses_a_task(watching: Watching) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with watching.client() as connection:
        lowest_free = os.dup(connection.fileno())
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            connection.connect(watching._address)
            assert connection.recv(1) == b''
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    watching.assert_watches()


INTERRUPTED = '''
import os, resource, signal, sys, types
from ansible import constants as C
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import new_look
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import interrupt

C.DEFAULT_LOCAL_TMP = sys.argv[1]
most = int(sys.argv[2])
interrupt.current_worker = lambda: True

class Registration(interrupt._Registration):
    def __init__(self, on_interrupt):
        os.kill(os.getpid(), signal.SIGTERM)
        super().__init__(on_interrupt)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

interrupt._Registration = Registration
look = new_look('j1', '/async', 'deploy', job={'name': 'upgrade', 'state': 'running'})
interrupt.wait_interruptibly(
    types.SimpleNamespace(host='h1'), [look], types.SimpleNamespace(latest=None), on_interrupt='leave'
)
'''


@pytest.mark.parametrize(
    ('most', 'endings'),
    [(4096, [('h1', 'upgrade', 'j1', 'goes on')]), (6, []), (8, [])],
    ids=['in time', 'no room', 'room for half a line'],
)
def test_a_signal_that_comes_while_a_wait_registers_ends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, most: int, endings: list[tuple[str, ...]]
) -> None:
    """*most*: bytes that its file may have, of which the first line takes 6."""
    waits = subprocess.Popen(
        [sys.executable, '-c', INTERRUPTED, str(tmp_path), str(most)],
        env={**os.environ, 'PYTHONPATH': str(COLLECTIONS)},
        start_new_session=True,
    )
    assert waits.wait(60) == -signal.SIGTERM
    monkeypatch.setattr(C, 'DEFAULT_LOCAL_TMP', str(tmp_path))
    assert interrupt.Wait(f'wait-{waits.pid}').endings() == endings


def test_a_process_that_is_killed_in_its_result_fails_its_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_tasks, '_execute', lambda *_arguments: {'text': 'x' * 1_000_000})  # more than a pipe takes
    child = host_tasks._Child(None, t.cast('t.Any', None), 'h1')
    assert not child.read()
    os.kill(child._pid, signal.SIGKILL)
    while not child.read():
        pass
    assert 'ended without an answer' in child.result()['msg']


def test_a_host_that_no_process_can_look_at_leaves_no_descriptor_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, 'Resource temporarily unavailable')

    monkeypatch.setattr(os, 'fork', fork)
    monkeypatch.setattr(host_tasks, 'WorkerProcess', type(multiprocessing.current_process()))
    monkeypatch.setattr(host_tasks, '_load', lambda *_arguments: None)
    before = set(os.listdir('/proc/self/fd'))
    results = host_tasks.run_on_hosts(['h1', 'h2'], 'background.jobs.async_info', {}, at_once=2)
    # What an earlier test has left may be closed in the meantime.
    assert set(os.listdir('/proc/self/fd')) <= before
    assert ['could make no process' in results[host]['msg'] for host in ('h1', 'h2')] == [True, True]
