# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A region of lines below the output on a terminal, drawn again at a fixed pace. Private to this collection.

The cursor rests above the region, where the next line of output goes. So output overwrites nothing but the region,
whoever prints it. "Erase from the cursor down" removes the region, also after a resize or a prompt. When the program is
killed, no state of the terminal has to be restored.

All drawing holds the lock of Display. Display holds the same lock while it writes, and ansible-core while it forks, so
no worker is forked while the thread of this file writes. rich.live does not work here: it draws under a lock of its
own. Display writes to rich's stream with Display's lock held, and rich's thread, with rich's lock held, needs the lock
of Display: the play hangs. It also wraps long lines of output anew.
"""

from __future__ import annotations

import collections.abc as c
import os
import sys
import threading
import time
import typing as t

from ansible.utils.color import ANSIBLE_COLOR
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.display import display_lock

try:
    import curses
except ImportError:  # some builds of Python have none
    curses = None  # type: ignore[assignment]

PACE_SECONDS = 0.2
"""Between two drawings."""
_REDRAW_AFTER_SECONDS = 0.02
"""A printed line draws the region again only if the last drawing is older. So much output is fast and does not flicker."""
_REDRAW_AFTER_DRAWINGS = 10
"""The same in times that the last drawing took: with thousands of jobs, drawing takes a tenth of the time at most."""
_ERASE = '\033[J'
_NO_WRAP, _WRAP = '\033[?7l', '\033[?7h'
"""Around a drawing. The terminal cuts a line that takes more cells than expected, so it does not break the region."""


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
    """The lines at the bottom of the terminal. *lines* makes them from its columns and rows. *lock*: that of Display."""

    def __init__(self, lock: threading.RLock, lines: c.Callable[[int, int], list[str]]) -> None:
        self._lock = lock
        self._lines = lines
        self._out, self._err = sys.stdout, sys.stderr
        self._process = os.getpid()
        self._shown = False
        self._paused = False
        self._at_line_start = True
        self._due = 0.0

    @staticmethod
    def possible() -> bool:
        """Whether standard output is a terminal that can be drawn on, and Display locks as expected."""
        usable = sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb'
        return usable and display_lock() is not None

    def open(self) -> None:
        """From now on, everything that is printed passes through above()."""
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
        """Erase the region, and do not draw it until resume()."""
        with self._lock:
            self._paused = True
            self._erase()

    def resume(self) -> None:
        self._paused = False

    def draw(self) -> None:
        with self._lock:
            if self._paused or not self._at_line_start or not self._in_foreground():
                return
            began = time.monotonic()
            try:
                size = os.get_terminal_size(self._out.fileno())
                self._show(self._lines((size.columns or 80) - 1, size.lines or 24))
            except OSError:  # the terminal is gone: go on with the play without a region
                self._paused, self._shown = True, False
            ended = time.monotonic()
            self._due = ended + max(_REDRAW_AFTER_SECONDS, (ended - began) * _REDRAW_AFTER_DRAWINGS)

    def refresh(self) -> None:
        """Draw it again, unless the last drawing is too young."""
        with self._lock:
            if time.monotonic() >= self._due:
                self.draw()

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
        """Write *text* to *stream*. While the last line has no end, as that of a prompt, there is no region below it."""
        if os.getpid() != self._process:  # a worker of ansible-core: it draws nothing
            return stream.write(text)
        with self._lock:
            self._erase()
            count = stream.write(text)
            if text:
                self._at_line_start = text.endswith('\n')
            self.refresh()
            return count

    def _erase(self) -> None:
        if self._shown:
            self._put(_ERASE)
            self._shown = False

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _in_foreground(self) -> bool:
        """Whether the program may draw. One that the shell has put into the background must not."""
        try:
            return os.tcgetpgrp(self._out.fileno()) == os.getpgrp()
        except OSError:  # not the terminal of this session, so no shell uses it
            return True


def can_dim() -> bool:
    """Whether the terminal has dimmed text, and the user wants colours."""
    if not ANSIBLE_COLOR or curses is None:
        return False
    try:
        curses.setupterm(fd=sys.stdout.fileno())
        return bool(curses.tigetstr('dim'))
    except (curses.error, OSError):  # an unknown terminal
        return False


class _Above:
    """Takes the place of a stream of the terminal, and writes above the region."""

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
