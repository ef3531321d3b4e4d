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
    run.json                   when and as what the module's process was executed
    stdout, stderr             what the module's process printed
    output, output.old         what the module's commands print, as it comes (output/tap.py)
    stop.json                  how somebody asked the supervisor to stop it
    end.json                   how the job ended
    end.spare, result.spare    room for this and the result file, set aside in case that the disk is full by then
    collected                  somebody has seen the end
<async_dir>/.names/<name>      the id of the last job of that name, its own lock (files/names.py)
<async_dir>/.queues/<queue>/   who waits and who runs (schedule/queue.py)
<async_dir>/.runtime/r<hash>-<python>  this code, for requests that travel as a command (module_utils/_loader.py)

A file appears whole or not at all (temporary name, rename). Everything is private to its owner.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import errno
import fcntl
import functools
import json
import os
import pwd
import re
import stat

from ..protocol import GRACE
from .async_dir import Unsafe, expand_user, open_directory
from .locks import open_lock

JOB_ID = re.compile(r'j?[0-9]{1,40}\.[0-9]{1,20}')
_MITOGEN_ID = re.compile(r'[0-9a-f]{16}')  # of jobs that mitogen starts, whose result files are like ansible-core's
SPARE = 8192
"""Bytes set aside for each of two files. Whatever is written about an end fits in."""
SPARES = ('end.spare', 'result.spare')
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)

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


_AS_WHOM = (
    'This task works as user %s: let it work as the user whose jobs these are (become, become_user), or set '
    'ansible_async_dir to a directory of its own.'
)


class StoreError(Exception):
    """The job files cannot be used; the text is for a person."""


def is_job_id(value):
    """Whether *value* is a text that can be a job id: ours, ansible-core's or mitogen's."""
    return isinstance(value, str) and bool(JOB_ID.fullmatch(value) or _MITOGEN_ID.fullmatch(value))


def check_job_id(job_id):
    """Refuse whatever is not a job id before it becomes part of a path."""
    if not is_job_id(job_id):
        raise StoreError('%r is not a job id: expected something like j20261122044512123456.12345678' % (job_id,))
    return job_id


def write_file(path, data, durable=False, spare=None):
    """Write *data* (bytes) so that a reader finds the old file or the new one, never a part.

    *durable*: a power cut does, too. *spare*: a file that is used up for this (SPARE), which works on a full disk.
    """
    temporary = spare or '%s.%d.tmp' % (path, os.getpid())
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, 'wb') as stream:
            stream.write(data)
            stream.truncate()
            if durable:
                os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path
        if temporary != spare:
            os.unlink(temporary)
        raise


def read_file(path, limit=-1):
    """The bytes of *path*, at most *limit* of them, or None where there is no file, or something else in its place.

    Raises OSError where that cannot be known, because there are too many open files, say.
    """
    try:
        with open(path, 'rb', opener=open_plain) as stream:
            return stream.read(limit)
    except OSError as error:
        _raise_shortage(error)
        return None


def _raise_shortage(error):
    """Raise *error* (OSError) if this process or the system is short of something: it says nothing of the file then."""
    if error.errno in _SHORTAGES:
        raise error


def open_plain(path, flags):
    """Open a file, but follow no link, and do not wait at a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def write_json(path, value, durable=False, spare=None):
    write_file(path, json.dumps(value).encode('ascii'), durable, spare)


def read_json(path):
    """The JSON object in *path*, or None where there is none: no file, or what a power cut left of one."""
    data = read_file(path)
    try:
        value = json.loads((data or b'').decode('utf-8'))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def remove_file(path):
    """True where there was one."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def remove_tree(path, parent=None):
    """Remove the directory *path*, below the open directory *parent*, as far as that is possible. Follows no link.

    shutil.rmtree() would have to be imported, at the end of a job that may have replaced Python's own files.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except OSError:
        return
    try:
        for name in os.listdir(fd):
            try:
                os.unlink(name, dir_fd=fd)
            except OSError:  # a directory
                remove_tree(name, fd)
    finally:
        os.close(fd)
    try:
        os.rmdir(path, dir_fd=parent)
    except OSError:
        pass


class Store:
    """The jobs of one async directory, as the effective user sees them."""

    def __init__(self, async_dir):
        self.root = expand_user(async_dir)
        self.jobs = os.path.join(self.root, '.jobs')
        self.names = os.path.join(self.root, '.names')
        self.queues = os.path.join(self.root, '.queues')
        self.runtimes = os.path.join(self.root, '.runtime')
        self._directories = (self.root, self.jobs, self.names, self.queues, self.runtimes)

    def prepare(self):
        """Make the directories, or refuse ones that somebody else could have prepared for us."""
        for path in self._directories:
            try:
                self._make(path)
            except FileExistsError:
                _refuse_foreign(path)
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
                _refuse_foreign(path)
            except FileNotFoundError:
                return
            except PermissionError:
                raise StoreError('user %s may not look into %s. %s' % (user(), path, _AS_WHOM % user())) from None

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
            raise StoreError('%s is not safe: %s. %s' % (self.root, error, _AS_WHOM % user())) from None
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
            yield job, job.read('end.json')

    def create(self, spec, launch, base, args=None):
        """A new job, its lock held by this process, or None where a job of this id exists already.

        The directory gets its name only when the lock is held and everything is in it: whoever sees a job
        without a lock may call it dead. *spec*, *launch*: the JSON files of these names; *base*: the path of a
        file, linked so that a thousand jobs of one module take its space once; *args*: bytes or None.
        """
        job = self.job(spec['id'])
        if not _fits('spec.json', spec):
            raise StoreError('this does not describe a job: %r' % (spec,))
        if os.path.lexists(job.path):
            return None
        hidden = os.path.join(self.jobs, '.new-%s.%d' % (job.id, os.getpid()))
        os.mkdir(hidden, 0o700)
        try:
            job.hold(os.path.join(hidden, 'lock'))
            write_json(os.path.join(hidden, 'spec.json'), spec)
            write_json(os.path.join(hidden, 'launch.json'), launch)
            for name in SPARES:
                write_file(os.path.join(hidden, name), b' ' * SPARE)
            _link(base, os.path.join(hidden, 'base'))
            if args is not None:
                write_file(os.path.join(hidden, 'args'), args)
            os.rename(hidden, job.path)
        except BaseException as error:
            job.let_go()
            remove_tree(hidden)
            if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return None
            raise
        return job

    def sweep(self, name):
        """Remove what a start that was cut off left in the directory of jobs under a hidden name."""
        path = os.path.join(self.jobs, name)
        if os.path.isdir(path) and not os.path.islink(path):
            remove_tree(path)
        else:
            remove_file(path)


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
        return value if value is not None and _fits(name, value) else None

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
            _raise_shortage(error)  # no reason to call a job dead: it would be lost, and its slot somebody else's
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False


def _fits(name, value):
    """Whether the object *value* is what we write into the JSON file *name*."""
    shape = _SHAPES.get(name, {})
    return all(key in value and isinstance(value[key], kind) and _counts(value[key]) for key, kind in shape.items())


def _counts(value):
    """False for a number that nothing can be added to."""
    return not isinstance(value, (int, float)) or -1e30 < value < 1e30


def trace():
    """What went wrong in this code, for the person who has to mend it."""
    import traceback  # here, because each supervisor would pay for it in memory

    return 'the runtime of background.jobs failed:\n%s' % traceback.format_exc()


def _link(source, target):
    try:
        os.link(source, target)
    except OSError:  # a filesystem without links, or too many of them
        write_file(target, read_file(source))


def user(uid=None):
    """The name of a user, of the effective one without *uid*."""
    return _user_name(os.geteuid() if uid is None else uid)


@functools.lru_cache(maxsize=None)  # each look tells the user, and each question opens the password database
def _user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _refuse_foreign(path):
    link, status, own = os.lstat(path), os.stat(path), os.geteuid()
    for owner, trusted in ((link.st_uid, (0, own)), (status.st_uid, (own,))):
        if owner not in trusted:
            raise StoreError('%s belongs to user %s. %s' % (path, user(owner), _AS_WHOM % user()))
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError('%s is not a directory: remove it, or set ansible_async_dir to another directory.' % path)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(
            '%s can be written by others (mode %04o): run chmod go-w on it, or set ansible_async_dir to '
            'another directory.' % (path, stat.S_IMODE(status.st_mode))
        )
