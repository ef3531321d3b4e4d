# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command over the master connection of ssh, without a process of ssh.

Standard library only. Private to this collection.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct

_MUX_HELLO, _MUX_NEW_SESSION, _MUX_VERSION = 1, 0x10000002, 4
"""Of OpenSSH's PROTOCOL.mux."""
_NO_ESCAPE_CHARACTER = 0xFFFFFFFF
_READ_BYTES = 1 << 20


class Session:
    """*command* over the master connection of ssh whose control socket is *control*; its output is at `descriptor`.

    All is sent at once, and no answer of the master is read, so a master that hangs stops nobody: if it refuses, the output
    of the command ends without an answer. *null*: a descriptor of /dev/null. Raises OSError.
    """

    def __init__(self, control: str, command: str, null: int) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.setblocking(False)
            self._socket.connect(control)
            hello = struct.pack('>II', _MUX_HELLO, _MUX_VERSION)
            session = struct.pack('>II', _MUX_NEW_SESSION, 0) + _text(b'')
            flags = struct.pack('>5I', 0, 0, 0, 0, _NO_ESCAPE_CHARACTER)  # no terminal, X11, agent or subsystem
            self._socket.sendall(_text(hello) + _text(session + flags + _text(b'') + _text(os.fsencode(command))))
            self.descriptor, writer = os.pipe()
        except OSError:
            self._socket.close()
            raise
        try:
            for descriptor in (null, writer, null):
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [descriptor]))
                self._socket.sendmsg([b'\0'], [rights])
        except OSError:
            self.close()
            raise
        finally:
            os.close(writer)

    def close(self) -> None:
        os.close(self.descriptor)
        self._socket.close()


def output_over_master(control: str, command: str) -> bytes:
    """What *command* prints, as soon as it has ended; nothing if the master refuses. The rest as for Session."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        session = Session(control, command, null)
    finally:
        os.close(null)
    with contextlib.closing(session):
        return b''.join(iter(lambda: os.read(session.descriptor, _READ_BYTES), b''))


def _text(data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + data
