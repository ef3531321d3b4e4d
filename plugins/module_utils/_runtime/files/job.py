# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of one job.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import fcntl
import os

from ..protocol import GRACE
from .atomic import open_plain, raise_shortage, read_json, remove_file, remove_tree, write_json
from .locks import open_lock

SPARE = 8192
"""Bytes set aside for each of two files. Whatever is written about an end fits in."""
SPARES = ('end.spare', 'result.spare')

_NONE = type(None)
_NUMBER = (int, float)
_SHAPES = {
    'spec.json': {
        'id': str,
        'name': (str, _NONE),
        'module': str,
        'limit': (int, float, _NONE),
        'grace': _NUMBER,
        'queue': (str, _NONE),
        'no_log': bool,
        'at': str,
        'boot': str,
    },
    'run.json': {
        'at': str,
        'monotonic': _NUMBER,
        'boot': str,
        'pid': int,
        'process_start': (int, _NONE),
        'supervisor': int,
        'supervisor_start': (int, _NONE),
    },
    'end.json': {
        'state': str,
        'ended': str,
        'elapsed': (int, float, _NONE),
        'rc': (int, _NONE),
        'signal': (str, _NONE),
        'reason': (str, _NONE),
        'pid': (int, _NONE),
    },
}


class Job:
    """One job's files. Reading needs nothing; what writes them holds the lock."""

    def __init__(self, store, job_id):
        self.store = store
        self.id = job_id
        self.path = os.path.join(store.jobs, job_id)
        self.result_file = os.path.join(store.root, job_id)
        self.lock = None

    def file(self, name):
        return os.path.join(self.path, name)

    def read(self, name):
        """The JSON object of *name* in the job directory, or None: not there, or not what we write there."""
        value = read_json(self.file(name))
        return value if value is not None and fits(name, value) else None

    def exists(self):
        """Whether there is such a job; what is removed goes at one stroke."""
        return os.path.isdir(self.path)

    def spec(self):
        """What was asked for, or None where there is no such job.

        A job whose spec.json a power cut or a later version made unreadable is still a job, and shall be found,
        called lost and removed like any other.
        """
        spec = self.read('spec.json')
        if spec is None and self.exists():
            spec = {
                'id': self.id,
                'name': None,
                'module': 'unknown',
                'limit': None,
                'grace': GRACE,
                'queue': None,
                'no_log': True,
                'at': '1970-01-01T00:00:00.000000Z',
                'boot': '',
            }
        return spec

    def write(self, name, value):
        write_json(self.file(name), value)

    def forget(self, *names):
        for name in names:
            remove_file(self.file(name))

    def remove(self):
        """Remove every trace of the job, at one stroke: a look must not find the half of it."""
        remove_file(self.result_file)
        hidden = os.path.join(self.store.jobs, '.gone-%s.%d' % (self.id, os.getpid()))
        try:
            os.rename(self.path, hidden)
        except FileNotFoundError:
            return
        remove_tree(hidden)

    def hold(self, path=None):
        """Take the job's lock, waiting for those that look at it just now.

        The lock belongs to the open file, so a child made by fork() keeps it when this process ends. See locks.py for
        the order in which locks are taken.
        """
        self.lock = open_lock(path or self.file('lock'))
        fcntl.flock(self.lock, fcntl.LOCK_EX)

    def let_go(self):
        """Close this process's share of the lock; a supervisor that inherited it still holds it."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def alive(self):
        """True while somebody holds the job's lock."""
        try:
            fd = open_plain(self.file('lock'), os.O_RDONLY)
        except OSError as error:  # none there, or something else in its place
            raise_shortage(error)  # no reason to call a job dead: it would be lost, and its slot somebody else's
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False


def fits(name, value):
    """Whether the object *value* is what we write into the JSON file *name*."""
    shape = _SHAPES.get(name, {})
    return all(key in value and isinstance(value[key], kind) and _counts(value[key]) for key, kind in shape.items())


def _counts(value):
    """False for a number that nothing can be added to."""
    return not isinstance(value, (int, float)) or -1e30 < value < 1e30
