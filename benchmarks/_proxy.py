# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A slow line to the test hosts: TCP forwarding that holds every byte back for a while."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping


class SlowLine:
    """Listens on a port of 127.0.0.1 for each of *targets* (name: address and port), while in a `with` block."""

    def __init__(self, targets: Mapping[str, tuple[str, int]], seconds: float) -> None:
        self.ports: dict[str, int] = {}
        self._targets = targets
        self._seconds = seconds
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> SlowLine:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        async with contextlib.AsyncExitStack() as servers:
            for name, (address, port) in self._targets.items():
                server = await asyncio.start_server(self._forwarder(address, port), "127.0.0.1", 0)
                servers.callback(server.close)
                self.ports[name] = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._end.wait()

    def _forwarder(self, address: str, port: int):  # type: ignore[no-untyped-def]
        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection(address, port)
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

        return forward

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All bytes of *reader*, each as long under way as the others, however many are."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arrivals = asyncio.create_task(self._arrive(under_way, writer))
        data = b" "
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            under_way.put_nowait((self._loop.time() + self._seconds, data))
        await arrivals

    async def _arrive(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        data = b" "
        while data:
            moment, data = await under_way.get()
            await asyncio.sleep(moment - self._loop.time())
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
        writer.close()
