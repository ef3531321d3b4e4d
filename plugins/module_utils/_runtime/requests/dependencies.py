# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs after which those of a start request are to be started.

A job waits only for jobs that were made before it, so no circle of jobs that wait for each other can be written.
Standard library only, Python 3.6 and up. Private to this collection.
"""

from ..files.errors import StoreError
from ..files.ids import check_job_id, is_job_id
from ..files.names import find
from ..files.users import user


class Dependencies:
    """What the jobs of a start request (*jobs*: JSON objects of protocol.StartRequest) are to be started after.

    Raises StoreError where one of these is no job of *store*, before anything is started.
    """

    def __init__(self, store, jobs):
        self._references = {}  # id in the request -> ids, in the request or of other jobs
        self._started = {}  # id in the request -> id of the job that was started, or that the start attached to
        unknown = []
        for own, after in ((fields.get('id'), fields.get('after')) for fields in jobs if isinstance(fields, dict)):
            ids = []
            asked_again = is_job_id(own) and store.job(own).exists()  # what it was after may be gone by now
            for reference in after if isinstance(after, list) and not asked_again else ():
                found = reference if _is_in(reference, self._references) else _job_id(store, reference)
                if found is None:
                    unknown.append(reference['name'] if isinstance(reference, dict) else reference)
                ids.append(found)
            if is_job_id(own):
                self._references[own] = ids
        if unknown:
            raise StoreError(
                'could not find %s, after which a job is to be started: user %s has no such job in %s. An async_run task that '
                'waits removes the files of its job if that has no name and ends well. Nothing was started.'
                % (', '.join('job %s' % name for name in unknown), user(), store.root)
            )

    def started(self, request_id, job_id):
        """Take down that the job *request_id* of the request is the job *job_id*: itself, or one that was there already."""
        self._started[request_id] = job_id

    def ids(self, request_id):
        """The ids of the jobs after which the job *request_id* of the request is to be started.

        Raises StoreError if one of them is a job of the request that was not started, or if this is no id.
        """
        found = []
        for reference in self._references[check_job_id(request_id)]:
            job_id = self._started.get(reference) if reference in self._references else reference
            if job_id is None:
                raise StoreError('job %s, after which it was to start, was not started' % reference)
            if job_id not in found:
                found.append(job_id)
        return found


def _is_in(reference, ids):
    return isinstance(reference, str) and reference in ids


def _job_id(store, reference):
    """The id of the job of a *reference* (requests/look.py), or None: there is no such job."""
    job = find(store, reference)
    return None if job is None or job.spec() is None else job.id
