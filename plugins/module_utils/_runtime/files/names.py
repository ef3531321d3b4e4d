# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The users' own names for jobs: at most one live job for each name and async directory.

The file of a name holds the id of its last job, and is flocked by whoever decides what the name means next, so
that two controllers that start the same name in the same instant get the same job.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import fcntl
import os

from .atomic import read_file
from .errors import StoreError
from .ids import JOB_ID, is_job_id
from .locks import take_lock

_LONGEST_NAME_BYTES = 200
_PLAIN = frozenset(b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 +,=@:_-.')


def file_name(name, what):
    """*name* (any text) as the name of a file that cannot be anything else; *what* it names is for the error."""
    text = name.encode('utf-8', 'surrogatepass') if isinstance(name, str) else b''
    encoded = ''.join(chr(byte) if byte in _PLAIN else '%%%02X' % byte for byte in text)
    if not encoded or len(encoded) > _LONGEST_NAME_BYTES or encoded.startswith('.'):
        raise StoreError(
            '%r cannot be the name of a %s: it must be a text of 1 to %d bytes that does not begin with a dot, '
            'where all but plain letters, digits and signs count three times' % (name, what, _LONGEST_NAME_BYTES)
        )
    return encoded


def check_new_name(name):
    """Refuse a name that every look would take for a job id, before a job gets it."""
    if is_job_id(name):
        raise StoreError(
            '%r cannot be the name of a job: it has the form of a job id, and would be looked up as one. Put a word '
            "before it, as in 'release %s'" % (name, name)
        )


def find(store, reference):
    """The job of an id, or of {"name": text}: the last of that name. None where the name has none."""
    if not isinstance(reference, dict):
        return store.job(reference)
    path = path_of(store, reference['name'])
    job_id = _job_id(read_file(path) or b'')  # without the lock: who replaces a job holds it until that has ended
    if job_id is None and os.path.exists(path):
        with Name(path) as name:
            job_id = name.job_id()
    return None if job_id is None else store.job(job_id)


def forget_names(store):
    """Forget the names whose job is gone, but for those that somebody decides about just now."""
    for entry in os.listdir(store.names) if os.path.isdir(store.names) else ():
        _forget(store, os.path.join(store.names, entry))


def forget_name(store, name):
    """Forget *name* (a user's) as forget_names() does. Does nothing where it cannot be a name: it is of a damaged file."""
    try:
        path = path_of(store, name)
    except StoreError:
        return
    if os.path.exists(path):
        _forget(store, path)


def _forget(store, path):
    try:
        with Name(path, fcntl.LOCK_NB) as name:
            if name.job_id() is None or not store.job(name.job_id()).exists():
                name.forget()
    except BlockingIOError:
        pass


def path_of(store, name):
    """The file of a user's name."""
    return os.path.join(store.names, file_name(name, 'job'))


def _job_id(written):
    text = written.decode('ascii', 'replace')
    return text if JOB_ID.fullmatch(text) else None


class Name:
    """One name, by the path of its file, held while in a ``with`` block; with LOCK_NB, only if nobody else does."""

    def __init__(self, path, flags=0):
        self._path = path
        self._flags = flags
        self._lock = None

    def __enter__(self):
        while self._lock is None:
            self._lock = take_lock(self._path, self._flags)
            try:
                current = os.path.samestat(os.fstat(self._lock), os.stat(self._path))
            except FileNotFoundError:
                current = False
            if not current:  # forgotten while this process waited for the lock: that file means nothing now
                os.close(self._lock)
                self._lock = None
        return self

    def __exit__(self, kind, value, trace):
        os.close(self._lock)

    def job_id(self):
        """The id of the name's last job, or None."""
        return _job_id(os.pread(self._lock, 100, 0))

    def forget(self):
        os.unlink(self._path)

    def give_to(self, job_id):
        # First written: a full disk, or a kill between the two calls, must not leave the name without a job.
        os.ftruncate(self._lock, os.pwrite(self._lock, job_id.encode('ascii'), 0))
