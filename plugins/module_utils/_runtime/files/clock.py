# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time as jobs need it: a moment for people (UTC), one for arithmetic (monotonic), and the boot they belong to.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import time

from .atomic import raise_unless_absent

_ISO = '%Y-%m-%dT%H:%M:%S'
_EXITING = 4
"""PF_EXITING of Linux, a flag of a process."""


def utc():
    """Now, ISO 8601 with microseconds: ``2026-11-22T04:45:12.123456Z``."""
    now = time.time()
    return '%s.%06dZ' % (time.strftime(_ISO, time.gmtime(now)), now % 1 * 1000000)


def seconds(moment):
    """Seconds since the epoch of a moment that utc() wrote, the fraction left off; 0 for any other text."""
    import calendar  # here, because each supervisor would pay for it in memory

    try:
        return calendar.timegm(time.strptime(moment.partition('.')[0], _ISO))
    except ValueError:
        return 0


def age_of(moment):
    """Seconds since a moment that utc() wrote, by the wall clock; 0 where that was set back behind it."""
    return max(0, time.time() - seconds(moment))


_boot_id = None


def boot_id():
    """An id of this boot of the host, or an empty string where the system has none."""
    global _boot_id
    if _boot_id is None:
        try:
            with open('/proc/sys/kernel/random/boot_id') as stream:
                _boot_id = stream.read().strip()
        except OSError as error:
            raise_unless_absent(error)
            _boot_id = ''
    return _boot_id


def process_start(pid):
    """When the process *pid* started, in ticks since boot, or None: it has ended, or this is not Linux.

    Raises OSError where that cannot be known.
    """
    try:
        with open('/proc/%d/stat' % pid, 'rb') as stream:
            fields = stream.read().rpartition(b')')[2].split()  # a command's name may hold spaces
    except OSError as error:
        raise_unless_absent(error)
        return None
    # A zombie has ended; in some containers, no process reaps zombies. One that is about to end may have lost its locks.
    ended = fields[0] in (b'Z', b'X') or int(fields[6]) & _EXITING
    return None if ended else int(fields[19])


def lives(pid, start):
    """Whether the process *pid* that started at *start* is still there, and not a later one of its number."""
    return start is not None and process_start(pid) == start


def is_another(pid, start):
    """Whether the process that started at *start* is known to have ended, whoever has the number *pid* now.

    Where start times are unknown (no /proc), nothing is known; then the job's lock tells whether its supervisor lives.
    """
    return start is not None and process_start(os.getpid()) is not None and process_start(pid) != start


def now():
    """This moment in all three forms; two of the same boot can be subtracted whatever the wall clock did."""
    return {'at': utc(), 'monotonic': time.monotonic(), 'boot': boot_id()}


def since(moment):
    """Seconds since *moment*, a Spec or Run (files/records.py), or None where it lies before the last boot."""
    if moment.boot != boot_id():
        return None
    return round(time.monotonic() - moment.monotonic, 3)
