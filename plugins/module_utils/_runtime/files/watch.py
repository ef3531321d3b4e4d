# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for jobs without asking again and again: the kernel tells when a file of theirs changes.

A supervisor's lock file is closed by the kernel when the supervisor ends, however it ends, and inotify tells of
that like of every other close. Where there is no inotify (not Linux, or no watches left), a short sleep stands in.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import select
import struct
import sys
import time

_MODIFY, _CLOSE_WRITE, _MOVED_TO, _DELETE_SELF = 0x2, 0x8, 0x80, 0x400
_ENDS = _CLOSE_WRITE | _MOVED_TO | _DELETE_SELF
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, 'O_CLOEXEC', 0)
_STAND_IN = 0.5
_LONGEST = 1000000000  # seconds; the kernel cannot count much further


class Watch:
    """Tells which of *paths* (directories) something happened in: a file was closed, renamed, or with *writes* written."""

    def __init__(self, paths, writes=False):
        self._paths = list(paths)
        self._watched = {}
        self._libc, self._fd = _inotify()
        for path in self._paths:
            self._add(path, _ENDS | (_MODIFY if writes else 0))

    def _add(self, path, events):
        """Be told of *events* in *path*, and of no others that were asked for before."""
        if self._fd is None:
            return
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(path), events)
        if number < 0:  # no watches left, or the directory is gone
            os.close(self._fd)
            self._fd = None
        else:
            self._watched[number] = path

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self._fd is not None:
            os.close(self._fd)

    def sleep(self, seconds):
        """The paths something happened in, as soon as it has, or none after *seconds*; without inotify, any may be."""
        if self._fd is None:
            time.sleep(max(0, min(seconds, _STAND_IN)))
            return self._paths
        if not select.select([self._fd], [], [], max(0, min(seconds, _LONGEST)))[0]:
            return []
        return {self._watched[number] for number in _numbers(os.read(self._fd, 65536)) if number in self._watched}

    def ignore_writes(self):
        """From now on: jobs that print much would not let us sleep."""
        for path in self._paths:
            self._add(path, _ENDS)


def _inotify():
    """(C library, descriptor), or (None, None)."""
    if not sys.platform.startswith('linux'):
        return None, None
    try:
        import ctypes  # here, because only Linux needs it, and not every Python has it
    except ImportError:
        return None, None
    libc = ctypes.CDLL(None)
    fd = libc.inotify_init1(_NONBLOCK_CLOEXEC)
    return (None, None) if fd < 0 else (libc, fd)


def _numbers(events):
    """The watch number of each inotify event in *events* (struct inotify_event: int, 3 times uint32, name)."""
    offset = 0
    while offset < len(events):
        number, _mask, _cookie, length = struct.unpack_from('iIII', events, offset)
        yield number
        offset += 16 + length
