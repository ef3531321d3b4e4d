# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bounds the requests of the tasks that wait without a fork: they take turns. Private to this collection.

All files are locked with flock() and lie in ansible's own temporary directory, so they belong to one run, and the kernel
frees the locks of a process that is killed.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import fcntl
import os

from ansible import constants as C
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.locks import is_locked


class Turns:
    """The turns of this process, which waits without a fork, for its requests.

    *number*: its number among the waiting processes, which take_number() has locked. Where there are more *hosts* than
    *forks*, as many requests as there are forks are under way at once: processes whose numbers have the same remainder
    by the number of forks share a turn, and ask for shorter waits.
    """

    def __init__(self, number: int, forks: int, hosts: int) -> None:
        self._number = number
        self._forks = forks
        self._hosts = hosts

    @contextlib.contextmanager
    def turn(self) -> c.Iterator[int]:
        """For one request. Gives how many processes share this turn now, 0 where each host has one of its own."""
        lock = self._open() if self._hosts > self._forks else None
        if lock is None:
            yield 0
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._sharers()
        finally:
            os.close(lock)

    def _open(self) -> int | None:
        """A descriptor of the file of this turn; None where the disk is full: a request without a turn does no harm."""
        try:
            return os.open(path_in_run(f'turn-{self._number % self._forks}'), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return None

    def _sharers(self) -> int:
        others = _numbers_taken() - {self._number}
        return 1 + sum(number % self._forks == self._number % self._forks for number in others)


def take_number(limit: int) -> tuple[int, int] | None:
    """(the lowest free number below *limit*, descriptor of its lock), or None if none is free.

    The number is taken until this process and all its children have closed the descriptor. Raises OSError.
    """
    for number in range(limit):
        lock = os.open(path_in_run(f'waiting-{number}'), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return number, lock
    return None


def path_in_run(name: str) -> str:
    """The path of the file *name* in the temporary directory of this run of ansible."""
    folder = os.path.join(C.DEFAULT_LOCAL_TMP, 'background.jobs')  # ansible removes it at its end
    os.makedirs(folder, 0o700, exist_ok=True)
    return os.path.join(folder, name)


def _numbers_taken() -> set[int]:
    taken = set()
    for name in os.listdir(os.path.dirname(path_in_run('waiting'))):
        kind, _dash, number = name.partition('-')
        if kind == 'waiting' and is_locked(path_in_run(name)):
            taken.add(int(number))
    return taken
