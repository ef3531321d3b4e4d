# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A terminal that a program runs on, and what a person sees there."""

from __future__ import annotations

import collections.abc as c
import fcntl
import os
import re
import select
import struct
import termios
import threading
import time

import pyte


class Screen:
    """Reads the other end of a terminal from a thread, so that who writes there never has to wait for long."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self._screen = pyte.HistoryScreen(columns, rows, history=100_000)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = b''
        self._master, self.slave = os.openpty()
        self._hung_up, self._hang_up = os.pipe()
        self._open = {self._master, self.slave, self._hung_up, self._hang_up}
        self._set_size(columns, rows)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns: int, rows: int) -> None:
        with self._lock:
            self._make_room(rows)
            self._screen.resize(rows, columns)
            self._set_size(columns, rows)

    def _make_room(self, rows: int) -> None:
        """Have the cursor stay in its line, as on real terminals: pyte removes lines at the top, wherever the cursor is."""
        removed = max(0, self._screen.lines - rows)
        x, y = self._screen.cursor.x, self._screen.cursor.y
        scrolled = max(0, y - (rows - 1))
        if removed > scrolled:  # the lines below the cursor go
            self._screen.cursor.y = 0
            self._screen.insert_lines(removed - scrolled)
        self._screen.cursor.x, self._screen.cursor.y = x, y - (scrolled if removed else 0)

    def lines(self) -> list[str]:
        """What stands on the screen, without the empty lines at its end."""
        with self._lock:
            return _without_end([line.rstrip() for line in self._screen.display])

    def all_lines(self) -> list[str]:
        """The same, with what was scrolled off before."""
        with self._lock:
            columns = self._screen.columns
            gone = [''.join(line[x].data for x in range(columns)).rstrip() for line in self._screen.history.top]
            return _without_end(gone + [line.rstrip() for line in self._screen.display])

    def await_lines(self, right: c.Callable[[list[str]], object], why: str, seconds: float = 300) -> list[str]:
        """What stands on the screen as soon as it is *right*."""
        until = time.monotonic() + seconds
        while not right(lines := self.lines()):
            assert time.monotonic() < until, f'not within {seconds} s: {why}\n' + '\n'.join(lines)
            time.sleep(0.02)
        return lines

    def await_text(self, pattern: str, seconds: float = 300) -> list[str]:
        return self.await_lines(lambda lines: re.search(pattern, '\n'.join(lines), re.MULTILINE), pattern, seconds)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def answer(self, text: str) -> None:
        """Type *text* for a program that takes keys one by one, as pause does. It throws away what came too early."""
        for _again in range(6):
            assert self._await_mode(canonical=False, seconds=60), 'nobody asks'
            self.type(text)
            if self._await_mode(canonical=True, seconds=10):
                return
        raise AssertionError(f'nobody took {text!r}')

    def _await_mode(self, *, canonical: bool, seconds: float) -> bool:
        """Whether the terminal gives out its input by lines (*canonical*) or keys within *seconds*."""
        until = time.monotonic() + seconds
        while bool(termios.tcgetattr(self.slave)[3] & termios.ICANON) is not canonical:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def hang_up(self) -> None:
        """Take the terminal away from the programs that run there, as a lost connection does."""
        if self._hang_up in self._open:
            os.write(self._hang_up, b'.')
        self._reader.join(10)
        self._close(*self._open)

    def close(self) -> None:
        """After the last program that writes there has ended: have all of it on the screen. Once more does nothing."""
        self._close(self.slave)
        self._reader.join(10)
        self.hang_up()

    def _close(self, *descriptors: int) -> None:
        for descriptor in self._open.intersection(descriptors):
            os.close(descriptor)
        self._open.difference_update(descriptors)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def _read(self) -> None:
        while True:
            ready = select.select([self._master, self._hung_up], [], [])[0]
            if self._hung_up in ready:
                return
            try:
                data = os.read(self._master, 65536)
            except OSError:  # nobody has the other end open any more
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)


def _without_end(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines.pop()
    return lines
