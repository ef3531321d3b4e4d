# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of tests that is ended from outside leaves no process, no mount and no test host."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from _system import mounts, unmount_below
from hosts import Fleet

ROOT = Path(__file__).resolve().parents[2]
# What a test does that is stopped in the middle: it has a host, a mount, and a job that nothing else would ever end.
TEST = """
import subprocess, time
from pathlib import Path

import pytest
from hosts import Fleet, Shape

def test(tmp_path):
    # Some tests end all children of their process, and whoever watches must not be among them.
    assert Path('/proc/thread-self/children').read_text() == ''
    Fleet({state!r}).up(Shape(hosts=1))
    (tmp_path / 'disk').mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', tmp_path / 'disk'], check=True)
    subprocess.Popen(['sleep', '987654'], start_new_session=True)
    Path({ready!r}).touch()
    time.sleep(600)
"""


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with TemporaryDirectory(prefix="hosts-", dir="/var/tmp") as state:
        fleet = Fleet(state)
        yield fleet
        fleet.down()


@pytest.fixture
def run(fleet: Fleet, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A pytest with our settings, whose only test is in the middle."""
    test = tmp_path / "test_stopped.py"
    test.write_text(TEST.format(state=str(fleet.state), ready=str(tmp_path / "ready")), encoding="utf-8")
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={ROOT}", f"--basetemp={tmp_path / 'base'}"]
    command = [sys.executable, "-m", "pytest", f"--config-file={ROOT / 'pyproject.toml'}", *options, str(test)]
    with open(tmp_path / "output.txt", "wb") as output:
        run = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
        try:
            until((tmp_path / "ready").exists, tmp_path / "output.txt")
            yield run
        finally:
            run.kill()
            run.wait()
            unmount_below(tmp_path)


def until(what: Callable[[], object], output: Path) -> None:
    end = time.monotonic() + 120
    while not what():
        assert time.monotonic() < end, output.read_text(encoding="utf-8")
        time.sleep(0.05)


def left(fleet: Fleet, directory: Path) -> list[str]:
    """What there still is of a run."""
    sleeping = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == b"sleep\x00987654\x00":
                sleeping.append(str(path))
    hosts = [name for name, running in fleet.status().items() if running]
    return sleeping + hosts + [str(m.point) for m in mounts() if directory in m.point.parents]


@pytest.mark.hosts
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left(fleet: Fleet, run: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals) -> None:
    assert len(left(fleet, tmp_path)) >= 3
    os.killpg(run.pid, number)
    run.wait()
    until(lambda: not left(fleet, tmp_path), tmp_path / "output.txt")
