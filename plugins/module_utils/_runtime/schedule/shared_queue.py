# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queues of jobs that are functions. All stores of a controller share them.

A function cannot wait as a file, so each job is a process from its start on, which holds the lock of its job while it
waits. It starts by itself, when fewer jobs are before it than the queue has slots.

<async_dir>/../.queues/<queue>/
    lock                   flocked by whoever adds a job, or changes the slots
    state.json             slots: how many may run at once, as the last start said; last: the newest number
    jobs/<number>-<jid>    a link to the directory of a job that waits or runs; the number is the order of arrival

A job whose lock is free has left its queue. A killed process leaves its link behind, and the next one that looks at it
removes it. Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.atomic import read_json, remove_file, write_json
from ..files.locks import LockedDirectory, is_locked
from ..files.names import file_name
from ..files.watch import FOR_EVER_SECONDS, Watch


class SharedQueue(LockedDirectory):
    """One queue, locked while in a ``with`` block. files/locks.py has the order of locks."""

    def __init__(self, store, name):
        self._store = store
        self._path = os.path.join(store.shared_queues, file_name(name, 'queue'))
        self._jobs = os.path.join(self._path, 'jobs')
        super().__init__(self._path, self._jobs)

    def resize(self, slots):
        """Remember how many slots the queue has from now on. The queue must be locked."""
        self._write_state(dict(self._state(), slots=slots))

    def add(self, job_id, slots=None):
        """Put a job, whose lock its process holds, at the end of the queue, if it is not there.

        Remember how many slots the queue has from now on, unless that stays as it is. The queue must be locked.
        """
        entries = self._entries()
        if job_id in map(_job_id, entries):
            return
        state = self._state()
        number = max(int(max(entries, default='0').partition('-')[0]), state.get('last', 0)) + 1
        os.symlink(self._store.job(job_id).path, os.path.join(self._jobs, '%012d-%s' % (number, job_id)))
        self._write_state(dict(state, last=number, **({} if slots is None else {'slots': slots})))

    def leave(self, job_id):
        """Take out a job that has ended, or that this process has not started."""
        for entry in self._entries():
            if _job_id(entry) == job_id:
                remove_file(os.path.join(self._jobs, entry))

    def position(self, job_id):
        """The position of a job that waits, from 1 on, or None where it does not."""
        slots = self._slots()
        before = self._before(job_id, slots)
        return None if before is None or len(before) < slots else len(before) - slots + 1

    def wait(self, job_id, wake, is_over):
        """Wait until the job of this process has a slot: true, or until *is_over()*: false.

        *is_over* is called when a file of the job was written, and when the descriptor *wake* is readable. *is_over* must
        also read *wake* empty, or this would spin.
        """
        while True:
            slots = self._slots()
            watched = self._watched(self._before(job_id, slots), slots)
            with Watch([self._path, self._store.job(job_id).path, *watched], wake=wake) as watch:
                while True:
                    if is_over():
                        return False
                    slots = self._slots()
                    before = self._before(job_id, slots)
                    if before is None or len(before) < slots:  # None: somebody has removed the queue
                        return True
                    if self._watched(before, slots) != watched:  # there is something else to watch by now
                        break
                    watch.sleep(FOR_EVER_SECONDS)

    def _before(self, job_id, slots):
        """The entries before that of a job, or None if it has none. Those that would have a slot are tested for life."""
        before = []
        for entry in self._entries():
            if _job_id(entry) == job_id:
                return before
            if len(before) >= slots or is_locked(os.path.join(self._jobs, entry, 'lock')):
                before.append(entry)
            else:
                remove_file(os.path.join(self._jobs, entry))
        return None

    def _watched(self, before, slots):
        """The directories of the jobs whose start or end may bring the turn of a job closer that comes after *before*.

        These are the jobs that run. A job further behind waits for the start of the one that many places before it, or
        each end of a job would wake all others.
        """
        before = before or []
        nearest = before[:slots] if len(before) < 2 * slots else [before[len(before) - slots]]
        return [os.path.join(self._jobs, entry) for entry in nearest]

    def _entries(self):
        """The entries of all jobs, in order."""
        try:
            return sorted(os.listdir(self._jobs))
        except FileNotFoundError:
            return []

    def _write_state(self, state):
        write_json(os.path.join(self._path, 'state.json'), state)

    def _state(self):
        return read_json(os.path.join(self._path, 'state.json')) or {}

    def _slots(self):
        return self._state().get('slots', 1)


def _job_id(entry):
    return entry.partition('-')[2]
