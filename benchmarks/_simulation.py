# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets that are not there: what waiting.py answers to the requests of Ansible, for thousands of hosts.

All files are in one folder, whose path is in the environment variable FOLDER.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import time
import typing as t
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'plugins'))

from module_utils._loader import MARK  # type: ignore[import-not-found]

FOLDER = 'BENCH_SIMULATION'
"""The environment variable with the path of the folder."""
CONTROL = 'control'
"""The control socket of the only ssh master, for all hosts."""
STARTED = 'started'
"""A file with a byte for each job that has been started."""
END = 'end'
"""All jobs have ended when this file is there."""
LOOKS = 'looks.json'
"""[look at a job that runs, look at the same job after its end]"""
_BASE64 = re.compile(r'[A-Za-z0-9+/=]{20,}')
_PAUSE_SECONDS = 0.2


class Simulation:
    """What the targets have in common."""

    def __init__(self) -> None:
        self.folder = Path(os.environ[FOLDER])
        self._running, self._ended = json.loads((self.folder / LOOKS).read_text(encoding='utf-8'))

    def has_ended(self) -> bool:
        return (self.folder / END).exists()

    def started(self) -> None:
        """One more job has been started."""
        with open(self.folder / STARTED, 'ab') as file:
            file.write(b'.')

    def wait(self, seconds: float) -> None:
        """Wait until all jobs have ended, or *seconds*."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.has_ended():
            time.sleep(_PAUSE_SECONDS)

    def answer(self, request: dict[str, t.Any]) -> bytes:
        """What the runtime prints after *request*."""
        if request['op'] == 'start':
            ids, look = [job['id'] for job in request['jobs']], self._running
        else:
            ids, look = request['ids'], self._ended if self.has_ended() else self._running
        looks = [dict(look, id=job_id, job=dict(look['job'], id=job_id)) for job_id in ids]
        return f'{MARK}{json.dumps({"response": {"jobs": looks}})}\n'.encode()


def request_of(command: str, data: bytes | None) -> dict[str, t.Any]:
    """The request that *command*, with *data* on its standard input, would bring to the runtime."""
    text = _BASE64.findall(command)[-1] if data is None else data
    return t.cast('dict[str, t.Any]', json.loads(zlib.decompress(base64.b64decode(text)))['request'])
