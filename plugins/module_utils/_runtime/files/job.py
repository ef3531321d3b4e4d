# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of one job.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..protocol import GRACE, RETENTION, TARGET
from .atomic import read_json, remove_file, remove_tree, write_json
from .clock import lives
from .locks import is_locked, take_lock
from .records import End, Launch, Run, Spec, parse

SPARE = 8192
"""Bytes set aside for each of two files. Whatever is written about an end fits in."""
SPARES = ('end.spare', 'result.spare')
UNEXECUTED = 'run.new'
"""The name of run.json until the body has begun: to rename it is all that is left to do then."""


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

    def open_output(self, name):
        """A descriptor of the file *name*, empty, for what the job prints."""
        return os.open(self.file(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)

    def exists(self):
        """Whether there is such a job; what is removed goes at one stroke."""
        return os.path.isdir(self.path)

    def spec(self):
        """The Spec, or None where there is no such job.

        A power cut may have made spec.json unreadable. Such a job is still listed, reported as lost, and removed like any
        other. Raises NewerFormat, as the other records do.
        """
        spec = self._record(Spec, 'spec.json')
        return unreadable_spec(self.id) if spec is None and self.exists() else spec

    def launch(self):
        """The Launch, or None: the module was executed, or the file is not whole."""
        return self._record(Launch, 'launch.json')

    def run(self):
        """The Run, or None: the module was not executed, or the file is not whole.

        A supervisor may have been killed just after the execution. The module's process has the lock until it is executed. So
        if nobody has the lock, and the process lives, it was.
        """
        run = self._record(Run, 'run.json')
        if run is None:
            run = self._record(Run, UNEXECUTED)
            if run is not None and (self.alive() or not lives(run.pid, run.process_start)):
                return None
        return run

    def end(self):
        """The End, or None: the job has not ended, or the file is not whole."""
        return self._record(End, 'end.json')

    def stop_request(self):
        """Who asked the job to stop, and with what grace: {"by": text, "grace": seconds}, some or all of it missing."""
        return read_json(self.file('stop.json')) or {}

    def _record(self, kind, name):
        path = self.file(name)
        value = read_json(path)
        return None if value is None else parse(kind, value, path)

    def write(self, name, value):
        """Write *value*, a record or a dict, as the JSON file *name*."""
        write_record(self.file(name), value)

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
        self.lock = take_lock(path or self.file('lock'))

    def release(self):
        """Close this process's share of the lock; a supervisor that inherited it still holds it."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None

    def alive(self):
        """True while somebody holds the job's lock. No shortage calls a job dead: it would be lost, and its slot another's."""
        return is_locked(self.file('lock'))


def write_record(path, value, durable=False, spare=None):
    """write_json() for a record, or a dict."""
    write_json(path, value._asdict() if isinstance(value, tuple) else value, durable, spare)


def unreadable_spec(job_id):
    """The Spec of a job whose spec.json is not whole."""
    return Spec(
        version=1,
        id=job_id,
        name=None,
        module='unknown',
        about={},
        limit=None,
        leeway=0,
        spare_daemons=False,
        grace=GRACE,
        queue=None,
        after=[],
        after_any=False,
        is_on_end=False,
        no_log=True,
        retention=RETENTION,
        work=None,
        resources={},
        machine=None,
        machine_id='',
        at='1970-01-01T00:00:00.000000Z',
        monotonic=None,
        boot='',
        place=TARGET,
    )
