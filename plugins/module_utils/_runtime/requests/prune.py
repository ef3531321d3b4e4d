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

from ..files.names import forget_names
from .look import take_look
from .retention import ended_before


def prune(store, request):
    """Looks at the ended jobs that were removed, oldest first; with ``check``, at those that would be."""
    ended = [
        look
        for look in (take_look(store.job(job_id)) for job_id in store.job_ids())
        if look.ended and look.job['state'] in request['states']
    ]
    ended.sort(key=lambda look: look.job['ended'])
    surplus = len(ended) - request['keep']
    selected = [
        look for look in ended[: max(0, surplus)] if ended_before(store.job(look.id), look, request['older_than'])
    ]
    if not request['check']:
        for look in selected:
            store.job(look.id).remove()
        forget_names(store)
    return selected
