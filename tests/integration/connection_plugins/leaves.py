# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that goes away for good once it has told of the end of a job."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: leaves
short_description: The local connection, which ends with the first job
description: For tests. After the first answer that tells of an ended job, BACKGROUND_JOBS_LEFT (a file) is made, and no
  command reaches the host any more.
extends_documentation_fragment: [connection_pipelining, local_connection]
"""


class Connection(Local):
    transport = 'leaves'

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        left = Path(os.environ['BACKGROUND_JOBS_LEFT'])
        if left.exists():
            raise AnsibleConnectionFailure('The test has taken the host away.')
        done: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if b'"ended": true' in done[1]:
            left.touch()
        return done
