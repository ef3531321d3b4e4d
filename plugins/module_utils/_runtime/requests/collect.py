# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``collect``: look at jobs now, with their output, and mark the ended as collected.

The request has ``ids``. Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.atomic import write_file
from .look import take_looks


def collect(store, request):
    """Looks at the jobs."""
    looks = take_looks(store, request['ids'], output=True)
    mark_collected(store, looks)
    return looks


def mark_collected(store, looks):
    """Remember that somebody has seen the end of the jobs of *looks* that have ended."""
    for look in looks:
        if look.ended:
            path = store.job(look.id).file('collected')
            try:
                if not os.path.exists(path):
                    write_file(path, b'')
            except OSError:  # the disk is full, say: that is no reason not to answer
                pass
