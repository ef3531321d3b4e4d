# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends what a host does not answer: a host that lost its power says nothing, and ssh would wait for hours.

Private to this collection.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import signal
import subprocess
import threading
import types
import typing as t

from ansible.errors import AnsibleConnectionFailure

_PAUSE_SECONDS = 5
"""Between two attempts to end the request."""
_SIGNAL = signal.SIGUSR2


class _Interrupt(BaseException):
    """Raised in the main thread. No `except Exception` on its way out stops it."""


class Watchdog:
    """Ends what runs while it is entered, after *seconds*. None: never.

    The first attempt is TERM to the processes that this process has made. In a worker of ansible-core those belong to
    its connection: ssh, for example. The second is KILL. A connection that is no process, such as paramiko, is
    interrupted instead, and so is what goes on after KILL.

    Raises AnsibleConnectionFailure with *message* in the place of the error that this causes.
    """

    def __init__(self, seconds: float | None, message: str = 'The host did not answer in time.') -> None:
        self._seconds = seconds
        self._message = message
        self._called_off = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._handler: t.Any = None
        self._may_interrupt = False
        self.expired = False

    def __enter__(self) -> Watchdog:
        if self._seconds is not None:
            self._thread.start()  # first of all: it raises RuntimeError where this machine makes no thread
            if threading.current_thread() is threading.main_thread():  # only there can handlers be set
                self._handler = signal.signal(_SIGNAL, self._interrupt)
                self._may_interrupt = True
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: types.TracebackType | None
    ) -> None:
        interruptible, self._may_interrupt = self._may_interrupt, False
        self._called_off.set()
        if self._seconds is not None:
            self._thread.join()  # a process that forks must have no other threads
        if interruptible:
            signal.signal(_SIGNAL, self._handler)
        if self.expired and isinstance(error, (Exception, _Interrupt)):
            raise AnsibleConnectionFailure(self._message) from None

    def _interrupt(self, _number: int, _frame: types.FrameType | None) -> None:
        if self._may_interrupt:
            raise _Interrupt

    def _watch(self) -> None:
        if self._called_off.wait(self._seconds):
            return
        self.expired = True
        for attempt in itertools.count():
            children = _children()
            for pid in children:
                with contextlib.suppress(OSError):  # it has ended, or has become another user's by sudo
                    os.kill(pid, signal.SIGKILL if attempt else signal.SIGTERM)
            if self._may_interrupt and (attempt > 1 or not children):
                signal.pthread_kill(t.cast('int', threading.main_thread().ident), _SIGNAL)
            if self._called_off.wait(_PAUSE_SECONDS):
                return


def _children() -> list[int]:
    """The processes that this process has made, as far as the system tells them."""
    lists = list(pathlib.Path('/proc/self/task').glob('*/children'))
    if lists:
        return [int(pid) for path in lists for pid in _text(path).split()]
    try:
        children = subprocess.run(['pgrep', '-P', str(os.getpid())], stdout=subprocess.PIPE, check=False)  # not Linux
    except OSError:
        return []
    return [int(pid) for pid in children.stdout.split()]


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text('ascii')
    except OSError:  # the thread has ended
        return ''
