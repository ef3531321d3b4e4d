# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that answers on the control socket of ssh as the masters of all simulated targets would (PROTOCOL.mux)."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket
import struct
import typing as t

from _simulation import CONTROL, Simulation, request_of

_FILES = 3
"""Standard input, output and error of a session."""
_BACKLOG = 4096
_PAUSE_SECONDS = 0.1


class Master:
    def __init__(self) -> None:
        self._simulation = Simulation()
        self._end = asyncio.Event()
        self._sessions: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(self._simulation.folder / CONTROL))
            listening.listen(_BACKLOG)
            listening.setblocking(False)
            self._begin(self._wait_for_end())
            while True:
                connection, _address = await asyncio.get_running_loop().sock_accept(listening)
                connection.setblocking(False)
                self._begin(self._serve(connection))

    def _begin(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _wait_for_end(self) -> None:
        while not self._simulation.has_ended():
            await asyncio.sleep(_PAUSE_SECONDS)
        self._end.set()

    async def _serve(self, connection: socket.socket) -> None:
        """One session: its command waits until all jobs have ended, or as long as its request says."""
        with connection:
            await _message(connection)  # hello
            command = (await _message(connection)).decode(errors='replace')
            stdin, stdout, stderr = [await _file(connection) for _number in range(_FILES)]
        for file in (stdin, stderr):
            os.close(file)  # one descriptor for each host is left: there are thousands of hosts
        request = request_of(command, None)
        try:
            await asyncio.wait_for(self._end.wait(), request.get('seconds', 0))
        except TimeoutError:
            pass
        with contextlib.suppress(BrokenPipeError):  # Ansible has ended
            os.write(stdout, self._simulation.answer(request))
        os.close(stdout)


async def _message(connection: socket.socket) -> bytes:
    (size,) = struct.unpack('>I', await _exactly(connection, 4))
    return await _exactly(connection, size)


async def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b''
    while len(data) < size:
        data += await asyncio.get_running_loop().sock_recv(connection, size - len(data))
    return data


async def _file(connection: socket.socket) -> int:
    while True:
        try:
            _data, messages, _flags, _address = connection.recvmsg(1, socket.CMSG_SPACE(4))
            return array.array('i', messages[0][2])[0]
        except BlockingIOError:
            await asyncio.sleep(0.001)


if __name__ == '__main__':
    asyncio.run(Master().run())
