# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who runs next: jobs of one queue share slots, the others wait in the order in which they came, as files only.

<async_dir>/.queues/<queue>/
    lock                   flocked for every step below
    state.json             slots: how many may run at once, as the last start said; last: the newest number
    waiting/<number>-<jid> the jobs that wait; the number is the order of arrival, 0 for a job that was put back
    running/<jid>          the jobs that were given a slot; one whose lock is free and whose module is dead has lost it

Nobody guards a queue. Whoever ends, starts or looks "kicks" it, so a killed supervisor strands nobody.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import fcntl
import os

from ..files.clock import lives
from ..files.names import file_name
from ..files.store import JOB_ID, StoreError, open_lock, read_json, remove_file, write_json


class Lines:
    """Who waits where, as it was at the first question: a look at a thousand jobs asks a thousand times."""

    def __init__(self, store):
        self._store = store
        self._places = {}

    def place(self, name, job_id):
        """The place of a job in the queue *name*, from 1 on, or None: it did not wait then."""
        if name not in self._places:
            self._places[name] = self._read(name)
        return self._places[name].get(job_id)

    def _read(self, name):
        try:
            with Queue(self._store, name) as queue:
                return {waiting: place for place, waiting in enumerate(queue.waiting(), 1)}
        except (StoreError, OSError):  # no name of a queue, or no directory: nobody waits there
            return {}


class Queue:
    """One queue, locked while in a ``with`` block."""

    def __init__(self, store, name):
        self._store = store
        self._path = os.path.join(store.queues, file_name(name, 'queue'))
        self._waiting = os.path.join(self._path, 'waiting')
        self._running = os.path.join(self._path, 'running')
        self._lock = None

    def __enter__(self):
        for path in (self._path, self._waiting, self._running):
            os.makedirs(path, 0o700, exist_ok=True)
        self._lock = open_lock(os.path.join(self._path, 'lock'))
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, kind, value, trace):
        os.close(self._lock)

    def add(self, job_id, slots):
        """Put a job at the end of the queue, and remember how many slots it has from now on."""
        number = self._state().get('last', 0) + 1
        write_json(os.path.join(self._path, 'state.json'), {'slots': slots, 'last': number})
        _touch(os.path.join(self._waiting, '%012d-%s' % (number, job_id)))

    def _state(self):
        state = read_json(os.path.join(self._path, 'state.json'))
        if state is not None:
            return state
        entries = self._entries()  # a new queue, or one that a power cut hurt
        return {'last': int(entries[-1].partition('-')[0])} if entries else {}

    def _entries(self):
        return sorted(os.listdir(self._waiting))

    def waiting(self):
        """The ids of the jobs that wait, in order."""
        return [entry.partition('-')[2] for entry in self._entries()]

    def withdraw(self, job_id):
        """Take a job out that waits. True where it did."""
        waiting = [entry for entry in self._entries() if entry.partition('-')[2] == job_id]
        return any(remove_file(os.path.join(self._waiting, entry)) for entry in waiting)

    def leave(self, job_id):
        """Give back the slot of a job that ran."""
        remove_file(os.path.join(self._running, job_id))

    def put_back(self, job_id):
        """Return a job that next() has taken out to the head of the queue, where it was: it was not executed."""
        os.rename(os.path.join(self._running, job_id), os.path.join(self._waiting, '%012d-%s' % (0, job_id)))

    def next(self):
        """The job whose turn it is, its lock held by this process, or None: none waits, or no slot is free."""
        for entry in self._entries():
            if self._taken() >= self._state().get('slots', 1):
                return None
            place = os.path.join(self._waiting, entry)
            job_id = entry.partition('-')[2]
            job = self._store.job(job_id) if JOB_ID.fullmatch(job_id) else None
            if job is None or job.read('launch.json') is None:
                remove_file(place)  # removed by hand, or not whole after a power cut
                continue
            job.hold()
            try:
                _touch(os.path.join(self._running, job_id))
                remove_file(place)
            except BaseException:  # the disk is full, say: the job waits on
                job.let_go()
                raise
            return job
        return None

    def _taken(self):
        taken = 0
        for job_id in os.listdir(self._running):
            if JOB_ID.fullmatch(job_id) and _runs(self._store.job(job_id)):
                taken += 1
            else:
                remove_file(os.path.join(self._running, job_id))
        return taken


def _runs(job):
    """Whether *job* has its slot still: a module whose supervisor was killed has, for as long as it runs."""
    if job.alive():
        return True
    run = job.read('run.json')
    return run is not None and lives(run['pid'], run['process_start'])


def _touch(path):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600))
