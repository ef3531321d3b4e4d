# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports about parked hosts that ansible's main process has to make. Standard library only. Private to this collection."""

from __future__ import annotations

import math
import time
import typing as t

_SHARE = 0.025
"""Of the main process's time that reports may take. What ansible-core does later to show one takes as long again.

On a busy machine each takes long, and tasks must be queued meanwhile.
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
        began = time.monotonic()
        if self._looks and began >= self._next:
            path = next(iter(self._looks))
            make(path, self._looks.pop(path))
            now = time.monotonic()
            self._next = now + (now - began) * (1 / _SHARE - 1)
