# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the room sends a command to a host: over the master connection of ssh, or in a process of its own.

Standard library only. Private to this collection.
"""

from __future__ import annotations

import array
import contextlib
import functools
import os
import resource
import socket
import struct
import subprocess
import typing as t

_MUX_HELLO, _MUX_NEW_SESSION, _MUX_VERSION = 1, 0x10000002, 4
"""Of OpenSSH's PROTOCOL.mux."""
_NO_ESCAPE_CHARACTER = 0xFFFFFFFF


class CommandLine(t.NamedTuple):
    """As _core_compat/command_line.py has it."""

    argv: list[str]
    control: str | None


class Exchange(t.Protocol):
    """One request that is under way."""

    descriptor: int

    def close(self) -> None:
        """End it, whatever it has brought."""


class Session:
    """A command over the master connection of ssh, by its control socket.

    All is sent at once, and no answer of the master is read, so a master that hangs stops nobody: if it refuses, the output
    of the command ends without an answer. Raises OSError.
    """

    def __init__(self, line: CommandLine, null: int) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.setblocking(False)
            self._socket.connect(t.cast('str', line.control))
            hello = struct.pack('>II', _MUX_HELLO, _MUX_VERSION)
            session = struct.pack('>II', _MUX_NEW_SESSION, 0) + _text(b'')
            flags = struct.pack('>5I', 0, 0, 0, 0, _NO_ESCAPE_CHARACTER)  # no terminal, X11, agent or subsystem
            self._socket.sendall(_text(hello) + _text(session + flags + _text(b'') + _text(os.fsencode(line.argv[-1]))))
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


def _text(data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + data


class Command:
    """A command in a process of its own, which may open *files* files (as getrlimit() has them). Raises OSError."""

    def __init__(self, line: CommandLine, null: int, *, files: tuple[int, int]) -> None:
        self._process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            [os.fsencode(word) for word in line.argv],
            stdin=null,
            stdout=subprocess.PIPE,
            stderr=null,
            # The request of a local host may start a queued job, which is not to inherit the limit of the room.
            preexec_fn=functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, files),  # noqa: PLW1509
        )
        self._output = t.cast('t.IO[bytes]', self._process.stdout)
        self.descriptor = self._output.fileno()

    def close(self) -> None:
        with contextlib.suppress(PermissionError):  # it may be sudo, which is root's and ends with its output
            self._process.kill()
        self._output.close()
        self._process.poll()  # wait() could last for ever; what still runs is waited for when the next process is made
