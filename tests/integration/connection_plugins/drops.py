# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that breaks after a command has run, before its answer is through."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: drops
short_description: The local connection, which breaks
description: For tests. Loses as many answers to starts as BACKGROUND_JOBS_DROPS (a directory) has files, or, with
  BACKGROUND_JOBS_DROPS_AFTER, of requests that follow a start which found an ended job.
extends_documentation_fragment: [connection_pipelining, local_connection]
"""


class Connection(Local):
    transport = 'drops'
    _ended = False
    """Whether a start has found an ended job."""

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        done: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        left: list[t.Any] = list(Path(os.environ['BACKGROUND_JOBS_DROPS']).glob('drop-*'))
        start = b'"response"' in done[1] and in_data  # nothing else needs standard input
        dropped = self._ended if 'BACKGROUND_JOBS_DROPS_AFTER' in os.environ else start
        self._ended = bool(start) and b'"ended": true' in done[1]
        if left and dropped:
            left[0].unlink()
            raise AnsibleConnectionFailure('The test has cut the connection.')
        return done
