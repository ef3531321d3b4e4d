# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets the strategy of a branch wait for results, where ansible-core looks for them a thousand times in a second.

Each look takes 0.1 ms. Many branches that wait for their targets would take the processors of the controller.
Private names of ansible-core, all of them in 2.16 to 2.22:

- ``ansible.plugins.strategy.time``, whose ``sleep`` takes ``C.DEFAULT_INTERNAL_POLL_INTERVAL`` between two looks
- ``TaskQueueManager._final_q``, whose ``get`` is called when the result before was made known to the strategy

Private to this collection.
"""

from __future__ import annotations

import functools
import threading
import time
import typing as t

from ansible import constants as C
from ansible.plugins import strategy

_LOOK_SECONDS = 0.25
"""How often the strategy looks whether its worker has died, or wants to add a host; of a result it hears at once."""


def wait_for_results(manager: t.Any) -> None:
    """Let the strategy of *manager*, a TaskQueueManager, sleep until there is a result. For the process of a branch alone."""
    arrived = threading.Event()
    queue = manager._final_q
    get = queue.get

    @functools.wraps(get)
    def get_next() -> t.Any:
        arrived.set()
        return get()

    queue.get = get_next
    C.DEFAULT_INTERNAL_POLL_INTERVAL = _LOOK_SECONDS
    module: t.Any = strategy
    module.time = _Clock(arrived)


class _Clock:
    """In the place of the module `time`: the sleep between two looks ends when a result has *arrived*."""

    def __init__(self, arrived: threading.Event) -> None:
        self._arrived = arrived

    def __getattr__(self, name: str) -> t.Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        if seconds != _LOOK_SECONDS:
            time.sleep(seconds)
        elif self._arrived.wait(seconds):
            self._arrived.clear()
