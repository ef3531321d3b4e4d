# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parked hosts in ansible's main process: takes their tickets, and queues their tasks again when they can go on.

A worker whose host is to wait sends the path of its ticket over a socket, which it has inherited, and exits (parking.py).
The main process reads the socket before its strategy queues a task, and whenever the strategy looks for results. It hands
the ticket to the room, and when the room says that the jobs have ended, or that it does not know what is the matter, it has a
fresh worker run the task again. That worker finds a Resumption here. Private to this collection.
"""

from __future__ import annotations

import atexit
import collections
import functools
import json
import multiprocessing
import os
import pickle
import socket
import time
import typing as t

from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat import parked_task
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.parked_task import Key
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.worker import current_worker
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._show import events
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import ReportForm
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import tickets
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.due_reports import DueReports, Looks
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.room_client import Room
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import path_in_run

_MESSAGE_BYTES = 1 << 16
_ROOMS = 3
"""How many rooms are started, if one after the other is killed."""
_FORK_SECONDS = 30
"""For how long a fork that fails is tried again."""
_REST_SECONDS = 0.2
"""The longest rest of the main process. ansible-core's own checks, of dead workers for one, come between two rests."""

display = Display()


class ParkedTask(t.NamedTuple):
    """What is needed to go on with the task of a parked host."""

    keywords: dict[str, t.Any]
    """parked_task.validated_keywords()"""
    warnings: list[t.Any]
    """What the worker has been warned of."""
    form: ReportForm
    host: str
    jobs: dict[str, str]
    """Job id -> how people call it: the jobs that had not ended."""
    of_action: t.Any
    """What the action needs to know."""


class Resumption(t.NamedTuple):
    """What a fresh worker finds that goes on with the task of a parked host."""

    task: ParkedTask | None
    """None if it could not be read."""
    path: str
    ended: bool
    """Whether the room has seen the ends of all jobs."""
    answered: float
    """When the host last answered (time.monotonic())."""


class _Parked(t.NamedTuple):
    key: Key
    path: str
    parked: float


class ParkedHosts:
    """The parked hosts of this run."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.resumption: Resumption | None = None
        """Of the task that is just queued again; the worker inherits it."""
        self._inbox, self._outlet = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._inbox.setblocking(False)
        self._room: Room | None = None
        self._rooms = 0
        self._parked: dict[str, _Parked] = {}
        self._to_resume: collections.deque[tuple[_Parked, bool, float]] = collections.deque()
        self._fork_fails_since: float | None = None
        self._shared: dict[str, t.Any] = {}
        self._strategy: t.Any = None
        self._reports = DueReports()
        parked_task.call_while_results_are_awaited(self.look, self.take_tickets)
        atexit.register(self._end)

    def has_given_up(self) -> bool:
        """Whether no room can be had any more."""
        return self._room is None and self._rooms >= _ROOMS

    def send(self, key: Key, path: str) -> None:
        """In a worker: tell the main process that the host of the task *key* is parked. Raises OSError.

        It never waits for room in the socket: the main process may be waiting for this worker's end.
        """
        self._outlet.send(json.dumps([key, path]).encode(), socket.MSG_DONTWAIT)

    def look(self, strategy: t.Any, queues: bool) -> None:
        """Look for tickets and ends. *queues*: whether *strategy* still queues tasks."""
        if os.getpid() != self.pid:
            return
        self.take_tickets(strategy)
        if self._room is not None:
            self._listen(self._room)
        self._reports.make_one(functools.partial(self._report, strategy))
        while self._to_resume and parked_task.has_free_worker(strategy) and self._resume(strategy):
            pass
        if self._to_resume and queues:  # one of each, so that the ends do not wait until all tasks are queued
            self._resume(strategy)
        if not self._to_resume:
            self._fork_fails_since = None
        if self._parked and not queues and len(self._parked) == parked_task.number_of_expected(strategy):
            self._rest()

    def _give_up_all(self) -> None:
        """Forget the hosts of a play that has been given up. The room may still tell of them."""
        for path in self._parked:
            self._reports.remove(path)
            tickets.remove(path)
        self._parked.clear()

    def _rest(self) -> None:
        """While every task that has not ended is parked, sleep until there is something to do.

        ansible-core itself looks for results 1,000 times a second, which takes a tenth of a processor.
        """
        if self._room is not None:
            self._room.wait(self._inbox, min(_REST_SECONDS, self._reports.seconds()))

    def take_tickets(self, strategy: t.Any) -> None:
        """Take the tickets that workers of *strategy* have left. Call it so often that the socket does not fill up."""
        if os.getpid() != self.pid:
            return
        if strategy is not self._strategy:
            self._give_up_all()
            self._strategy = strategy
        while True:
            try:
                message = self._inbox.recv(_MESSAGE_BYTES)
            except OSError:  # most often BlockingIOError
                return
            (host, task), path = json.loads(message)
            parked = _Parked((host, task), path, time.monotonic())
            if not parked_task.is_expected(strategy, parked.key):
                tickets.remove(path)  # the play has been given up
                continue
            parked_task.share_variables(strategy, parked.key, self._shared)
            self._parked[path] = parked
            self._hand(path)

    def _hand(self, path: str) -> None:
        """Give a ticket to the room, which is started if there is none."""
        try:
            if self._room is None:
                if self.has_given_up():
                    raise OSError('the room was killed again and again')
                self._rooms += 1
                self._room = Room(settings.forks(), os.path.dirname(path))
        except OSError as error:
            display.vvv(f'No room waits for parked hosts: {error}')
            self._let_go_on(path, ended=False, answered=None)
        else:
            self._room.hand(path)

    def _listen(self, room: Room) -> None:
        """Take what the room tells. If it was killed, give all tickets to another one."""
        try:
            for message in room.messages():
                self._hear(message)
        except OSError as error:
            display.vvv(f'The room of parked hosts has ended: {error}')
            room.kill()
            self._room = None
            for path in list(self._parked):
                self._hand(path)

    def _hear(self, message: dict[str, t.Any]) -> None:
        path = message['path']
        if path not in self._parked:
            return
        if message['what'] == 'seen':
            self._reports.add(path, message['looks'])
        else:
            self._let_go_on(path, ended=message['what'] == 'ended', answered=message['answered'])

    def _let_go_on(self, path: str, *, ended: bool, answered: float | None) -> None:
        """Have the task of a parked host go on as soon as there is a worker for it."""
        parked = self._parked.pop(path)
        self._reports.remove(path)
        self._to_resume.append((parked, ended, answered or parked.parked))

    def _report(self, strategy: t.Any, path: str, reported: Looks) -> None:
        """Tell callback plugins and people of the looks *reported*. No task fails because of that."""
        parked = self._parked[path]
        task = _read(parked.path)
        if task is None or not parked_task.is_expected(strategy, parked.key):
            return
        try:
            looks = [look for look in (Look(**fields) for fields in reported) if look.job]
            if looks:
                result = events.as_told(task.form.event(looks))
                parked_task.send_event_of(strategy, parked.key, task.keywords, 'v2_runner_on_async_poll', result)
                task.form.show_line(looks)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            display.vvv(f'{task.host}: nothing is reported of its jobs at the moment: {error}')

    def _resume(self, strategy: t.Any) -> bool:
        """Queue the task of the host that can go on for the longest time. Returns whether another one may follow."""
        parked, ended, answered = self._to_resume.popleft()
        if not parked_task.is_expected(strategy, parked.key):
            tickets.remove(parked.path)
            return True
        task = _read(parked.path)
        self.resumption = Resumption(task, parked.path, ended, answered)
        keywords: dict[str, t.Any] = {'args': {}} if task is None else task.keywords
        try:
            queued = parked_task.queue_again(strategy, parked.key, keywords)
        finally:
            self.resumption = None
        if queued:
            self._fork_fails_since = None
            return True
        now = time.monotonic()
        self._fork_fails_since = self._fork_fails_since or now
        if now - self._fork_fails_since < _FORK_SECONDS:
            self._to_resume.appendleft((parked, ended, answered))
            return False
        tickets.remove(parked.path)
        jobs = 'its jobs' if task is None else ', '.join(task.jobs.values())
        parked_task.send_failure(
            strategy,
            parked.key,
            f'{parked.key[0]}: this machine could make no process for {_FORK_SECONDS} s, so nobody waits for {jobs} any more. '
            'The jobs go on: wait for them with async_wait.',
        )
        return True

    def _end(self) -> None:
        """At the end of ansible: end the room before ansible removes its temporary directory."""
        if self._room is not None and os.getpid() == self.pid:
            self._room.end()


def new_path() -> str:
    """A path for the ticket of one host of this run. Raises OSError."""
    folder = path_in_run('parked')
    os.makedirs(folder, 0o700, exist_ok=True)
    return os.path.join(folder, os.urandom(8).hex())


def parked_jobs() -> list[tuple[str, str, str]]:
    """(host, how people call the job, its id) of each job that a host of this run is parked for."""
    try:
        folder = os.path.dirname(new_path())
        paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except OSError:
        return []
    tasks = [_read(path) for path in paths if os.path.exists(tickets.task_path(path))]
    return [(task.host, label, job_id) for task in tasks if task for job_id, label in task.jobs.items()]


def _read(path: str) -> ParkedTask | None:
    try:
        with open(tickets.task_path(path), 'rb') as file:
            task: ParkedTask = pickle.load(file)
    except (OSError, EOFError, pickle.UnpicklingError):
        return None
    return task


_hosts: ParkedHosts | None = None


def park_from_now_on() -> None:
    """In ansible's main process: have it take the tickets of parked hosts.

    Called by set_up_main_process() (main_process.py).
    """
    global _hosts
    if _hosts is None and current_worker() is None and hasattr(os, 'pidfd_open') and parked_task.is_as_expected():
        try:
            _hosts = ParkedHosts()
        except OSError as error:
            display.vvv(f'No host will be parked: {error}')


def parked_hosts() -> ParkedHosts | None:
    """In a worker: the parked hosts of the main process that has made it, if there are such."""
    main = multiprocessing.parent_process()
    return _hosts if _hosts is not None and main is not None and main.pid == _hosts.pid else None
