# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How requests grow with the number of ended jobs in an async directory.

    python benchmarks/growth.py [COUNT ...]

Makes that many ended jobs, copies of a real one, in a temporary directory, and measures each operation of the runtime in
this process, without a connection. Prints a table in Markdown.
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
import tempfile
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'plugins'))

from module_utils._runtime.door import respond  # type: ignore[import-not-found]
from module_utils._runtime.protocol import ENDED, VERSION, StartRequest  # type: ignore[import-not-found]

COUNTS = (0, 1_000, 10_000, 20_000)
_WAIT_SECONDS = 60
_MODULE = b'echo {}'  # for a shell; prints a result
_ALL = {'states': None, 'names': None, 'queues': None}


class Directory:
    """An async directory of its own, with *count* ended jobs."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self._started = 0
        if count:
            self._copy(self.start(), count - 1)

    def ask(self, op: str, **details: t.Any) -> list[dict[str, t.Any]]:
        response = respond({'version': VERSION, 'op': op, 'async_dir': str(self.folder), **details})
        if 'error' in response:
            raise SystemExit(response['error'])
        return t.cast('list[dict[str, t.Any]]', response['jobs'])

    def start(self) -> str:
        """Start one job, and wait for its end. Its id."""
        self._started += 1
        job_id = f'j2026{self._started:016d}.12345678'
        job = StartRequest(
            id=job_id,
            name=None,
            on_existing='attach',
            work=None,
            module='growth',
            about={},
            limit=None,
            leeway=0,
            spare_daemons=False,
            as_numbers=False,
            grace=10,
            queue=None,
            slots=1,
            no_log=False,
            argv=['/bin/sh'],
            environment={},
            stdin=True,
            args=None,
            tmpdir=None,
            output_limit=0,
            retention=1e9,
            after=[],
            after_any=False,
            on_end=None,
            resources={},
            payload={'base': 'module', 'head': len(_MODULE), 'middle': '', 'tail': 0},
        )
        (look,) = self.ask('start', jobs=[job._asdict()], bases={'module': base64.b64encode(_MODULE).decode()})
        if look['error']:
            raise SystemExit(look['error'])
        self.ask('wait', ids=[job_id], seconds=_WAIT_SECONDS)
        return job_id

    def _copy(self, job_id: str, count: int) -> None:
        source = self.folder / '.jobs' / job_id
        spec = json.loads((source / 'spec.json').read_text())
        for number in range(count):
            copy_id = f'j2025{number:016d}.12345678'
            target = source.with_name(copy_id)
            shutil.copytree(source, target)
            (target / 'spec.json').write_text(json.dumps({**spec, 'id': copy_id}))
            shutil.copy(self.folder / job_id, self.folder / copy_id)


def measure(count: int) -> dict[str, float]:
    """Operation -> seconds, in a directory of *count* ended jobs."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Directory(Path(folder) / 'async', count)
        last = directory.start()
        operations: dict[str, t.Callable[[], object]] = {
            'start of one job, to its end': directory.start,
            'look at one job': lambda: directory.ask('status', ids=[last]),
            'list of what is live': lambda: directory.ask('list', **{**_ALL, 'states': ['queued', 'running']}),
            'list of all': lambda: directory.ask('list', **_ALL),
            'prune, nothing is old enough': lambda: directory.ask(
                'prune', older_than=1e9, states=list(ENDED), keep=0, check=False
            ),
            'prune of all': lambda: directory.ask('prune', older_than=0, states=list(ENDED), keep=0, check=False),
        }
        return {name: _seconds(operation) for name, operation in operations.items()}


def _seconds(operation: t.Callable[[], object]) -> float:
    began = time.perf_counter()
    operation()
    return time.perf_counter() - began


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or list(COUNTS)
    measured = [measure(count) for count in counts]
    print('| seconds, with that many ended jobs |', ' | '.join(f'{count:,}' for count in counts), '|')
    print('|', ' | '.join(['---'] * (len(counts) + 1)), '|')
    for name in measured[0]:
        print(f'| {name} |', ' | '.join(f'{seconds[name]:.3f}' for seconds in measured), '|')


if __name__ == '__main__':
    main()
