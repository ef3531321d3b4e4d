# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a parked host, in the temporary directory of ansible: only its user can read them.

``<path>`` is the ticket, for the room; ``<path>.task`` what ansible needs to go on with the task (a pickled ParkedTask of
parked_hosts.py); ``<path>.looks`` what the room has seen at the end (JSON). Standard library only. Private to this collection.
"""

from __future__ import annotations

import contextlib
import os
import typing as t


class Ticket(t.NamedTuple):
    """What the room needs to wait for one host. It is written as the JSON list of these fields."""

    argv: list[str]
    """The command that sends a request to the host, with *placeholder* in the place of the request (Base64)."""
    control: str | None
    """The path of the control socket of ssh's master connection, or None."""
    placeholder: str
    request: dict[str, t.Any]
    """The request, without ``seconds``."""
    hosts: int
    """How many hosts the play has."""
    poll: float
    """Seconds between two reports."""
    until: float | None
    """When the task does not want to wait any longer (time.monotonic()); None: never."""
    answered: float
    """When the host last answered (time.monotonic())."""


def task_path(path: str) -> str:
    return f'{path}.task'


def looks_path(path: str) -> str:
    return f'{path}.looks'


def write_private(path: str, data: bytes) -> None:
    """Write *data* into the file *path*, which only its user can read. Raises OSError."""
    with open(path, 'wb', opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)


def remove(path: str) -> None:
    """Remove the files of the ticket *path*, as far as they are there."""
    for name in (path, task_path(path), looks_path(path)):
        with contextlib.suppress(OSError):
            os.unlink(name)
