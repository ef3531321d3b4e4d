# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests under mitogen's strategies, where mitogen carries commands and runs modules in its own way.

Private to this collection.
"""

from __future__ import annotations

import threading
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.connection import ConnectionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import connection_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.connection import connect
from ansible_collections.background.jobs.plugins.plugin_utils._places.command import Command
from ansible_collections.background.jobs.plugins.plugin_utils._places.transport import CannotCarry

_WAITS_FOR_MAIN = 'mitogen.master.join_thread_async'
"""A thread that a fork can do without: it tidies up after mitogen when the main thread ends without doing so."""


def disconnect(connection: ConnectionBase) -> bool:
    """End the threads that carry mitogen's connection; the next request connects again.

    Returns whether no other thread is left that does work.
    """
    connection.close()
    return {thread.name for thread in threading.enumerate()} <= {threading.main_thread().name, _WAITS_FOR_MAIN}


class Mitogen(Command):
    """One command for each request, which mitogen carries.

    No module can carry a request here: mitogen runs modules inside a process of its own, where the runtime cannot live.
    """

    def send(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        # Only a connected mitogen knows the Python of the target. It puts it into the variables of the task.
        connect(connection_of(self._action))
        try:
            return super().send(request)
        except CannotCarry as error:
            raise AnsibleActionFail(
                f'The runtime of background.jobs could not be run on the target, under mitogen: {error}.'
            ) from None

    def line(self, argument: str) -> str | None:
        return None

    def _takes_input(self) -> bool:
        return True
