# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``status``: look at jobs now, with the content of their result files, and mark the ended as collected.

The request has, beside ``ids``:

===========  =================================================================================================
``offsets``  a list with one offset (int, bytes) of live output or None for each of ``ids``, or no such field.
             Live output is returned from that offset on
===========  =================================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

from .collect import mark_collected
from .look import take_looks, with_live_output, with_result

_LIVE_OUTPUT_BYTES = 1048576
"""Of all jobs of one response. A task asks for the rest with the next offset."""


def status(store, request):
    """Looks at the jobs."""
    looks = take_looks(store, request['ids'])
    mark_collected(store, looks)
    looks = [with_result(store, look) if look.known else look for look in looks]
    return with_live_output(store, looks, request.get('offsets'), _LIVE_OUTPUT_BYTES)
