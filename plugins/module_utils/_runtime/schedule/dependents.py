# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which job waits for the ends of which others: such a job is files only, and needs no process, unless it is a function.

<async_dir>/.dependents/
    lock                    flocked for every step below that changes something
    waiting/<jid>/<jid>     a job that waits, and in it an empty file for each job that it still waits for
    of/<jid>/<jid>          the same the other way round: the jobs that wait for this one

The directory waiting/<jid> is the truth; of/<jid> saves whoever ends a job from looking at all that wait. A job may start
when its directory is empty. It leaves this place then: for its queue, or for a supervisor of its own. A supervisor of
version 0.1.0 starts whatever waits in a queue, so a job gets into its queue only when it waits for nothing else.
A job that is a function is a process, which goes on by itself when it has left this place (supervise/waiting.py).

A job waits for jobs that were there before it, so there are no cycles. supervise/following.py decides what an end means
for those that wait for it. Nobody guards this place: whoever ends a job or looks at one goes on with what waits for it.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import collections
import os

from ..files.atomic import remove_file, touch
from ..files.ids import JOB_ID
from ..files.locks import LockedDirectory

Edge = collections.namedtuple('Edge', ('waiting', 'awaited'))
"""Two job ids: the first job waits for the end of the second. *awaited* None: it waits for nothing, and was not started."""


def awaited_by(store, job_id):
    """The ids of the jobs that a job still waits for, oldest first, or None if it does not wait in this place."""
    return _ids(waiting_path(store, job_id))


def waiting_path(store, job_id):
    """The directory that is there while a job waits."""
    return os.path.join(store.dependents, 'waiting', job_id)


def edges_to(store, job_id):
    """An Edge for each job that waits for the job *job_id*."""
    return [Edge(waiting, job_id) for waiting in _ids(os.path.join(store.dependents, 'of', job_id)) or ()]


def _ids(path):
    try:
        return sorted(filter(JOB_ID.fullmatch, os.listdir(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None


class Dependents(LockedDirectory):
    """The jobs that wait for others, locked while in a ``with`` block. files/locks.py has the order of locks."""

    def __init__(self, store):
        self._path = store.dependents
        super().__init__(self._path, self._waiting(), self._of())

    def add(self, job_id, after):
        """Let a job wait for the jobs *after* (ids)."""
        for awaited in after:
            os.makedirs(self._of(awaited), 0o700, exist_ok=True)
            touch(self._of(awaited, job_id))
        path = self._waiting(job_id)
        hidden = self._waiting('.' + job_id)  # who sees the directory must see all that the job waits for
        os.makedirs(hidden, 0o700, exist_ok=True)
        for awaited in after:
            touch(os.path.join(hidden, awaited))
        os.rename(hidden, path)

    def put_back(self, job_id):
        """Let a job that was removed wait again, for nothing but the next look: it was not executed."""
        os.makedirs(self._waiting(job_id), 0o700, exist_ok=True)

    def waits(self, job_id):
        """Whether a job waits here."""
        return os.path.isdir(self._waiting(job_id))

    def is_ready(self, job_id):
        """Whether a job waits here, and for nothing any more."""
        with os.scandir(self._waiting(job_id)) as entries:  # it stops at the first of perhaps hundreds
            return next(entries, None) is None

    def met(self, edge):
        """Take down that the job of *edge* need not wait for the other any more. False if it did not wait for it."""
        self._forget(edge)
        return remove_file(self._waiting(edge.waiting, edge.awaited))

    def remove(self, job_id):
        """Take a job out, whatever it waits for."""
        for awaited in os.listdir(self._waiting(job_id)) if self.waits(job_id) else ():
            self.met(Edge(job_id, awaited))
        _remove_directory(self._waiting(job_id))

    def forget(self, edge):
        """Forget *edge*, unless its job still waits here."""
        if edge.awaited is not None and not self.waits(edge.waiting):
            self._forget(edge)

    def _forget(self, edge):
        remove_file(self._of(edge.awaited, edge.waiting))
        _remove_directory(self._of(edge.awaited))

    def _waiting(self, *names):
        return os.path.join(self._path, 'waiting', *names)

    def _of(self, *names):
        return os.path.join(self._path, 'of', *names)


def _remove_directory(path):
    try:
        os.rmdir(path)
    except OSError:  # another job waits for the same one; or it is gone
        pass
