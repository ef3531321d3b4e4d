# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For how long a target may hold a request for the ends of its jobs. Standard library only. Private to this collection."""

from __future__ import annotations

_LONGEST_REQUEST_SECONDS = 60.0
"""The longest request. If a host is cut off, we notice it only when its answer is overdue, so a request must not be long."""
SILENCE_SECONDS = 30
"""If the answer comes so much later than it should, the connection counts as lost."""
_FIRST_REQUEST_SECONDS = 2.0
"""Of a request of a host that takes turns with others, while its wait is young."""
_REQUEST_SHARE = 0.1
"""Later such a request may take this share of the time that the host has waited."""
_LONGEST_ROUND_SECONDS = 10.0
"""The hosts that share a turn have all asked within this time, so an end is noticed within it."""
_ROUND_SECONDS_PER_SHARER = 2.5
"""Where many hosts share a turn, a round takes longer: requests cost the controller processor time."""
_REQUESTS_PER_SECOND = 200
"""Of one process that asks thousands of hosts. Each costs it some 0.25 ms of processor time."""
_FOLLOWED_REQUEST_SECONDS = 0.5
"""Of such a request if the output of the host's jobs is followed."""


def request_seconds(due: float, sharers: float, *, waited: float, followed: bool, hosts: int = 1) -> float:
    """For how many seconds the target may hold the next request while there is nothing to report.

    *due*: seconds until the next report. *sharers*: how many hosts share the turn, 0 where each has one of its own.
    *waited*: seconds since the wait began. *hosts*: how many the process asks that sends the request.
    """
    if not sharers:
        return min(due, _LONGEST_REQUEST_SECONDS)
    # Also where it is 1: a host that comes next must not wait until a long request is over.
    if followed:
        round_seconds = _FOLLOWED_REQUEST_SECONDS
    else:
        most = max(_LONGEST_ROUND_SECONDS, _ROUND_SECONDS_PER_SHARER * sharers)
        round_seconds = min(max(_FIRST_REQUEST_SECONDS, waited * _REQUEST_SHARE), most)
        round_seconds = max(round_seconds, hosts / _REQUESTS_PER_SECOND)
    return min(min(due, round_seconds) / sharers, _LONGEST_REQUEST_SECONDS)
