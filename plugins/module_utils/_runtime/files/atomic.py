# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading and writing files: a file appears whole or not at all, and no link is followed.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import errno
import json
import os

_ABSENT = (
    errno.ENOENT,
    errno.ENOTDIR,  # a file in the place of a directory above
    errno.EISDIR,  # a directory in its place
    errno.EEXIST,  # something else in the place of a directory, which cannot be made
    errno.ELOOP,  # a link
    errno.ENXIO,  # a socket
    errno.EACCES,
    errno.ESRCH,  # in /proc: the process has ended
)
"""Errors that mean: there is no such file, or something else in its place."""


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

    Raises OSError where that cannot be known, because there are too many open files, or a server of NFS does not answer, say.
    """
    try:
        with open(path, 'rb', opener=open_plain) as stream:
            return stream.read(limit)
    except OSError as error:
        raise_unless_absent(error)
        return None


def raise_unless_absent(error):
    """Raise *error* (OSError) unless it means that a file is not there: any other one says nothing of the file."""
    if error.errno not in _ABSENT:
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


def touch(path):
    """Make an empty file, unless there is one."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600))


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
    except (OSError, RecursionError):  # NFS does not answer, say; or a thousand directories are inside of each other
        pass
    finally:
        os.close(fd)
    try:
        os.rmdir(path, dir_fd=parent)
    except OSError:
        pass


def link(source, target):
    try:
        os.link(source, target)
    except OSError:  # a filesystem without links, or too many of them
        write_file(target, read_file(source))
