# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every start tidies up: jobs whose retention is over, what starts that were cut off left, and old runtimes.

The retention is the job's own: its start has written it into spec.json. No setting of a later start, and no step of the
wall clock, removes what is in use:

- The age of a job is measured by the monotonic clock as well, for as long as the host has not been booted since.
- A job whose result nobody has collected is kept for an hour at least: a task may be about to collect it.
- Each start holds a shared lock on the directory of jobs while it makes them. Hidden files go only when no start does.
- A runtime is one file (module_utils/_loader.py), which each request has in memory. Those of version 0.1.0 are
  directories; a request of that version holds a shared lock on its directory.

Lock order: the locks of these directories, of jobs and of a runtime, are taken before all others. No process waits for
one of them while it holds the lock of a name, a queue or a job.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import contextlib
import fcntl
import os
import time

from ..files.atomic import remove_file, remove_tree
from ..files.clock import age_of, boot_id, since
from ..files.machine import other_machine
from ..files.names import forget_names
from ..files.records import NewerFormat
from ..protocol import RETENTION
from .look import start_dependents, take_look

_JOBS_OF_ONE_START = 100
"""A start looks at no more, so that it is not delayed by a year of leftovers."""
_UNCOLLECTED_SECONDS = 3600
"""From its end on, for which a job that nobody has collected is kept, whatever its retention is."""
_LEFTOVER_SECONDS = 3600
"""After which a temporary file is a leftover. The lock alone would say so, but version 0.1.0 does not take it, and not
every network filesystem has locks of directories."""


@contextlib.contextmanager
def start_under_way(store):
    """For as long as a start makes jobs in *store*. Before that, it tidies up."""
    with _directory(store.jobs) as fd:
        if _lock(fd, fcntl.LOCK_EX):
            _remove_leftovers(store)
        with contextlib.suppress(OSError):  # a filesystem without locks of directories
            fcntl.flock(fd, fcntl.LOCK_SH)
        _remove_expired(store)
        _remove_runtimes(store)
        yield


def ended_before(job, look, age):
    """Whether *job*, which has ended (*look*), did so *age* seconds ago or more, by the wall clock and the monotonic one."""
    if age_of(look.job['ended']) < age:
        return False
    monotonic_age = _monotonic_age(job, look)
    return monotonic_age is None or monotonic_age >= age


def _monotonic_age(job, look):
    """Seconds since the end of *job*, or None where it lies before the last boot.

    The end of a job that is lost, or that never ran, has no moment on this clock: then since it was started.
    """
    moment = job.run() or job.spec()
    if moment is None or moment.monotonic is None or not boot_id() or moment.boot != boot_id():
        return None
    return since(moment) - (look.job['elapsed'] or 0)


def _remove_expired(store):
    """Remove jobs whose retention is over, of some of all jobs: each start goes on at another place."""
    job_ids = store.job_ids()
    first = int.from_bytes(os.urandom(4), 'big') % len(job_ids) if len(job_ids) > _JOBS_OF_ONE_START else 0
    expired = [
        job for job in map(store.job, (job_ids[first:] + job_ids[:first])[:_JOBS_OF_ONE_START]) if _is_expired(job)
    ]
    start_dependents(store, [job.id for job in expired])
    for job in expired:
        job.remove()
    if expired:
        forget_names(store)


def _is_expired(job):
    try:
        spec = job.spec()
    except NewerFormat:
        return False
    if spec is None or other_machine(spec):  # removed meanwhile, or no business of this machine
        return False
    retention = spec.retention
    if _unchanged_seconds(job.file('end.json'), job.path) < retention:  # it costs less than a look
        return False
    look = take_look(job)
    if not look.ended or not ended_before(job, look, retention):
        return False
    if os.path.exists(job.file('collected')):
        return True
    age = _monotonic_age(job, look)
    return (time.monotonic() if age is None else age) >= _UNCOLLECTED_SECONDS  # it ended before the last boot, at least


def _remove_leftovers(store):
    """Remove what processes that were killed have left. No start is under way."""
    for path in store.temporary_paths():
        if _unchanged_seconds(path) <= _LEFTOVER_SECONDS:
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            remove_tree(path)
        else:
            remove_file(path)


def _remove_runtimes(store):
    """Remove the runtimes of other versions that nobody has used for a week. One that is missed is sent again."""
    for name in os.listdir(store.runtimes):
        path = os.path.join(store.runtimes, name)
        if _unchanged_seconds(path) < RETENTION:  # each request renews the time of its runtime
            continue
        with _directory(path) as fd:
            if fd is None:  # a file, which its requests have in memory
                remove_file(path)
            elif _lock(fd, fcntl.LOCK_EX):  # of version 0.1.0
                remove_tree(path)


@contextlib.contextmanager
def _directory(path):
    """A descriptor of a directory, or None where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        fd = None
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def _lock(fd, kind):
    """Take a lock without waiting for it. False where somebody else holds one; true where the filesystem has none."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _unchanged_seconds(*paths):
    """Seconds, by the wall clock, since the first of *paths* that is there has changed; 0 where none is."""
    for path in paths:
        with contextlib.suppress(OSError):
            return time.time() - os.lstat(path).st_mtime
    return 0
