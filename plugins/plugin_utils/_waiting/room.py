# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room: one process of each run of ansible, which waits for the jobs of all parked hosts.

It is a program of its own, so that it does not keep the memory of ansible. Ansible's main process starts it
(parked_hosts.py), hands it tickets, and learns which hosts can go on. The room handles the good case only: if a host does
not answer, it says so, and a worker of ansible finds out what is the matter.

The room and the main process exchange JSON objects, one in each message of a SEQPACKET socket. The main process sends
``{"path": ticket}``. Without a path, it asks the room to end. The room sends
``{"path": ticket, "what": one of below}``, and ``answered``, when the host last answered (time.monotonic()).

- ``ended``: all jobs have ended; ``<ticket>.looks`` has the looks (a list of the JSON objects of protocol.Look).
- ``seen``: a report is due about ``looks``.
- ``lost``: the host has not answered, or the task does not want to wait any longer.

Standard library only. Private to this collection.
"""

from __future__ import annotations

import collections
import errno
import functools
import json
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import time
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._waiting.exchanges import (
    Command,
    CommandLine,
    Exchange,
    session,
)
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parked_host import ParkedHost
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.rounds import SILENCE_SECONDS, request_seconds

_REPORTS_PER_SECOND = 25
"""Each costs some 3 ms of processor time, of the room and of the main process together."""
_REPORT_BYTES = 60_000
"""Of the longest report; the socket takes some 200,000 bytes."""
_SPARE_DESCRIPTORS = 64
_RECEIVED_BYTES = 1 << 16
_END_SECONDS = 10
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What this process has no more of at the moment."""


class _Room:
    """*main*: the socket to ansible's main process. *pidfd*: of that process. *forks*: commands at once.

    *files*: how many files a command may open, as getrlimit() has them.
    """

    def __init__(self, main: socket.socket, pidfd: int, forks: int, files: tuple[int, int]) -> None:
        self._main = main
        self._pidfd = pidfd
        self._null = os.open(os.devnull, os.O_RDWR)
        self._selector = selectors.DefaultSelector()
        self._kinds = (
            # EAGAIN of a session is about its master, which takes no more connections; of a Command about processes.
            _Kind(
                session, max(1, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_DESCRIPTORS) // 2), _EXHAUSTED
            ),
            _Kind(functools.partial(Command, files=files), forks, (*_EXHAUSTED, errno.EAGAIN)),
        )
        self._asked: dict[int, ParkedHost] = {}
        self._outbox: collections.deque[bytes] = collections.deque()
        self._reports = float(_REPORTS_PER_SECOND)
        self._is_dismissed = False

    def run(self) -> bool:
        """Wait until ansible has ended, or does not want this room any more.

        Returns True if ansible has ended and this process must remove the tickets.
        """
        self._main.setblocking(False)
        self._selector.register(self._pidfd, selectors.EVENT_READ)
        self._selector.register(self._main, selectors.EVENT_READ)
        second = time.monotonic()
        while True:
            for kind in self._kinds:
                while kind.ready and kind.asked < kind.at_once and self._ask(kind, kind.ready.popleft()):
                    pass
            for key, events in self._selector.select(1):
                if key.fileobj == self._pidfd:
                    return True
                if key.fileobj is not self._main:
                    self._read(key.fd)
                elif not self._talk(events):
                    return not self._is_dismissed and self._has_ended()
            now = time.monotonic()
            if now - second >= 1:
                self._reports = min(_REPORTS_PER_SECOND, self._reports + (now - second) * _REPORTS_PER_SECOND)
                self._give_up(now)
                second = now

    def _talk(self, events: int) -> bool:
        """Exchange messages with the main process. Returns whether it still listens."""
        try:
            while self._outbox and events & selectors.EVENT_WRITE:
                self._main.send(self._outbox[0])
                self._outbox.popleft()
            if not self._outbox:
                self._selector.modify(self._main, selectors.EVENT_READ)
            if events & selectors.EVENT_READ:
                message = self._main.recv(_RECEIVED_BYTES)
                path = json.loads(message)['path'] if message else None
                self._is_dismissed = bool(message) and path is None
                if path is None:
                    return False
                self._take(path)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def _has_ended(self) -> bool:
        """Whether ansible has ended. The kernel closes the socket a moment before."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._pidfd, selectors.EVENT_READ)
            return bool(selector.select(_END_SECONDS))

    def _take(self, path: str) -> None:
        """Wait for the host of the ticket *path*."""
        try:
            host = ParkedHost.read(path)
        except (OSError, ValueError):
            self._tell(path, 'lost', answered=None)
            return
        self._kind(host).hosts += 1
        self._kind(host).ready.append(host)

    def _tell(self, path: str, what: str, **details: t.Any) -> None:
        self._outbox.append(json.dumps(dict(details, path=path, what=what)).encode())
        self._selector.modify(self._main, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _kind(self, host: ParkedHost) -> _Kind:
        return self._kinds[host.control is None]

    def _ask(self, kind: _Kind, host: ParkedHost) -> bool:
        """Send a request. Returns False if this process can send no more of them now."""
        seconds = self._seconds(kind, host)
        try:
            exchange = kind.exchange(host.command_line(seconds), self._null)
        except OSError as error:
            if error.errno in kind.exhausted and self._asked:
                kind.ready.appendleft(host)  # there is room again when another request has ended
                return False
            self._use_command(host)
            return True
        host.ask(exchange, time.monotonic() + seconds + SILENCE_SECONDS)
        kind.asked += 1
        self._asked[exchange.descriptor] = host
        self._selector.register(exchange.descriptor, selectors.EVENT_READ)
        return True

    def _seconds(self, kind: _Kind, host: ParkedHost) -> float:
        """For how long the target may hold the next request of *host* while nothing happens."""
        now = time.monotonic()
        interval = self._report_seconds(host)
        # A report that could not be made is tried again, but not so often that the requests cost more than the reports.
        due = min(max(1.0, interval / 10, host.reported + interval - now), max(0.0, host.until - now))
        # The others of its play may come yet: they must not wait until a long request is over.
        crowded = max(kind.hosts, host.hosts) > kind.at_once
        # A part of a sharer counts: where there are a few hosts too many for thousands of turns, these hardly wait.
        sharers = max(1.0, kind.hosts / kind.at_once) if crowded else 0
        return request_seconds(due, sharers, waited=now - host.parked, followed=False, hosts=kind.hosts)

    def _report_seconds(self, host: ParkedHost) -> float:
        """Between two reports about *host*: all hosts together share the number of reports."""
        return max(host.poll, sum(kind.hosts for kind in self._kinds) / _REPORTS_PER_SECOND)

    def _use_command(self, host: ParkedHost) -> None:
        """The master connection of ssh did not do: ssh itself makes a new one. Nothing else is left after that."""
        if host.control is None:
            self._finish(host, 'lost')
            return
        self._move(host, None)
        self._kind(host).ready.append(host)

    def _move(self, host: ParkedHost, control: str | None) -> None:
        """Ask *host* over the master connection *control* from now on, or by a command."""
        self._kind(host).hosts -= 1
        host.control = control
        self._kind(host).hosts += 1

    def _end(self, host: ParkedHost) -> bytes:
        """End the request of *host*. Returns what has come of the answer."""
        exchange = host.exchange
        self._kind(host).asked -= 1
        self._selector.unregister(exchange.descriptor)
        del self._asked[exchange.descriptor]
        exchange.close()
        return host.take_output()

    def _finish(self, host: ParkedHost, what: str) -> None:
        self._kind(host).hosts -= 1
        self._tell(host.path, what, answered=host.answered)

    def _read(self, descriptor: int) -> None:
        host = self._asked.get(descriptor)
        if host is not None and host.read_answer():
            self._answer(host, self._end(host))

    def _answer(self, host: ParkedHost, output: bytes) -> None:
        looks = host.looks(output)
        if looks is None:
            self._use_command(host)
            return
        host.answered = time.monotonic()
        if all(look['ended'] or not look['job'] for look in looks):
            self._finish(host, 'ended' if host.write(looks) else 'lost')
        elif host.answered >= host.until:
            self._finish(host, 'lost')
        else:
            self._report(host, looks)
            self._move(host, host.first_control)  # ssh has made a new master connection
            self._kind(host).ready.append(host)

    def _report(self, host: ParkedHost, looks: list[dict[str, t.Any]]) -> None:
        if not host.has_changed(looks) and host.answered < host.reported + self._report_seconds(host):
            return
        if self._reports >= 1 and not self._outbox and len(json.dumps(looks)) < _REPORT_BYTES:
            self._reports -= 1
            host.remember_report(looks)
            self._tell(host.path, 'seen', looks=looks, answered=host.answered)

    def _give_up(self, now: float) -> None:
        """End the requests that have not been answered in time."""
        for host in [host for host in self._asked.values() if host.deadline < now]:
            self._end(host)
            self._finish(host, 'lost')


class _Kind:
    """The hosts that are asked in the same way: *exchange*, at most *at_once* of them at the same time.

    *exhausted*: the errors after which another request has to end before the next one can be sent.
    """

    def __init__(
        self, exchange: t.Callable[[CommandLine, int], Exchange], at_once: int, exhausted: tuple[int, ...]
    ) -> None:
        self.exchange = exchange
        self.at_once = at_once
        self.exhausted = exhausted
        self.asked = 0
        self.hosts = 0
        self.ready: collections.deque[ParkedHost] = collections.deque()


def main() -> None:
    """Arguments: descriptors of the socket and of the pidfd, the number of forks, the folder of the tickets."""
    descriptor, pidfd, forks, folder = sys.argv[1:]
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    room = _Room(socket.socket(fileno=int(descriptor)), int(pidfd), int(forks), files)
    try:
        if room.run():
            shutil.rmtree(folder, ignore_errors=True)  # ansible was killed; it may have had no time to do so
    finally:
        os.killpg(0, signal.SIGKILL)  # what its commands have started; the room leads a group of its own
