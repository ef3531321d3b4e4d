# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a connection plugin. All exist from ansible-core 2.16 to 2.22. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t

from ansible.plugins.connection import ConnectionBase


def is_windows(connection: ConnectionBase) -> bool:
    """Whether the target of *connection* runs Windows."""
    return bool(getattr(connection._shell, '_IS_WINDOWS', False))


def is_local(connection: ConnectionBase) -> bool:
    """Whether the target of *connection* is the controller, for the choice of its Python."""
    return bool(getattr(connection, '_remote_is_local', False))


def is_of_mitogen(connection: ConnectionBase) -> bool:
    """Whether *connection* is one of mitogen's: the same play may have others, of WinRM for example."""
    return any(base.__module__ == 'ansible_mitogen.connection' for base in type(connection).__mro__)


def connect(connection: ConnectionBase) -> None:
    """Connect to the target, if there is no connection yet."""
    connection._connect()


def hides_commands(connection: ConnectionBase) -> bool:
    """Whether *connection* shows nothing of its commands, at any verbosity."""
    return bool(connection._play_context.no_log)


@contextlib.contextmanager
def hidden_commands(connection: ConnectionBase) -> c.Iterator[None]:
    """Meanwhile *connection* shows nothing of its commands."""
    context: t.Any = connection._play_context
    context.no_log = True
    try:
        yield
    finally:
        context.no_log = False
