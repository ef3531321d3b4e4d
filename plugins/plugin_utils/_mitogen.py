# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is different under mitogen's strategies, where mitogen carries commands and runs modules in its own way.

Private to this collection.
"""

from __future__ import annotations

import shlex

from ansible.errors import AnsibleActionFail
from ansible.plugins.connection import ConnectionBase

_MODULE = 'ansible_mitogen.connection'


def carries(connection: ConnectionBase) -> bool:
    """Whether *connection* is one of mitogen's: of other kinds, WinRM say, there may be some in the same play."""
    return any(base.__module__ == _MODULE for base in type(connection).__mro__)


def connect(connection: ConnectionBase) -> None:
    """Connect to the target, by which mitogen finds out its Python, and puts that into the variables of the task."""
    connection._connect()


def disconnect(connection: ConnectionBase) -> None:
    """End the threads in which mitogen lives, so that this process can fork; the next request connects again."""
    connection.close()


def no_other_way(python: list[str] | None, refused: str | None) -> AnsibleActionFail:
    """The error of a request that a command could not carry. As a module, mitogen would run it in its own process."""
    if python is None:
        told = 'the Python of the target is not known: set ansible_python_interpreter'
    else:
        told = refused or f'{shlex.join(python)} gave no answer: set ansible_python_interpreter to Python 3.6 or later'
    return AnsibleActionFail(f'The runtime of background.jobs could not be run on the target under mitogen: {told}.')
