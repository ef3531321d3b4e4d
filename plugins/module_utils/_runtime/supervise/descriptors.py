# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a supervisor does about the descriptors that it has inherited.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

_MOST = 1024
"""Descriptors that are tried where the system does not tell which are open."""


def close_descriptors(keep):
    """Close all descriptors but *keep*: those of another job's supervisor would keep that job's lock alive, for one."""
    for fd in _inherited(keep):
        try:
            os.close(fd)
        except OSError:  # the listing's own descriptor, or never open
            pass


def blank_descriptors(keep):
    """The same in a process whose objects own the descriptors: each of them leads nowhere from now on.

    If they were closed, an object that goes away later would close what has its number by then.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for fd in _inherited((*keep, null)):
        try:
            os.fstat(fd)
        except OSError:  # as above
            continue
        os.dup2(null, fd, inheritable=False)
    os.close(null)


def _inherited(keep):
    try:
        numbers = [int(name) for name in os.listdir('/dev/fd')]
    except OSError:
        numbers = []
    if max(filter(None, keep)) not in numbers:  # FreeBSD without fdescfs lists 0, 1 and 2, whatever is open
        numbers = range(3, _MOST)
    return [fd for fd in numbers if fd not in keep]
