# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No event is lost between a job and whoever waits for it."""

import os
import resource
from pathlib import Path
from typing import Set

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.readable import wait_readable
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.watch import Watch
from ansible_collections.background.jobs.tests.tools.left_out import left_out

_SELECT_DESCRIPTORS = 1024
_QUEUE_LENGTH = Path('/proc/sys/fs/inotify/max_queued_events')
_MOST_EVENTS = 200000
"""A machine whose queue is longer than this was told to; filling it would take minutes."""


def test_the_kernels_queue_of_events_is_full(tmp_path: Path) -> None:
    """An event that the kernel drops for that is noticed all the same."""
    events = int(_QUEUE_LENGTH.read_text(encoding='ascii'))
    if events > _MOST_EVENTS:
        left_out('a full queue of inotify: it takes %d events' % events)
    noisy, quiet = [tmp_path / name for name in ('noisy', 'quiet')]
    noisy.mkdir()
    quiet.mkdir()
    with Watch([str(noisy), str(quiet)]) as watch:
        assert watch._fd is not None
        for number in range(events):  # two files in turn, because equal events become one
            with open(str(noisy / str(number % 2)), 'wb'):
                pass
        (quiet / 'end.json').write_bytes(b'')
        touched: Set[str] = set()
        while True:
            paths = watch.sleep(0)
            if not paths:
                break
            touched |= set(paths)
    assert touched == {str(noisy), str(quiet)}


@pytest.mark.parametrize('count', [1, 3])
def test_only_what_has_changed_is_reported(tmp_path: Path, count: int) -> None:
    paths = [tmp_path / str(number) for number in range(5)]
    for path in paths:
        path.mkdir()
    with Watch([str(path) for path in paths]) as watch:
        for path in paths[:count]:
            (path / 'end.json').write_bytes(b'')
        assert watch.sleep(0) == {str(path) for path in paths[:count]}
        assert not watch.sleep(0)


def test_a_lock_that_the_kernel_frees_after_its_event_is_looked_at_again(tmp_path: Path) -> None:
    """The kernel frees the lock of a killed process when it has reported the end of its file already."""
    seconds = 60
    with Watch([str(tmp_path)]) as watch:
        assert watch.sleep(seconds) == {str(tmp_path)}  # a process may have been killed just before
        (tmp_path / 'lock').touch()
        assert [watch.sleep(seconds), watch.sleep(seconds), watch.sleep(2)] == [{str(tmp_path)}, {str(tmp_path)}, set()]


def test_a_process_with_many_open_files(tmp_path: Path) -> None:
    """select() takes no descriptor above 1023, as a controller with many forks has them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * _SELECT_DESCRIPTORS:
        left_out('descriptors above 1023: this user may not have so many')
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * _SELECT_DESCRIPTORS, hard))
    opened = [os.dup(0)]
    try:
        while opened[-1] < _SELECT_DESCRIPTORS:
            opened.append(os.dup(0))
        with Watch([str(tmp_path)]) as watch:
            (tmp_path / 'end.json').touch()
            assert watch.sleep(60) == {str(tmp_path)}
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize('seconds', [-1, 0, 1e9])
def test_how_long_a_wait_may_be(seconds: float) -> None:
    """A deadline may pass just before the wait for it begins."""
    reader, writer = os.pipe()
    if seconds > 0:
        os.write(writer, b'x')
    assert wait_readable([reader], seconds) == ([reader] if seconds > 0 else [])
    os.close(reader)
    os.close(writer)
