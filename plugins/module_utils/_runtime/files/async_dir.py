# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the async directory of a user is, how to get there safely, and who may write there.

In a file of its own, because the loader (module_utils/_loader.py) needs it before it has the runtime.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import pwd
import stat

OPEN_DIRECTORY = getattr(os, 'O_PATH', os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
_MOST_LINKS = 40


class Unsafe(Exception):
    """A directory or file must not be used; the text says why, for a person."""


def expand_user(path):
    """Absolute form of *path*; ``~`` and ``$HOME`` are the home of the effective user. Other variables are expanded, too.

    The password database is asked before $HOME: `environment:` or a become method that keeps $HOME would
    otherwise make a job's start and its later looks disagree about the place (ansible/ansible#77450). What cannot be
    expanded is refused: it would become a directory of this very name.
    """
    written = path
    # The bytes of UTF-8 that the user wrote: the locale of this process may be another one, or have none but ASCII.
    path = os.fsdecode(path.encode('utf-8', 'surrogateescape'))
    for home in ('$HOME', '${HOME}'):
        if path == home or path.startswith(home + '/'):
            path = '~' + path[len(home) :]
    if path == '~' or path.startswith('~/'):
        try:
            home = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:
            home = os.path.expanduser('~')
        path = home + path[1:]
    else:
        path = os.path.expandvars(os.path.expanduser(path))
    if path.startswith('~'):
        raise Unsafe('the async directory is set to %s, but this host has no such user' % written)
    if '$' in path:
        raise Unsafe('the async directory is set to %s, but no such variable is set on this host' % written)
    return os.path.abspath(path)


def open_directory(path, make):
    """A descriptor of the directory *path* (absolute), or None if there is none and *make* is false.

    Each directory is opened from the one above it. A link on the way is followed only if root or this user made it, in
    a directory of theirs: otherwise somebody else would decide where root, for example, writes. Systems without O_PATH
    cannot do this: a directory that may be entered but not read could not be opened.
    """
    if not hasattr(os, 'O_PATH'):
        if make:
            os.makedirs(path, 0o700, exist_ok=True)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY) if os.path.isdir(path) else None
    names = path.split('/')[::-1]
    links = 0
    fd = os.open('/', OPEN_DIRECTORY)
    try:
        while names:
            name = names.pop() or '.'
            entry = _entry(fd, name, make)
            if entry is None:
                return None
            if stat.S_ISLNK(entry.st_mode):
                links += 1
                if links > _MOST_LINKS:
                    raise Unsafe('%s has too many links in it' % path)
                if not {entry.st_uid, os.fstat(fd).st_uid} <= {0, os.geteuid()}:
                    raise Unsafe(
                        '%s leads through the link %r, which another user has made or may replace' % (path, name)
                    )
                target = os.readlink(name, dir_fd=fd)
                names += target.split('/')[::-1]
                name = '/' if target.startswith('/') else '.'
            above, fd = fd, os.open(name, OPEN_DIRECTORY, dir_fd=fd)
            os.close(above)
        result, fd = fd, None
        return result
    finally:
        if fd is not None:
            os.close(fd)


def _entry(fd, name, make):
    """The status of *name* in the directory *fd*, or None if it is not there and *make* is false."""
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        if not make:
            return None
    try:
        os.mkdir(name, 0o700, dir_fd=fd)
    except FileExistsError:  # somebody was faster
        pass
    return os.stat(name, dir_fd=fd, follow_symlinks=False)


def others_may_write(status):
    """Whether somebody but root and the effective user may write to what has this *status* (of stat()) and is the user's.

    A group that the user is alone in does not count: where each user has such a group, umask is often 0002, and then
    ansible-core makes the async directory with mode 0775.
    """
    mode = status.st_mode
    return bool(mode & stat.S_IWOTH or (mode & stat.S_IWGRP and not _is_private_group(status.st_gid)))


def _is_private_group(gid):
    """Whether the group *gid* is that of the effective user, named after the user, and nobody else is in it."""
    import grp  # here, because few requests need it

    try:
        own, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return own.pw_gid == gid and group.gr_name == own.pw_name and set(group.gr_mem) <= {own.pw_name}
