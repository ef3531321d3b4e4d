# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control groups of version 2: where one can be made, what it limits, and how all of its processes are ended.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

_CPU_PERIOD_MICROSECONDS = 100000


class Cgroup:
    """The cgroup whose directory is *path*. Its methods raise OSError."""

    def __init__(self, path):
        self.path = path

    def child(self, name):
        return Cgroup(os.path.join(self.path, name))

    def parent(self):
        return Cgroup(os.path.dirname(self.path))

    def is_root(self):
        """Whether it is the root of the system; the root that a container sees is not."""
        return not os.path.exists(self._file('cgroup.type'))

    def controllers(self):
        """The controllers that it may hand to its children."""
        return set(self._read('cgroup.controllers').split())

    def missing(self, controllers):
        """Those of *controllers* that its children do not have yet."""
        return set(controllers) - set(self._read('cgroup.subtree_control').split())

    def has_processes(self):
        return bool(self._read('cgroup.procs').strip())

    def hand_down(self, controllers):
        """Let its children have *controllers*."""
        missing = self.missing(controllers)
        if missing:
            self._write('cgroup.subtree_control', ' '.join('+' + name for name in sorted(missing)))

    def make(self):
        os.mkdir(self.path, 0o755)

    def enter(self):
        """Move this process into it."""
        self._write('cgroup.procs', '0')

    def limit(self, memory=None, cpu=None, tasks=None):
        """Limit all its processes together: *memory* in bytes, *cpu* in percent of one processor, *tasks* in number."""
        if memory is not None:
            self._write('memory.max', '%d' % memory)
            for name, value in (('memory.swap.max', '0'), ('memory.oom.group', '1')):
                if os.path.exists(self._file(name)):  # not with older kernels, or without swap accounting
                    self._write(name, value)
        if cpu is not None:
            self._write('cpu.max', '%d %d' % (cpu * _CPU_PERIOD_MICROSECONDS // 100, _CPU_PERIOD_MICROSECONDS))
        if tasks is not None:
            self._write('pids.max', '%d' % tasks)

    def count(self, name, event):
        """How often *event* has happened, of those in the file *name*. 0 where nothing counts it."""
        try:
            lines = self._read(name).splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.split()[:1] == [event])

    def kill(self):
        """End all its processes at one stroke. True where this kernel can (Linux 5.14)."""
        try:
            self._write('cgroup.kill', '1')
        except OSError:
            return False
        return True

    def remove(self):
        """Remove it, unless there are processes in it, or it is gone already."""
        try:
            os.rmdir(self.path)
        except OSError:
            pass

    def _file(self, name):
        return os.path.join(self.path, name)

    def _read(self, name):
        # Not ASCII: the small image of a supervisor, which makes the cgroup of the next job, has no other codec than UTF-8.
        with open(self._file(name), encoding='utf-8') as stream:
            return stream.read()

    def _write(self, name, text):
        fd = os.open(self._file(name), os.O_WRONLY)  # one write() is one command, and no file is made
        try:
            os.write(fd, text.encode('ascii'))
        finally:
            os.close(fd)


def own():
    """The cgroup of this process, or None: there is no cgroup of version 2 that this process could reach."""
    top = _mount_point()
    path = _own_path()
    if top is None or path is None or path.startswith('/..'):  # the last: outside of what this container sees
        return None
    return Cgroup(os.path.join(top, path.strip('/')).rstrip('/'))


def _mount_point():
    """Where the hierarchy of version 2 is mounted, or None."""
    try:
        with open('/proc/self/mountinfo', encoding='utf-8', errors='replace') as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    for line in lines:
        mount, _dash, kind = line.partition(' - ')
        if kind.startswith('cgroup2 '):
            return mount.split()[4]
    return None


def _own_path():
    try:
        with open('/proc/self/cgroup', encoding='utf-8', errors='replace') as stream:
            for line in stream:
                if line.startswith('0::'):
                    return line.rstrip('\n')[3:]
    except OSError:
        pass
    return None
