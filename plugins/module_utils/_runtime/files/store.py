# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Job files on the target: where they are, who may read them, how they are written.

<async_dir>/<jid>              the result file, in the format of ansible-core's own job files
<async_dir>/.jobs/<jid>/       the job directory:
    lock                       flocked for as long as the job's supervisor lives; the kernel's truth about life
    spec.json                  what was asked for, never changes
    launch.json, base          what to execute; gone as soon as it has been executed
    payload, args              the module and its arguments where it wants them as files; gone when it has ended
    run.json                   when and as what the module's process was executed; run.new until it is
    stdout, stderr             what the module's process printed
    output, output.old         what the module's commands print, as it comes (output/tap.py)
    ended.json                 what a job of `on_end` gets to know of the job that has ended
    stop.json                  how somebody asked the supervisor to stop it
    end.json                   how the job ended
    end.spare, result.spare    room for this and the result file, set aside in case that the disk is full by then
    collected                  somebody has seen the end
<async_dir>/.names/<name>      the id of the last job of that name, its own lock (files/names.py)
<async_dir>/.queues/<queue>/   who waits and who runs (schedule/queue.py)
<async_dir>/../.queues/        the queues that stores of the controller share (schedule/shared_queue.py)
<async_dir>/.dependents/       who waits for the end of whom (schedule/dependents.py)
<async_dir>/.runtime/r<hash>-<python>  this code, for requests that travel as a command (module_utils/_loader.py)

A file appears whole or not at all (temporary name, rename). Everything is private to its owner.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import errno
import os
import re

from .async_dir import Unsafe, expand_user, open_directory
from .atomic import link, remove_tree, write_file
from .errors import StoreError
from .ids import JOB_ID, check_job_id
from .job import SPARE, SPARES, Job, write_record
from .ownership import AS_WHOM, refuse_foreign
from .records import NewerFormat, Spec, parse
from .users import user

_HIDDEN = r'\.(?:(?:new|gone|base|bundle)-.*|%s)' % JOB_ID.pattern
"""Names of files and directories that a start makes, or a removal."""
_UNWRITTEN = r'(?:%s|state\.json|head\.json)\.[0-9]+\.tmp' % JOB_ID.pattern
"""Names under which files/atomic.py writes a file."""


class Store:
    """The jobs of one async directory, as the effective user sees them."""

    def __init__(self, async_dir):
        try:
            self.root = expand_user(async_dir)
        except Unsafe as error:
            raise StoreError('%s. Set ansible_async_dir to a directory of user %s.' % (error, user())) from None
        self.jobs = os.path.join(self.root, '.jobs')
        self.names = os.path.join(self.root, '.names')
        self.queues = os.path.join(self.root, '.queues')
        self.runtimes = os.path.join(self.root, '.runtime')
        self.dependents = os.path.join(self.root, '.dependents')
        self.shared_queues = os.path.join(os.path.dirname(self.root), '.queues')
        self._directories = (self.root, self.jobs, self.names, self.queues, self.runtimes, self.dependents)

    def prepare(self):
        """Make the directories, or refuse ones that somebody else could have prepared for us."""
        for path in self._directories:
            try:
                self._make(path)
            except FileExistsError:
                refuse_foreign(path)
            except OSError as error:
                raise StoreError(
                    'cannot make the job directory %s as user %s: %s. Set ansible_async_dir to a directory '
                    'this user may write to.' % (path, user(), error.strerror)
                ) from None

    def check(self):
        """Refuse directories that somebody else could have prepared for us: pids to kill, files to show."""
        for path in self._directories:
            try:
                if path == self.root:
                    self._reach(make=False)
                refuse_foreign(path)
            except FileNotFoundError:
                return
            except PermissionError:
                raise StoreError('user %s may not look into %s. %s' % (user(), path, AS_WHOM % user())) from None

    def _make(self, path):
        """Make one of the directories; raises FileExistsError like os.mkdir()."""
        if path == self.root:
            self._reach(make=True)
        os.mkdir(path, 0o700)

    def _reach(self, make):
        """Go to where the async directory is to be, which is refused if a link of somebody else leads there."""
        try:
            fd = open_directory(os.path.dirname(self.root), make)
        except Unsafe as error:
            raise StoreError('%s is not safe: %s. %s' % (self.root, error, AS_WHOM % user())) from None
        if fd is not None:
            os.close(fd)

    def job(self, job_id):
        return Job(self, check_job_id(job_id))

    def job_ids(self):
        """The ids of all jobs with a job directory, oldest first."""
        try:
            return sorted(name for name in os.listdir(self.jobs) if JOB_ID.fullmatch(name))
        except FileNotFoundError:
            return []

    def ends(self):
        """(job, its end or None) of each job, oldest first. Of ended jobs, this reads one file alone."""
        for job_id in self.job_ids():
            job = self.job(job_id)
            try:
                end = job.end()
            except NewerFormat:  # a look says so
                end = None
            yield job, end

    def create(self, spec, launch, base=None, args=None):
        """A new job, its lock held by this process, or None where a job of this id exists already.

        The directory gets its name only when the lock is held and everything is in it: whoever sees a job
        without a lock may call it dead. *spec*, *launch*: records; *base*: the path of a
        file, linked so that a thousand jobs of one module take its space once, or None; *args*: bytes or None.
        """
        job = self.job(spec.id)
        if parse(Spec, spec._asdict(), job.file('spec.json')) is None:
            raise StoreError('this does not describe a job: %r' % (spec,))
        if os.path.lexists(job.path):
            return None
        hidden = os.path.join(self.jobs, '.new-%s.%d' % (job.id, os.getpid()))
        os.mkdir(hidden, 0o700)
        try:
            job.hold(os.path.join(hidden, 'lock'))
            write_record(os.path.join(hidden, 'spec.json'), spec)
            write_record(os.path.join(hidden, 'launch.json'), launch)
            for name in SPARES:
                write_file(os.path.join(hidden, name), b' ' * SPARE)
            if base is not None:
                link(base, os.path.join(hidden, 'base'))
            if args is not None:
                write_file(os.path.join(hidden, 'args'), args)
            os.rename(hidden, job.path)
        except BaseException as error:
            job.release()
            remove_tree(hidden)
            if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return None
            raise
        return job

    def temporary_paths(self):
        """The paths of what is gone again when whoever made it goes on: files that are written, jobs that are made."""
        folders = [(self.jobs, _HIDDEN), (self.root, _UNWRITTEN), (os.path.join(self.dependents, 'waiting'), _HIDDEN)]
        folders += [(os.path.join(self.queues, name), _UNWRITTEN) for name in _names(self.queues)]
        for folder, pattern in folders:
            # Compiled here, because there may be thousands of names, and not above, because most requests ask for none.
            is_temporary = re.compile(pattern).fullmatch
            yield from (os.path.join(folder, name) for name in _names(folder) if is_temporary(name))


def _names(folder):
    """The names in *folder*; none where it is no directory."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
