# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for jobs without polling: inotify reports when one of their files changes.

The kernel closes a supervisor's lock file when the supervisor ends, however it ends, and inotify reports that like every
other close. Where there is no inotify (not Linux, or no watches left), watch.sleep() sleeps for a short time instead.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from .libc import libc
from .readable import wait_readable

_MODIFY, _CLOSE_WRITE, _MOVED_TO, _DELETE_SELF = 0x2, 0x8, 0x80, 0x400
_ENDS = _CLOSE_WRITE | _MOVED_TO | _DELETE_SELF
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, 'O_CLOEXEC', 0)
_OVERFLOW = -1
"""In place of a watch number: the kernel's queue was full, and it has dropped events (IN_Q_OVERFLOW)."""
_STAND_IN_SECONDS = 0.5
"""Between two looks where there is no inotify."""
FOR_EVER_SECONDS = 1000000000
"""Longer than anybody waits."""
_UNLOCK_SECONDS = 1
"""When a process is killed, the kernel reports that its lock file was closed, and only then frees the lock. Whoever looks
between these two finds the lock held, and there is no other event. So each path is reported once more after this time."""


class Watch:
    """Reports in which of *paths* (directories) a file was closed or renamed, or with *writes* written.

    *wake*: a descriptor that ends a sleep as well when it is readable, or None.
    """

    def __init__(self, paths, writes=False, wake=None):
        self._paths = list(paths)
        self._wake = [] if wake is None else [wake]
        self._watched = {}
        self._again = set(self._paths)  # those to report once more; somebody may have been killed just before the watch
        self._fd = _inotify()
        for path in self._paths:
            self._add(path, _ENDS | (_MODIFY if writes else 0))

    def _add(self, path, events):
        """Watch *path* for *events*, in place of those that it was watched for before."""
        if self._fd is None:
            return
        number = libc().inotify_add_watch(self._fd, os.fsencode(path), events)
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
        """The paths in which something has happened, as soon as it has, or none after *seconds*.

        They are reported a second time when nothing more has happened for _UNLOCK_SECONDS. All paths where nobody can
        tell: there is no inotify, or so much has happened that the kernel dropped events.
        """
        if self._fd is None:
            wait_readable(self._wake, min(seconds, _STAND_IN_SECONDS))
            return self._paths
        reports_again = self._again and seconds >= _UNLOCK_SECONDS
        longest = _UNLOCK_SECONDS if reports_again else FOR_EVER_SECONDS
        ready = wait_readable([self._fd, *self._wake], min(seconds, longest))
        if not ready and reports_again:
            again, self._again = self._again, set()
            return again
        if self._fd not in ready:
            return set()
        numbers = set(_watch_numbers(os.read(self._fd, 65536)))
        if _OVERFLOW in numbers:
            return self._paths
        touched = {self._watched[number] for number in numbers if number in self._watched}
        self._again |= touched
        return touched

    def ignore_writes(self):
        """Stop watching writes; noisy jobs would wake us constantly."""
        for path in self._paths:
            self._add(path, _ENDS)


def _inotify():
    """A descriptor, or None."""
    if libc() is None:
        return None
    fd = libc().inotify_init1(_NONBLOCK_CLOEXEC)
    return None if fd < 0 else fd


def _watch_numbers(events):
    """The watch number of each inotify event in *events* (struct inotify_event: int, 3 times uint32, name)."""
    # Imported here, because the small image of a supervisor imports this file, and `struct` needs an extension module, which
    # a bundle cannot hold.
    import struct

    offset = 0
    while offset < len(events):
        number, _mask, _cookie, length = struct.unpack_from('iIII', events, offset)
        yield number
        offset += 16 + length
