# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who runs next: jobs of one queue share slots, the others wait in the order in which they came, as files only.

<async_dir>/.queues/<queue>/
    lock                   flocked for every step below
    state.json             slots: how many may run at once, as the last start said; last: the newest number
    waiting/<number>-<jid> the jobs that wait; the number is the order of arrival, 0 for a job that was put back
    running/<jid>          the jobs that were given a slot; one whose lock is free and whose module is dead has lost it
    head.json              the first entries of waiting/, as they once were: no turn has to list thousands of jobs

Machines that share an async directory (files/machine.py) share no slots: each runs so many jobs, of its own.

Nobody guards a queue. Whoever ends, starts or looks "kicks" it, so a killed supervisor strands nobody.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import re

from ..files.atomic import raise_unless_absent, read_json, remove_file, touch, write_json
from ..files.clock import lives
from ..files.errors import StoreError
from ..files.ids import JOB_ID
from ..files.locks import LockedDirectory
from ..files.machine import other_machine
from ..files.names import file_name
from ..files.records import NewerFormat

_ENTRY = '[0-9]+-(?:%s)' % JOB_ID.pattern
_HEAD_ENTRIES = 100
"""Entries in head.json. New jobs come in behind them, so it stays true until its entries are gone."""


class QueueSnapshot:
    """A snapshot of the queues, each taken when it is first asked for: a look at a thousand jobs asks a thousand times."""

    def __init__(self, store):
        self._store = store
        self._queues = {}

    def position(self, name, job_id):
        """The position of a job in the queue *name*, from 1 on, or None if it did not wait there."""
        return self._queue(name).get(job_id, (None, None))[0]

    def entry(self, name, job_id):
        """The name of the file in waiting/ of a job in the queue *name*, or None if it did not wait there."""
        return self._queue(name).get(job_id, (None, None))[1]

    def _queue(self, name):
        """{job id: (position, entry)}."""
        if name not in self._queues:
            try:
                with Queue(self._store, name) as queue:
                    entries = queue.entries()
            except StoreError:  # no name of a queue: nobody waits there
                entries = []
            except OSError as error:
                raise_unless_absent(error)
                entries = []
            self._queues[name] = {job_of(entry): (position, entry) for position, entry in enumerate(entries, 1)}
        return self._queues[name]


def job_of(entry):
    """The id of the job that waits under *entry*."""
    return entry.partition('-')[2]


class Queue(LockedDirectory):
    """One queue, locked while in a ``with`` block. files/locks.py has the order of locks."""

    def __init__(self, store, name):
        self._store = store
        self._path = os.path.join(store.queues, file_name(name, 'queue'))
        self._waiting = os.path.join(self._path, 'waiting')
        self._running = os.path.join(self._path, 'running')
        self._head = os.path.join(self._path, 'head.json')
        super().__init__(self._path, self._waiting, self._running)

    def resize(self, slots):
        """Remember how many slots the queue has from now on."""
        self._write_state(dict(self._state(), slots=slots))

    def add(self, job_id, slots=None):
        """Put a job at the end of the queue, and remember how many slots it has from now on, unless that stays as it is."""
        state = self._state()
        number = state.get('last', 0) + 1
        self._write_state(dict(state, last=number, **({} if slots is None else {'slots': slots})))
        touch(os.path.join(self._waiting, '%012d-%s' % (number, job_id)))

    def _write_state(self, state):
        write_json(os.path.join(self._path, 'state.json'), state)

    def _state(self):
        state = read_json(os.path.join(self._path, 'state.json'))
        if state is not None:
            return state
        entries = self.entries()  # a new queue, or one that a power cut hurt
        return {'last': int(entries[-1].partition('-')[0])} if entries else {}

    def entries(self):
        """The entries of the jobs that wait, in order."""
        return sorted(os.listdir(self._waiting))

    def waits(self, job_id):
        """Whether a job waits here."""
        return job_id in map(job_of, os.listdir(self._waiting))

    def withdraw(self, job_id, entry=None):
        """Take a job out that waits. True if it waited. *entry*: under which it did a moment ago (QueueSnapshot)."""
        if entry is not None and remove_file(os.path.join(self._waiting, entry)):
            return True
        waiting = [entry for entry in os.listdir(self._waiting) if job_of(entry) == job_id]
        return any(remove_file(os.path.join(self._waiting, entry)) for entry in waiting)

    def leave(self, job_id):
        """Give back the slot of a job that ran."""
        remove_file(os.path.join(self._running, job_id))

    def put_back(self, job_id):
        """Return a job that next() has taken out to the head of the queue, where it was: it was not executed."""
        remove_file(self._head)
        os.rename(os.path.join(self._running, job_id), os.path.join(self._waiting, '%012d-%s' % (0, job_id)))

    def next(self):
        """The job whose turn it is, its lock held by this process, or None: none waits, or no slot is free."""
        if self._taken() >= self._state().get('slots', 1):
            return None
        for entry in self._in_order():
            path = os.path.join(self._waiting, entry)
            job_id = job_of(entry)
            job = self._store.job(job_id) if JOB_ID.fullmatch(job_id) else None
            if job is None or job.launch() is None:
                remove_file(path)  # removed by hand, or not whole after a power cut
                continue
            if _is_elsewhere(job):
                continue
            job.hold()  # against the order of locks; files/locks.py says why that cannot deadlock
            try:
                touch(os.path.join(self._running, job_id))
                remove_file(path)
            except BaseException:  # the disk is full, say: the job waits on
                job.release()
                raise
            return job
        return None

    def _in_order(self):
        """The entries of the jobs that wait, in order. Most turns need the first alone, so the rest is listed after it."""
        first = self._first()
        if first is not None:
            yield first
            for entry in self.entries():
                if entry != first:
                    yield entry

    def _first(self):
        """The entry of the job whose turn is next, or None."""
        head = (read_json(self._head) or {}).get('entries')
        for entry in head if isinstance(head, list) else ():
            if (
                isinstance(entry, str)
                and re.fullmatch(_ENTRY, entry)
                and os.path.exists(os.path.join(self._waiting, entry))
            ):
                return entry
        entries = self.entries()
        if len(entries) > _HEAD_ENTRIES:
            try:
                write_json(self._head, {'entries': entries[:_HEAD_ENTRIES]})
            except OSError:  # on a full disk the next turn lists the directory again
                pass
        elif head is not None:
            remove_file(self._head)
        return entries[0] if entries else None

    def _taken(self):
        taken = 0
        for job_id in os.listdir(self._running):
            job = self._store.job(job_id) if JOB_ID.fullmatch(job_id) else None
            if job is not None and _is_elsewhere(job):
                continue
            if job is not None and _runs(job):
                taken += 1
            else:
                remove_file(os.path.join(self._running, job_id))
        return taken


def _is_elsewhere(job):
    """Whether *job* belongs to another machine, which starts it itself, in a slot of its own."""
    try:
        spec = job.spec()
    except NewerFormat:
        return False
    return spec is not None and other_machine(spec) is not None


def _runs(job):
    """Whether *job* has its slot still: a module whose supervisor was killed has, for as long as it runs."""
    if job.alive():
        return True
    try:
        run = job.run()
    except NewerFormat:
        return False
    return run is not None and lives(run.pid, run.process_start)
