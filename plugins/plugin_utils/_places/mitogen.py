# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is different under mitogen's strategies, where mitogen carries commands and runs modules in its own way.

Private to this collection.
"""

from __future__ import annotations

import threading

from ansible.errors import AnsibleActionFail
from ansible.plugins.connection import ConnectionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.connection import connect as _connect

_MODULE = 'ansible_mitogen.connection'
_WAITS_FOR_MAIN = 'mitogen.master.join_thread_async'
"""A thread that nobody misses in a fork: it ends what mitogen does should the main thread end without a word."""


def carries(connection: ConnectionBase) -> bool:
    """Whether *connection* is one of mitogen's: of other kinds, WinRM say, there may be some in the same play."""
    return any(base.__module__ == _MODULE for base in type(connection).__mro__)


def connect(connection: ConnectionBase) -> None:
    """Connect to the target, by which mitogen finds out its Python, and puts that into the variables of the task."""
    _connect(connection)


def disconnect(connection: ConnectionBase) -> bool:
    """End the threads in which mitogen lives; the next request connects again. Whether none is left that does work."""
    connection.close()
    return {thread.name for thread in threading.enumerate()} <= {threading.main_thread().name, _WAITS_FOR_MAIN}


def no_other_way(refused: str | None) -> AnsibleActionFail:
    """The error of a request that no command could carry.

    There is no way by a module: mitogen runs those inside a process of its own, where the runtime cannot live.
    *refused*: why the target did not do what the command said, if that was it.
    """
    told = refused or 'no Python was found there that answers, set ansible_python_interpreter to Python 3.6 or later'
    return AnsibleActionFail(f'The runtime of background.jobs could not be run on the target, under mitogen: {told}.')
