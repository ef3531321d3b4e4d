# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a job waits that is a function: as a process, first for the jobs that it is to start after, then for a slot.

It hears of their ends itself, so it goes on when nobody looks. Standard library only, Python 3.6 and up. Private to this
collection.
"""

import os

from ..files.watch import FOR_EVER_SECONDS, Watch
from ..schedule.dependents import awaited_by, waiting_path
from ..schedule.shared_queue import SharedQueue
from . import ending
from .following import give_up, note_ends
from .standing import has_ended


def may_begin(job, start):
    """True when the function of *job* may begin; false where the job has ended before that, which is written.

    *start*: its BodyStart.
    """
    return _wait_for_jobs(job, start) and _wait_for_slot(job, start)


def _wait_for_jobs(job, start):
    awaited = awaited_by(job.store, job.id) if start.spec.after else None
    if awaited is not None:
        start.stop_waiting_for_others()
        paths = {job.store.job(job_id).path: job_id for job_id in awaited}
        with Watch([job.path, waiting_path(job.store, job.id), *paths], wake=start.vigil.signals.fileno()) as watch:
            _go_through(job, start, paths, watch)
    return job.exists() and job.end() is None  # else somebody has skipped, cancelled or removed it


def _go_through(job, start, paths, watch):
    """Return when *job* waits for no other any more, or is not to. *paths*: {directory of a job that it waits for: id}, which *watch* watches."""
    touched = list(paths)  # what ended before the watch began
    while awaited_by(job.store, job.id) is not None:
        by = _who_stops(job, start)
        if by is not None:
            # False: its last dependency has ended at this moment. The wait for a slot, or the Vigil, then obeys the same request.
            give_up(job, by)
            return
        ended = [paths[path] for path in touched if path in paths and has_ended(job.store.job(paths[path]))]
        if ended:
            note_ends(job, ended)
            paths = {path: job_id for path, job_id in paths.items() if job_id not in ended}
        touched = () if ended else watch.sleep(FOR_EVER_SECONDS)


def _wait_for_slot(job, start):
    if start.spec.queue is None:
        return True
    queue = SharedQueue(job.store, start.spec.queue)
    if queue.position(job.id) is None:
        return True
    start.stop_waiting_for_others()
    if queue.wait(job.id, start.vigil.signals.fileno(), lambda: _who_stops(job, start) is not None):
        return True
    queue.leave(job.id)  # before the end: whoever knows of that sees the others one place further ahead
    ending.write_withdrawn(job, start.spec.queue, _who_stops(job, start))
    return False


def _who_stops(job, start):
    """Who wants *job* to end, for people, or None."""
    signals = start.vigil.signals
    signals.sleep(0)
    if signals.shutdown:
        return 'by a TERM to its process: was the host shut down?'
    if os.path.exists(job.file('stop.json')):
        return job.stop_request().get('by', 'on request')
    return None
