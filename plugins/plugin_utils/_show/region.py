# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A region of lines below the output on a terminal, drawn again at a fixed pace. Private to this collection.

The cursor rests where the next line of output goes, above the region. So whatever is printed there, by whomever,
overwrites nothing but the region; the region is erased with "from the cursor down", and right after a resize, a prompt
or a kill; and no state of the terminal has to be put back.

Everything happens under the lock of Display. Display holds it while it writes, and ansible-core while it forks, so that
no worker is born while the thread here is in the middle of a write. That is also why rich.live does not fit, beside
its breaking lines of output anew: it prints what it finds in sys.stdout under a lock of its own. Display writes to it
with its lock held, rich's thread draws with rich's lock held and then needs Display's, and the play hangs.
"""

from __future__ import annotations

import collections.abc as c
import os
import sys
import threading
import time
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.display import display_lock

PACE_SECONDS = 0.2
"""From one drawing to the next."""
_REDRAW_AFTER_SECONDS = 0.02
"""A printed line draws the region again only if the last drawing is older: no flicker, and much output stays fast."""
_ERASE = '\033[J'
_NO_WRAP, _WRAP = '\033[?7l', '\033[?7h'
"""Around a drawing: what takes more cells here than expected is cut, and does not break the region."""


class Ticker:
    """Calls *tick* every *seconds*, from a thread that ends with the program."""

    def __init__(self, tick: c.Callable[[], None], seconds: float) -> None:
        self._tick = tick
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name='background.jobs', daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._tick()


class Region:
    """The lines that *lines*, called with columns and rows of the terminal, returns. *lock* is Display's."""

    def __init__(self, lock: threading.RLock, lines: c.Callable[[int, int], list[str]]) -> None:
        self._lock = lock
        self._lines = lines
        self._out, self._err = sys.stdout, sys.stderr
        self._process = os.getpid()
        self._shown = False
        self._paused = False
        self._at_line_start = True
        self._drawn_at = 0.0

    @staticmethod
    def possible() -> bool:
        """Whether standard output is a terminal that can be drawn on, and Display locks as expected."""
        usable = sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb'
        return usable and display_lock() is not None

    def open(self) -> None:
        """Have everything that is printed from here on come by."""
        sys.stdout = t.cast(t.TextIO, _Above(self, self._out))
        if self._err.isatty():
            sys.stderr = t.cast(t.TextIO, _Above(self, self._err))

    def close(self) -> None:
        with self._lock:
            self.pause()
            if isinstance(sys.stdout, _Above):
                sys.stdout = self._out
            if isinstance(sys.stderr, _Above):
                sys.stderr = self._err

    def pause(self) -> None:
        """Erase the region, and draw no more before resume()."""
        with self._lock:
            self._paused = True
            self._erase()

    def resume(self) -> None:
        self._paused = False

    def draw(self) -> None:
        with self._lock:
            if self._paused or not self._at_line_start or not self._in_foreground():
                return
            try:
                size = os.get_terminal_size(self._out.fileno())
                self._show(self._lines((size.columns or 80) - 1, size.lines or 24))
            except OSError:  # the terminal is gone, which is no reason to disturb the play
                self._paused, self._shown = True, False
            self._drawn_at = time.monotonic()

    def _show(self, lines: list[str]) -> None:
        if not lines:
            self._erase()
            return
        encoding = self._out.encoding or 'ascii'
        text = '\033[K\n'.join(lines).encode(encoding, 'replace').decode(encoding)
        up = f'\033[{len(lines) - 1}A' if len(lines) > 1 else ''
        self._put(f'{_NO_WRAP}\r{text}{_ERASE}\r{up}{_WRAP}')
        self._shown = True

    def above(self, stream: t.TextIO, text: str) -> int:
        """Write *text* for whoever prints. A line that is not finished yet, as of a prompt, has no region below it."""
        if os.getpid() != self._process:  # a worker of ansible-core, which draws nothing
            return stream.write(text)
        with self._lock:
            self._erase()
            count = stream.write(text)
            if text:
                self._at_line_start = text.endswith('\n')
            if time.monotonic() - self._drawn_at >= _REDRAW_AFTER_SECONDS:
                self.draw()
            return count

    def _erase(self) -> None:
        if self._shown:
            self._put(_ERASE)
            self._shown = False

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _in_foreground(self) -> bool:
        """A program that the shell has put into the background leaves the terminal alone."""
        try:
            return os.tcgetpgrp(self._out.fileno()) == os.getpgrp()
        except OSError:  # not this session's terminal: nobody else is there to be disturbed
            return True


class _Above:
    """Stands in for a stream of the terminal."""

    def __init__(self, region: Region, stream: t.TextIO) -> None:
        self._region = region
        self._stream = stream

    def write(self, text: str) -> int:
        return self._region.above(self._stream, text)

    def writelines(self, lines: c.Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._stream, name)
