# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``prune``: remove ended jobs.

The request has these fields:

==============  ==============================================================================================
``states``      a list of states; jobs in one of them are removed
``older_than``  float; seconds since their end, at least
``keep``        int; how many of the newest are kept
``check``       bool; whether only to tell which would be removed
==============  ==============================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

from ..files.clock import age_of
from ..files.names import forget_names
from ..files.records import NewerFormat
from ..schedule.queue import QueueSnapshot
from ..supervise.standing import settle
from .look import start_dependents, take_look
from .retention import ended_before


def prune(store, request):
    """Looks at the ended jobs that were removed, oldest first; with ``check``, at those that would be."""
    snapshot = QueueSnapshot(store)
    ended = []
    for job, written in store.ends():
        end = written or _missing_end(job, snapshot)
        if end is not None and end.state in request['states']:
            ended.append((end, job))
    ended.sort(key=lambda pair: pair[0].ended)
    surplus = max(0, len(ended) - request['keep'])
    # The wall clock is asked first, because it needs no more files.
    old = [job for end, job in ended[:surplus] if age_of(end.ended) >= request['older_than']]
    selected = [look for look in map(take_look, old) if look.ended]
    selected = [look for look in selected if ended_before(store.job(look.id), look, request['older_than'])]
    if not request['check']:
        start_dependents(store, [look.id for look in selected])
        for look in selected:
            store.job(look.id).remove()
        forget_names(store)
    return selected


def _missing_end(job, snapshot):
    """The end of a job that has none in its files: None if it waits or lives, else it is declared lost now."""
    try:
        spec = job.spec()
        return settle(job, spec, snapshot).end if spec else None
    except NewerFormat:  # nobody knows here whether it has ended
        return None
