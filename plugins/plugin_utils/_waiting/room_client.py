# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The room, as ansible's main process sees it. Private to this collection."""

from __future__ import annotations

import collections
import contextlib
import json
import multiprocessing.connection
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing as t

_ROOT = pathlib.Path(__file__).parents[6]
"""The directory that `ansible_collections` is in."""
_PROGRAM = (
    'import sys; sys.path.insert(0, sys.argv.pop(1)); '
    'from ansible_collections.background.jobs.plugins.plugin_utils._waiting.room import main; main()'
)
_RECEIVED_BYTES = 1 << 20
_END_SECONDS = 5


class Room:
    """A process that waits for parked hosts (room.py). *folder*: of their tickets. Raises OSError."""

    def __init__(self, forks: int, folder: str) -> None:
        self._unsent: collections.deque[bytes] = collections.deque()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        with theirs:
            main = os.pidfd_open(os.getpid())
            try:
                descriptors = (theirs.fileno(), main)
                self._process = subprocess.Popen(
                    # -S before -I: so that nobody takes it for a request of this collection
                    [sys.executable, '-S', '-I', '-c', _PROGRAM, _ROOT, *map(str, descriptors), str(forks), folder],
                    pass_fds=descriptors,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            finally:
                os.close(main)

    def hand(self, path: str) -> None:
        """Give the ticket *path* to the room, as soon as it takes it."""
        self._unsent.append(json.dumps({'path': path}).encode())

    def wait(self, inbox: socket.socket, seconds: float) -> None:
        """Sleep until the room or *inbox* has a message, *seconds* at most; not at all while the room has yet to take tickets."""
        if not self._unsent:
            multiprocessing.connection.wait([self._socket, inbox], seconds)

    def messages(self) -> t.Iterator[dict[str, t.Any]]:
        """What the room has to tell. Raises OSError if it has ended."""
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._socket.send(self._unsent[0])
                self._unsent.popleft()
        with contextlib.suppress(BlockingIOError):
            while True:
                message = self._socket.recv(_RECEIVED_BYTES)
                if not message:
                    raise ConnectionResetError('the room has ended')
                yield json.loads(message)

    def end(self) -> None:
        """End the room, and what it has started."""
        with contextlib.suppress(OSError):
            self._socket.send(json.dumps({'path': None}).encode())
        self._socket.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End what is left of the room."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with its commands; the pid is its own until wait()
        self._process.wait()
        self._socket.close()
