# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The wait of a supervisor for the end of its module, for its limit, or for a signal.

While a module runs, this file, handover.py, bundle.py and files/readable.py are all that a supervisor has loaded of the
runtime, so they import hardly anything.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import _signal as signal  # type: ignore[import-not-found]  # the module signal would load enum, and all that it imports
import os
import time

from ..files.readable import wait_readable

STOP = signal.SIGUSR1
"""Tells a supervisor to read the stop.json of its job. A late signal does no harm, because the next job has no
stop.json. TERM, which the system sends at shutdown, needs no file."""
HEARD = (signal.SIGCHLD, signal.SIGTERM, STOP)
_SAME_MOMENT_SECONDS = 0.5
"""A TERM that is sent to all processes of a session reaches them within this time."""


class Signals:
    """Signals make a pipe readable, so that none is lost between a look and a sleep."""

    def __init__(self):
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        self.shutdown = False
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGCHLD, STOP):
            signal.signal(number, lambda signum, frame: None)
        signal.signal(signal.SIGTERM, self._on_shutdown)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)

    def fileno(self):
        """A descriptor that is readable when a signal has come."""
        return self._reader

    def _on_shutdown(self, signum, frame):
        self.shutdown = True

    def sleep(self, seconds):
        """Until a signal comes, a child's death among them, or *seconds* are over (None: no end)."""
        if wait_readable([self._reader], seconds):
            os.read(self._reader, 4096)


class Vigil:
    """The wait for the process ``main``, a child of this one; None until there is one."""

    def __init__(self, signals, main=None):
        self.main = main
        self.signals = signals
        self.status = None

    def keep(self, deadline, stop_file):
        """None when the process has ended by itself, else the state that stopping it will mean.

        *deadline*: on the monotonic clock, or None. *stop_file*: asks for the end where it exists.
        """
        while True:
            self.reap()
            if self.status is not None:
                return 'cancelled' if self._ended_with_us() else None
            if self.signals.shutdown or os.path.exists(stop_file):
                return 'cancelled'
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return 'timed_out'
            self.sleep(left)

    def _ended_with_us(self):
        """Whether the TERM that ended the module was sent to this process as well, in whatever order.

        A shutdown and the end of a login session send TERM to both processes. Then the module has not failed: it was stopped.
        """
        if not os.WIFSIGNALED(self.status) or os.WTERMSIG(self.status) != signal.SIGTERM:
            return False
        deadline = time.monotonic() + _SAME_MOMENT_SECONDS
        while not self.signals.shutdown and time.monotonic() < deadline:
            self.signals.sleep(deadline - time.monotonic())
        return self.signals.shutdown

    def sleep(self, seconds):
        self.signals.sleep(seconds)
        self.reap()

    def reap(self):
        """Reap the children that have ended: the module, and its orphans, which became children of this process."""
        pid = -1
        while pid:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == self.main:
                self.status = status
