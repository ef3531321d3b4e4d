# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locks of an async directory, and the order in which a process takes several of them.

Each lock is a flock() on one file. docs/architecture.md says what each of them protects.

    1. name        .names/<name>           a start that decides what the name means
    2. job         .jobs/<jid>/lock        the start, then the supervisor, as long as the job lives
    3. dependents  .dependents/lock        who changes which job waits for which, starts or skips what waits for others
    4. queue       .queues/<queue>/lock    who reads or changes the queue; of a shared queue, the start that adds
                                           a job to it

The order is name, job, dependents, queue: who holds a lock waits only for locks further down. The directory locks of
requests/retention.py come before all of these. A start with on_existing: replace holds the name while the old job ends;
that job's supervisor takes its job, the dependents and its queue, and no name.

Two steps go the other way. Queue.next() holds the queue and waits for the lock of a job in waiting/; what frees a job that
waited for others (supervise/following.py) holds the dependents and waits for the lock of this job. Neither can deadlock,
because whoever holds the lock of a job that waits in such a place waits for nothing. A job gets there only by add() and
put_back() of Queue and Dependents, under the lock of that place, and whoever calls them with the lock of the job in its
hands releases it next, without another lock. A job that goes on from the dependents to a queue is added by a process that
does not hold its lock. For the lock of a job that is a function nobody waits: such a job waits as a process, which holds its
own lock all the while and takes the dependents and its shared queue in the order above.

Job.alive() tests the lock of a job. It never waits, and takes no other lock while it tests, so it delays a holder only.
No process waits for the lock of a job, or of a queue, while it holds another of that kind: hand_on() releases the job that
has ended before it takes the next one. forget_names() skips a name that somebody holds.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import fcntl
import os

from .atomic import open_plain, raise_unless_absent


def take_lock(path, flags=0):
    """A descriptor of the lock file *path*, locked; programs that this process executes do not inherit it.

    *flags*: LOCK_NB raises BlockingIOError where somebody else holds the lock.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | flags)
    except BaseException:
        os.close(fd)
        raise
    return fd


def is_locked(path):
    """Whether somebody holds the lock file *path*. False where there is no such file, or something else in its place.

    Raises OSError where that cannot be known, because there are too many open files, or a server of NFS does not answer, say.
    """
    try:
        fd = open_plain(path, os.O_RDONLY)
    except OSError as error:
        raise_unless_absent(error)
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class LockedDirectory:
    """The directory *path*, with the file ``lock`` in it; nobody else has it while this process is in a ``with`` block.

    It is made where it is missing, and so are *directories* (paths) below it.
    """

    def __init__(self, path, *directories):
        self._directories = (path, *directories)
        self._lock = None

    def __enter__(self):
        for path in self._directories:
            os.makedirs(path, 0o700, exist_ok=True)
        self._lock = take_lock(os.path.join(self._directories[0], 'lock'))
        return self

    def __exit__(self, kind, value, trace):
        os.close(self._lock)
