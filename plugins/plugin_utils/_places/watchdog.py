# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends a request that does not come back: a host whose power was cut says nothing, and ssh would wait for it for hours.

Private to this collection.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import threading
import typing as t

_MERCY = 5
"""Seconds between TERM and KILL."""


class Watchdog:
    """While it is entered, *seconds* pass, or the processes that this one has made are ended.

    In a worker of ansible-core those belong to its connection: ssh, or whatever else carries the request.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._called_off = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.barked = False

    def __enter__(self) -> Watchdog:
        if self._seconds is not None:
            self._thread.start()
        return self

    def __exit__(self, *raised: t.Any) -> None:
        self._called_off.set()
        if self._seconds is not None:
            self._thread.join()  # a process that forks must have no other threads

    def _watch(self) -> None:
        if self._called_off.wait(self._seconds):
            return
        self.barked = True
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in _children():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            if self._called_off.wait(_MERCY):
                return


def _children() -> list[int]:
    lists = list(pathlib.Path('/proc/self/task').glob('*/children'))
    if lists:
        return [int(pid) for path in lists for pid in path.read_text('ascii').split()]
    found = subprocess.run(['pgrep', '-P', str(os.getpid())], stdout=subprocess.PIPE, check=False)  # not Linux
    return [int(pid) for pid in found.stdout.split()]
