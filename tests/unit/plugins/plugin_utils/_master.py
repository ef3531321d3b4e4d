# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A master connection of ssh, without ssh."""

from __future__ import annotations

import array
import collections.abc as c
import contextlib
import os
import socket
import threading


@contextlib.contextmanager
def master(path: str, answer: bytes | None) -> c.Iterator[list[bytes]]:
    """A master connection of ssh at *path*, as OpenSSH's PROTOCOL.mux says; what it is sent, one item for each command.

    It hands *answer* to each command. None: it answers nothing, and each command goes on.
    """
    sent: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening, contextlib.ExitStack() as going_on:
        listening.bind(path)
        listening.listen(64)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with contextlib.ExitStack() as command:
                        data, descriptors = _command(command.enter_context(listening.accept()[0]))
                        for descriptor in descriptors:
                            command.callback(os.close, descriptor)
                        sent.append(data)
                        if answer is None:
                            going_on.push(command.pop_all())
                        elif len(descriptors) == 3:
                            os.write(descriptors[1], answer)

        threading.Thread(target=serve, daemon=True).start()
        yield sent
        listening.shutdown(socket.SHUT_RDWR)


def _command(connection: socket.socket) -> tuple[bytes, list[int]]:
    """What came over *connection* until it had brought the three descriptors of a command, and these."""
    sent = b''
    descriptors = array.array('i')
    while len(descriptors) < 3:
        data, ancillary, _flags, _address = connection.recvmsg(1 << 16, socket.CMSG_SPACE(12))
        for _level, _kind, rights in ancillary:
            descriptors.frombytes(rights)
        sent += data
        if not data:
            break
    return sent, list(descriptors)
