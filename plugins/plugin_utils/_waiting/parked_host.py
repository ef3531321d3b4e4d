# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host of the room. Standard library only. Private to this collection."""

from __future__ import annotations

import base64
import json
import math
import os
import time
import typing as t
import zlib

from ansible_collections.background.jobs.plugins.plugin_utils._places.response import answer_in, looks_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.exchanges import CommandLine, Exchange
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.tickets import Ticket, looks_path, write_private

_READ_BYTES = 1 << 20


class ParkedHost:
    """The host of the ticket *path*."""

    def __init__(self, path: str, ticket: Ticket) -> None:
        self.path = path
        self._ticket = ticket
        self.control = self.first_control = ticket.control
        """The control socket of ssh's master connection; None: it cannot be used."""
        self.poll = ticket.poll
        self.hosts = ticket.hosts
        self.until = math.inf if ticket.until is None else ticket.until
        self.parked = time.monotonic()
        self.reported = self.answered = ticket.answered
        self.exchange: Exchange
        self.deadline = math.inf
        self._states: list[str | None] | None = None
        """Of the jobs, as the last report had them."""
        self._output: list[bytes] = []

    @classmethod
    def read(cls, path: str) -> ParkedHost:
        """Raises OSError or ValueError."""
        with open(path, encoding='utf-8') as file:
            return cls(path, Ticket(*json.load(file)))

    def command_line(self, seconds: float) -> CommandLine:
        """What asks the host for the ends of its jobs, which it may wait for that long."""
        call = {'request': dict(self._ticket.request, seconds=seconds)}
        data = base64.b64encode(zlib.compress(json.dumps(call).encode())).decode()
        return CommandLine([word.replace(self._ticket.placeholder, data) for word in self._ticket.argv], self.control)

    def ask(self, exchange: Exchange, deadline: float) -> None:
        """*exchange* carries a request, which is given up at *deadline* (time.monotonic())."""
        self.exchange = exchange
        self.deadline = deadline

    def read_answer(self) -> bool:
        """Take what has come of the answer. Returns whether that was all."""
        piece = os.read(self.exchange.descriptor, _READ_BYTES)
        self._output.append(piece)
        return not piece

    def take_output(self) -> bytes:
        """What has come of the answer; the next request begins with nothing."""
        output, self._output = b''.join(self._output), []
        return output

    def looks(self, output: bytes) -> list[dict[str, t.Any]] | None:
        """The looks of the answer in *output*, or None where there is none."""
        try:
            answer = answer_in(output.decode(errors='replace'))
            return None if answer is None else looks_of(answer['response'])
        except (KeyError, TypeError, ValueError):
            return None

    def has_changed(self, looks: list[dict[str, t.Any]]) -> bool:
        """Whether the states of the jobs are others than in the last report."""
        states = _states(looks)
        if self._states is None:
            self._states = states  # the worker that left the ticket has reported of the start
        return self._states != states

    def remember_report(self, looks: list[dict[str, t.Any]]) -> None:
        """The last answer, with *looks*, has been reported."""
        self._states = _states(looks)
        self.reported = self.answered

    def write(self, looks: list[dict[str, t.Any]]) -> bool:
        """Whether *looks* could be written for the worker that goes on with the task."""
        try:
            write_private(looks_path(self.path), json.dumps(looks).encode())
        except OSError:
            return False
        return True


def _states(looks: list[dict[str, t.Any]]) -> list[str | None]:
    return [look['job'] and look['job']['state'] for look in looks]
