# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports about parked hosts that ansible's main process has to make. Standard library only. Private to this collection."""

from __future__ import annotations

import math
import time
import typing as t

_SHARE = 0.025
"""Of a processor: the time of the main thread that reports may take, so that enough is left to queue tasks.

What ansible-core does later, in another thread, to show a report takes as long again.
"""

Looks = list[dict[str, t.Any]]


class DueReports:
    """The latest report about each host that none has been made of yet."""

    def __init__(self) -> None:
        self._looks: dict[str, Looks] = {}
        self._next = 0.0

    def add(self, path: str, looks: Looks) -> None:
        """A report about the host of the ticket *path* is due. It takes the place of an older one."""
        self._looks[path] = looks

    def remove(self, path: str) -> None:
        """Nothing is to be reported about this host any more."""
        self._looks.pop(path, None)

    def seconds(self) -> float:
        """Until a report may be made; infinite if none is due."""
        return max(0.0, self._next - time.monotonic()) if self._looks else math.inf

    def make_one(self, make: t.Callable[[str, Looks], None]) -> None:
        """Call *make* with the report that has been due for the longest time, unless reports have taken their share."""
        if self._looks and time.monotonic() >= self._next:
            # Processor time, not real time: on a busy machine a report takes long, but costs no more.
            began = time.thread_time()
            path = next(iter(self._looks))
            make(path, self._looks.pop(path))
            self._next = time.monotonic() + (time.thread_time() - began) * (1 / _SHARE - 1)
