# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing what ended jobs leave behind.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import time

from . import _clock
from ._look import look
from ._names import forget_names

_AT_MOST = 100  # jobs that one start looks after: nobody's start shall wait for a year of leftovers


def prune(store, request):
    """Looks at the ended jobs that were removed, oldest first; with ``check``, at those that would be."""
    ended = [
        found
        for found in (look(store.job(job_id)) for job_id in store.job_ids())
        if found['ended'] and found['job']['state'] in request['states']
    ]
    ended.sort(key=lambda found: found['job']['ended'])
    kept = len(ended) - request['keep']
    chosen = [found for found in ended[: max(0, kept)] if _age(found) >= request['older_than']]
    if not request['check']:
        for found in chosen:
            store.job(found['id']).remove()
        forget_names(store)
    return chosen


def _age(found):
    return time.time() - _clock.seconds(found['job']['ended'])


def retire(store, retention):
    """Remove jobs that ended ``retention`` seconds ago or more, at little cost.

    Nothing is written into a job directory after the end, so its time of change tells before anything is read.
    """
    old = [entry.name for entry in os.scandir(store.jobs) if _unchanged(entry) > retention]
    for name in old[:_AT_MOST]:
        if name.startswith('.'):  # left by a start that was cut off
            store.sweep(name)
        elif look(store.job(name))['ended']:
            store.job(name).remove()


def _unchanged(entry):
    """Seconds since *entry* of a directory changed; none if it is gone by now, as what is being started is soon."""
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime
    except FileNotFoundError:
        return 0
