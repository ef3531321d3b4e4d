# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In the place of ansible-core's connection plugin ssh: its targets are simulated (_simulation.py)."""

from __future__ import annotations

import json
import re
import sys
import typing as t
from pathlib import Path

from ansible.plugins.connection import ConnectionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _simulation import CONTROL, Simulation, request_of

DOCUMENTATION = """
name: ssh
short_description: simulated targets
description: For a benchmark.
author: background.jobs contributors
options:
  host: {description: the target, default: target, vars: [{name: inventory_hostname}]}
  password: {description: none}
  ssh_executable: {description: never executed, default: ssh}
  pipelining: {description: as ssh has it, type: boolean, default: true}
"""
_TMPDIR = re.compile(r'ansible-tmp-[0-9.-]+')
_RESULT = {'changed': False, 'rc': 0, 'stdout': '', 'stderr': ''}
_JOB_ID = 'j1.1'

simulation = Simulation()


class Connection(ConnectionBase):
    transport = 'simulated'
    has_pipelining = True

    def _connect(self) -> t.Any:
        return self

    def close(self) -> None:
        pass

    def put_file(self, in_path: str, out_path: str) -> None:
        pass

    def fetch_file(self, in_path: str, out_path: str) -> None:
        pass

    def _build_command(self, binary: str, _subsystem: str, *words: str) -> list[bytes]:
        """What the room of parked hosts reads the path of the control socket from."""
        return [word.encode() for word in (binary, '-o', f'ControlPath={simulation.folder / CONTROL}', *words)]

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        if 'binascii' in cmd:  # the loader of this collection
            request = request_of(cmd, in_data)
            if request['op'] == 'start':
                simulation.started()
            elif request['op'] == 'wait':
                simulation.wait(request['seconds'])
            return 0, simulation.answer(request), b''
        tmpdir = _TMPDIR.search(cmd)
        if 'mkdir' in cmd and tmpdir:
            return 0, f'{tmpdir[0]}=/home/user/.ansible/tmp/{tmpdir[0]}\n'.encode(), b''
        if 'async_wrapper' in cmd and 'chmod' not in cmd:  # of ansible-core, and below
            simulation.started()
            return 0, _json(started=1, finished=0, ansible_job_id=_JOB_ID, results_file='/x'), b''
        if b'async_status' in (in_data or b'') or 'async_status' in cmd:
            ended = simulation.has_ended()
            return 0, _json(started=1, finished=int(ended), ansible_job_id=_JOB_ID, **(_RESULT if ended else {})), b''
        if in_data:
            simulation.started()
        return 0, _json(**_RESULT), b''


def _json(**values: t.Any) -> bytes:
    return json.dumps(values).encode()
