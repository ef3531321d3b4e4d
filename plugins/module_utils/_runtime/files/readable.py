# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting until a descriptor is readable.

The small image of a supervisor loads this file, so it imports hardly anything.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import select

_MOST_MILLISECONDS = 2**31 - 1  # poll(2) counts no further


def wait_readable(descriptors, seconds):
    """Those of *descriptors* that are readable, as soon as one is, or none after *seconds* (None: no end).

    A wait that would be longer than 24 days ends after these. Not by select(), which takes no descriptor above 1023.
    """
    poll = select.poll()
    for fd in descriptors:
        poll.register(fd, select.POLLIN)
    milliseconds = None if seconds is None else min(max(0, seconds) * 1000, _MOST_MILLISECONDS)
    return [fd for fd, _event in poll.poll(milliseconds)]
