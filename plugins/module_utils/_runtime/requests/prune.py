# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``prune``: remove ended jobs. And what each start removes: jobs whose retention is over.

The request has these fields:

==============  ==============================================================================================
``states``      a list of states; jobs in one of them are removed
``older_than``  float; seconds since their end, at least
``keep``        int; how many of the newest are kept
``check``       bool; whether only to tell which would be removed
==============  ==============================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import time

from ..files.clock import seconds
from ..files.names import forget_names
from ..files.store import JOB_ID, remove_tree
from .look import take_look

_JOBS_OF_ONE_START = 100
"""A start removes no more, so that it is not delayed by a year of leftovers."""


def prune(store, request):
    """Looks at the ended jobs that were removed, oldest first; with ``check``, at those that would be."""
    ended = [
        look
        for look in (take_look(store.job(job_id)) for job_id in store.job_ids())
        if look.ended and look.job['state'] in request['states']
    ]
    ended.sort(key=lambda look: look.job['ended'])
    surplus = len(ended) - request['keep']
    selected = [look for look in ended[: max(0, surplus)] if _age(look) >= request['older_than']]
    if not request['check']:
        for look in selected:
            store.job(look.id).remove()
        forget_names(store)
    return selected


def _age(look):
    return time.time() - seconds(look.job['ended'])


def retire(store, retention):
    """Remove jobs that ended ``retention`` seconds ago or more, at little cost.

    Nothing is written into a job directory after the end, so its time of change tells before anything is read.
    """
    for name in _unchanged(store.runtimes, retention):  # the loader touches the one it uses
        remove_tree(os.path.join(store.runtimes, name))
    old = _unchanged(store.jobs, retention)
    for name in old[:_JOBS_OF_ONE_START]:
        if name.startswith('.'):  # left by a start that was cut off
            store.sweep(name)
        elif JOB_ID.fullmatch(name) and take_look(store.job(name)).ended:
            store.job(name).remove()
    if old:
        forget_names(store)


def _unchanged(folder, age):
    """The names of what is in *folder* and has not changed for more than *age* seconds."""
    names = []
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        try:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > age:
                names.append(entry.name)
        except FileNotFoundError:  # what is being started has a hidden name for a moment
            pass
    return names
