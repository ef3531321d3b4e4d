# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clears up behind a run of tests, also one that was killed: no process of it, no mount and no test host stays.

    guardian.py run COMMAND ...   run a command, and clear up behind it

Jobs outlive who started them, which is what this collection is for. So the end of a run ends nothing, and whoever is
killed cannot tidy up. A process of its own waits for the end of the run, however that comes about, and then does it.

What belongs to a run has its directory in the environment. In it are the names of what has to be taken away: a file
`fleet-...` for each fleet of test hosts, which tests/hosts writes, and a file `mounts-...` for each directory that
tests mount something below. Each holds one path.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = 'BACKGROUND_JOBS_TEST_RUN'
HOSTS = Path(__file__).resolve().parents[1] / 'hosts/hosts.py'
_PATIENCE = 30  # seconds until killed processes have ended


class Guardian:
    """Watches over this process from now on."""

    def __init__(self) -> None:
        self._directory = tempfile.mkdtemp(prefix='background-jobs-run-')
        without = {name: value for name, value in os.environ.items() if name != RUN}
        # It learns of our end by that of its input, and we of its end by that of its output, which nobody else has the
        # other ends of. A session of its own, or Ctrl-C would end it as well.
        process = subprocess.Popen(
            [sys.executable, __file__, self._directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=without,
            start_new_session=True,
        )
        assert process.stdin
        assert process.stdout
        self._ours, self._its = process.stdin, process.stdout
        process.wait()  # it goes on as nobody's child
        os.environ[RUN] = self._directory

    def release(self) -> None:
        """Have all cleared up, and return when it is."""
        self._ours.close()
        self._its.read()
        self._its.close()
        del os.environ[RUN]


def note_mounts(directory: Path) -> None:
    """Have what is mounted below unmounted at the end of this run, if anybody watches over it."""
    if run := os.environ.get(RUN):
        Path(run, f'mounts-{os.getpid()}').write_text(str(directory), encoding='utf-8')


def _noted(directory: str, kind: str) -> set[str]:
    return {path.read_text(encoding='utf-8') for path in Path(directory).glob(f'{kind}-*')} - {''}


def _processes(mark: bytes) -> list[int]:
    found = []
    for path in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):  # it has just ended, or is another user's
            if mark in (path / 'environ').read_bytes().split(b'\0'):
                found.append(int(path.name))
    return found


def _end_processes(directory: str) -> None:
    """Again until there are none, because who is not dead yet may still start another."""
    mark = f'{RUN}={directory}'.encode()
    until = time.monotonic() + _PATIENCE
    while (left := _processes(mark)) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _unmount(directory: str) -> None:
    for line in reversed(Path('/proc/self/mountinfo').read_text(encoding='utf-8').splitlines()):
        point = line.split(' ')[4]
        if point.startswith(f'{directory}/'):
            subprocess.run(['umount', point], check=False)


def _clear(directory: str) -> None:
    _end_processes(directory)
    for state in _noted(directory, 'fleet'):
        if Path(state, '.test-hosts').exists():
            subprocess.run([sys.executable, HOSTS, '--state', state, 'down'], check=False)
    for place in _noted(directory, 'mounts'):
        _unmount(place)
    shutil.rmtree(directory)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ['run']:
        guardian = Guardian()
        try:
            return subprocess.run(arguments[1:], check=False).returncode
        finally:
            guardian.release()
    if os.fork():  # or a test that ends all children of its process would end us
        return 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.read()
    _clear(arguments[0])
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
