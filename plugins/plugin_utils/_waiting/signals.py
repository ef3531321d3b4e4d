# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible's main process does about the jobs that it waits for when a signal interrupts it.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shlex
import signal
import threading
import types
import typing as t

from ansible import constants as C
from ansible import context
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.interrupt import (
    GOES_ON,
    SIGNALS,
    Ending,
    Wait,
    waits,
)
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parked_hosts import parked_jobs

display = Display()


def take_signals() -> None:
    """Have this process, if it is ansible's main process, end all waits of the run before it ends by a signal."""
    if multiprocessing.parent_process() is None and threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            _Handler.take(number)


class _Handler:
    """Handles a signal in the main process: ends all waits, tells what became of their jobs, and lets ansible end."""

    def __init__(self, previous: t.Any) -> None:
        self._previous = previous
        self._main = os.getpid()

    @classmethod
    def take(cls, number: int) -> None:
        """Handle the signal *number*, unless it is ignored or others than Python handle it."""
        previous = signal.getsignal(number)
        if previous not in (signal.SIG_IGN, None) and not isinstance(previous, cls):
            signal.signal(number, cls(previous))

    def give_back(self, number: int) -> None:
        """Have the signal *number* handled as before."""
        signal.signal(number, self._previous)

    def __call__(self, number: int, frame: types.FrameType | None) -> None:
        if os.getpid() == self._main:  # workers inherit this
            for other in SIGNALS:  # the next signal ends ansible at once
                handler = signal.getsignal(other)
                if isinstance(handler, _Handler):
                    handler.give_back(other)
            _end_waits()
        if callable(self._previous):
            self._previous(number, frame)
        else:
            self.give_back(number)
            os.kill(os.getpid(), number)


def _end_waits() -> None:
    known: dict[str, Wait] = {}
    endings: list[Ending] = []
    try:
        # More than once: a job may have been started meanwhile, whose process waits only now.
        while new := {name: wait for name, wait in waits().items() if name not in known}:
            if any(wait.cancels for wait in new.values()):
                _tell('Stopping the jobs that this run waits for. Interrupt it again to end at once.')
            for wait in new.values():
                wait.interrupt()
            known.update(new)
            for wait in new.values():
                endings += wait.endings()
        endings += [Ending(*job, GOES_ON) for job in parked_jobs()]
    finally:
        _tell_endings(endings)


def _tell_endings(endings: list[Ending]) -> None:
    if not endings:
        return
    _tell('\n'.join(f'{ending.host}: {_name(ending)} {ending.what}.' for ending in endings))
    if any(ending.what == GOES_ON for ending in endings):
        options = [word for path in context.CLIARGS.get('inventory') or () for word in ('-i', path)]
        _tell(f'Look at what goes on: {shlex.join(["ansible-playbook", "background.jobs.jobs", *options])}')


def _name(ending: Ending) -> str:
    return ending.label if ending.label == ending.id else f'{ending.label} ({ending.id})'


def _tell(text: str) -> None:
    try:
        display.display(text, color=C.COLOR_WARN, stderr=True)
    except (OSError, RuntimeError):  # the terminal is gone, or the signal came while ansible wrote
        with contextlib.suppress(OSError, RuntimeError):
            display.display(text, log_only=True)
