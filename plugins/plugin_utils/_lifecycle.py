# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of jobs as the controller sees it: start, wait through lost connections, collect. Private to this collection."""

from __future__ import annotations

import datetime
import secrets
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.plugin_utils._keywords import Keywords
from ansible_collections.background.jobs.plugins.plugin_utils._payload import Payload
from ansible_collections.background.jobs.plugins.plugin_utils._remote import Remote

GRACE = 10
"""Seconds between TERM and KILL."""
_MARGIN = 60
"""Seconds beyond a job's limit for which an unreachable host is asked again."""
_BACKOFF = (1, 2, 4, 8, 15)
"""Seconds between attempts to reach a host that went away; the last one repeats."""

display = Display()


def new_job_id() -> str:
    """``j<UTC time>.<random>``: sorts by age, and is never read as a number."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return f'j{now:%Y%m%d%H%M%S%f}.{secrets.randbelow(90000000) + 10000000}'


def start(remote: Remote, payload: Payload, keywords: Keywords) -> dict[str, t.Any]:
    """Start one job; the look at it, taken when its module had been executed.

    The id is made here: a start whose answer was lost can be asked again and starts nothing twice.
    """
    wanted = {'id': new_job_id(), 'name': None, 'limit': keywords.limit, 'grace': GRACE, **payload.request()}
    return remote.ask('start', jobs=[wanted])[0]


def wait(remote: Remote, look: dict[str, t.Any], keywords: Keywords) -> dict[str, t.Any]:
    """Wait until the job of *look* has ended; the look at its end, with the module's output.

    The target answers at once when the job ends. A lost connection is not the job's failure: the host is asked
    again until the job's limit and a margin are over (for ever, without a limit).
    """
    deadline = None if keywords.limit is None else time.monotonic() + keywords.limit + GRACE + _MARGIN
    failures = 0
    while True:
        try:
            look = remote.ask('wait', ids=[look['id']], seconds=keywords.poll)[0]
            failures = 0
            if look['ended'] or not look['known']:
                return look
        except AnsibleConnectionFailure as error:
            if deadline is not None and time.monotonic() > deadline:
                raise
            display.warning(f"Lost the connection while waiting for job {look['id']}, it may still run: {error.message}")
            time.sleep(_BACKOFF[min(failures, len(_BACKOFF) - 1)])
            failures += 1
            remote.reset()
