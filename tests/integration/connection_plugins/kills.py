# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection over which the start of a job kills ansible's main process."""

from __future__ import annotations

import os
import select
import signal

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: kills
short_description: The local connection, which kills ansible
description: For tests. When a start has been answered, ansible's main process is killed.
extends_documentation_fragment: [connection_pipelining, local_connection]
"""


class Connection(Local):
    transport = 'kills'

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        main = os.getppid()
        done: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if b'"response"' in done[1] and in_data:  # a start: nothing else needs standard input
            end = os.pidfd_open(main)
            os.kill(main, signal.SIGKILL)
            select.select([end], [], [])  # from here on, the parent of this process is another one
        return done
