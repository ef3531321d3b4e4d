# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a job: all of them, also those that left its process group or session.

Linux makes orphans children of the nearest subreaper, which the supervisor is, so the tree below it is the job. Without
a subreaper (another system, a Python without ctypes) or without /proc (a chroot), the job is the process group of its
module, and the end of a grandchild must be polled for.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import collections
import os
import signal
import sys
import time

from ..files.libc import libc

_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform.startswith('linux')
_UNKILLABLE_SECONDS = 60  # then a process that survives KILL (uninterruptible sleep, setuid) is reported
_POLL_SECONDS = 0.1  # between two looks; only a subreaper is woken by the death of a grandchild

Stopped = collections.namedtuple(
    'Stopped',
    (
        'daemons',  # {pid: name} of the processes in sessions of their own that KILL ended
        'survivors',  # pids of processes that not even KILL ended
    ),
)
"""What stop() has done."""


def get_ready():
    """Load what adopt_orphans() needs: once, before the supervisors of a batch are forked, and not in each."""
    libc()


def adopt_orphans():
    """Make this process the parent of every descendant whose own parent dies, where the system can do that.

    Elsewhere a process of the job that loses its parent and leaves the process group of its module is not stopped.
    """
    if libc() is not None:
        libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stop(main, grace, sleep, spare_daemons=False, cgroup=None):
    """End the tree below this process: TERM to *main* and its group, after *grace()* seconds KILL to all.

    *grace()* is asked again and again, because a later cancel may shorten the grace. *sleep(seconds)* must return early at
    the death of a child, and reap it. *spare_daemons*: let processes live that have left the session of *main*, as far as
    they can be told from the others. *cgroup*: the Cgroup of the job, or None; the kernel ends all of it at one stroke.
    Returns a Stopped.
    """
    _signal_group(main, signal.SIGTERM)
    _signal_group(main, signal.SIGCONT)  # a stopped process gets its TERM only when it goes on
    termed = time.monotonic()
    deadline = termed + grace()
    while _signal_group(main, 0) and time.monotonic() < deadline:
        sleep(min(_POLL_SECONDS, deadline - time.monotonic()))
        deadline = min(deadline, termed + grace())
    _signal_group(main, signal.SIGKILL)  # once: when it is empty, its number may become somebody else's
    deadline = time.monotonic() + _UNKILLABLE_SECONDS
    tree, daemons = _Tree(main), {}
    while True:
        alive = []
        for pid, session in tree.look():
            if session == main or not spare_daemons:
                if session != main:
                    daemons.setdefault(pid, _name(pid))
                _signal(pid, signal.SIGKILL)  # now, and not after the look: it may have passed itself on by then
                alive.append(pid)
        if cgroup is not None and not spare_daemons:
            # After the look, which takes down the names of the daemons. It reaches what is no longer below this process,
            # and what a fork is just about to make.
            cgroup.kill()
        # A process that is born while /proc is read, of a parent that dies meanwhile, is in no look.
        ended = not alive and (spare_daemons or not _has_children())
        if ended or time.monotonic() >= deadline:
            sleep(0)  # Reap the dead first: the end of the job tells how its module died.
            return Stopped({pid: name for pid, name in daemons.items() if pid not in alive}, alive)
        sleep(_POLL_SECONDS)


def _has_children():
    """Whether this process has a child, dead ones that wait to be reaped included.

    This answer of the kernel is exact for the whole tree where adopt_orphans() works: whoever lost its parent is a child
    of this process.
    """
    if not _LINUX:
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except OSError:  # dead already, or another user's: the next look at the tree tells
        pass


def _signal_group(group, number):
    """True where the group still has a member."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class _Tree:
    """The processes below this one, as /proc shows them. Where there is no /proc, as in some chroots, the group of *main*.

    A look must be short: a process that forks and ends at once, again and again, is ended only by a signal that comes
    between these two. So a look reads nothing of the processes that an earlier look has found elsewhere, and these may be
    thousands.
    """

    def __init__(self, main):
        self._main = main
        self._elsewhere = set()

    def look(self):
        """Yield (pid, session) of each one that is not dead, as soon as that is known: the youngest children first."""
        if not (_LINUX and os.path.exists('/proc/self/stat')):
            if _signal_group(self._main, 0):
                yield self._main, self._main
            return
        pids = {int(name) for name in os.listdir('/proc') if name.isdigit()}
        self._elsewhere &= pids  # a number that is free now may become that of a process of the job
        own = os.getpid()
        below, sessions, children = [own], {}, {}
        for pid in sorted(pids - self._elsewhere - {own}, reverse=True):
            parent, session, dead = _relations(pid)
            if dead:
                continue
            if parent == own:
                below.append(pid)
                yield pid, session
            else:
                sessions[pid] = session
                children.setdefault(parent, []).append(pid)
        for pid in _descendants(below, children):
            yield pid, sessions[pid]
        # All others come from process 1, whose parent is 0, or from a process that is known. One whose parent has just ended
        # may be the job's.
        known = [parent for parent in children if parent == 0 or parent in self._elsewhere]
        self._elsewhere.update(_descendants(known, children))


def _descendants(parents, children):
    """Yield the pids below *parents* (pids). *children*: pid -> the pids of its children."""
    parents = list(parents)
    while parents:
        pids = children.get(parents.pop(), [])
        yield from pids
        parents += pids


def _relations(pid):
    """(parent's pid, session, whether it is a zombie or gone)."""
    try:
        with open('/proc/%s/stat' % pid, 'rb') as stream:
            fields = stream.read().rpartition(b')')[2].split()  # a command's name may hold spaces and brackets
    except OSError:
        return 0, 0, True
    return int(fields[1]), int(fields[3]), fields[0] in (b'Z', b'X')


def _name(pid):
    """The name of a process, as `ps` shows it in its column COMMAND, or "?" if it is gone."""
    try:
        with open('/proc/%d/comm' % pid, 'rb') as stream:
            return stream.read().decode('utf-8', 'replace').strip()
    except OSError:
        return '?'
