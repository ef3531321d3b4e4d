# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing what ended jobs leave behind.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import time

from ..files import clock as _clock
from ..files import store as _store
from ..files.names import forget_names
from .look import look as look_at

_AT_MOST = 100  # jobs that one start looks after: nobody's start shall wait for a year of leftovers


def prune(store, request):
    """Looks at the ended jobs that were removed, oldest first; with ``check``, at those that would be."""
    ended = [
        look
        for look in (look_at(store.job(job_id)) for job_id in store.job_ids())
        if look.ended and look.job['state'] in request['states']
    ]
    ended.sort(key=lambda look: look.job['ended'])
    kept = len(ended) - request['keep']
    chosen = [look for look in ended[: max(0, kept)] if _age(look) >= request['older_than']]
    if not request['check']:
        for look in chosen:
            store.job(look.id).remove()
        forget_names(store)
    return chosen


def _age(look):
    return time.time() - _clock.seconds(look.job['ended'])


def retire(store, retention):
    """Remove jobs that ended ``retention`` seconds ago or more, at little cost.

    Nothing is written into a job directory after the end, so its time of change tells before anything is read.
    """
    for name in _unchanged(store.runtimes, retention):  # the loader touches the one it uses
        _store.remove_tree(os.path.join(store.runtimes, name))
    old = _unchanged(store.jobs, retention)
    for name in old[:_AT_MOST]:
        if name.startswith('.'):  # left by a start that was cut off
            store.sweep(name)
        elif _store.JOB_ID.fullmatch(name) and look_at(store.job(name)).ended:
            store.job(name).remove()
    if old:
        forget_names(store)


def _unchanged(folder, seconds):
    """The names of what is in *folder* and has not changed for more than *seconds*."""
    names = []
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        try:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime > seconds:
                names.append(entry.name)
        except FileNotFoundError:  # what is being started has a hidden name for a moment
            pass
    return names
