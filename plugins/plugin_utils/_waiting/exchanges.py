# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the room sends a command to a host: over the master connection of ssh, or in a process of its own.

Standard library only. Private to this collection.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import subprocess
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._places.master import Session


class CommandLine(t.NamedTuple):
    """As _core_compat/command_line.py has it."""

    argv: list[str]
    control: str | None


class Exchange(t.Protocol):
    """One request that is under way."""

    descriptor: int

    def close(self) -> None:
        """End it, whatever it has brought."""


def session(line: CommandLine, null: int) -> Session:
    """A command over the master connection of ssh, whose control socket *line* has. Raises OSError."""
    return Session(t.cast('str', line.control), line.argv[-1], null)


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
