# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The long wait of a supervisor for its module's end, in as little memory as Python allows.

While a module runs, its supervisor is this file and no more: it replaces its own image (main() below), and loads the
rest again when there is something to do. That is why hardly anything is imported here.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import select
import signal
import sys
import time

STOP = signal.SIGUSR1
"""Tells a supervisor to look for the stop.json of its job. One that has gone on to another job finds none there;
TERM, which the system sends at shutdown, needs no file."""
_LONGEST = 1000000000  # seconds; the kernel cannot count much further
HEARD = (signal.SIGCHLD, signal.SIGTERM, STOP)
_TOGETHER = 0.5
"""Seconds within which a TERM that is sent to all processes of a session has reached all of them."""


class Signals:
    """Signals make a pipe readable, so that none is lost between a look and a sleep."""

    def __init__(self):
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        self.shutdown = False
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGCHLD, STOP):
            signal.signal(number, lambda signum, frame: None)
        signal.signal(signal.SIGTERM, self._on_shutdown)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)

    def _on_shutdown(self, signum, frame):
        self.shutdown = True

    def sleep(self, seconds):
        """Until a signal comes, a child's death among them, or *seconds* are over (None: no end)."""
        if select.select([self._reader], [], [], None if seconds is None else min(seconds, _LONGEST))[0]:
            os.read(self._reader, 4096)


class Vigil:
    """The wait for the process ``main``, a child of this one; None until there is one."""

    def __init__(self, signals, main=None):
        self.main = main
        self.signals = signals
        self.status = None

    def keep(self, deadline, stop_file):
        """None when the process has ended by itself, else the state that stopping it will mean.

        *deadline*: on the monotonic clock, or None. *stop_file*: asks for the end where it exists.
        """
        while True:
            self._reap()
            if self.status is not None:
                return 'cancelled' if self._ended_with_us() else None
            if self.signals.shutdown or os.path.exists(stop_file):
                return 'cancelled'
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return 'timed_out'
            self.sleep(left)

    def _ended_with_us(self):
        """Whether the TERM that ended the module was sent to this process as well, in whatever order.

        So do a shutdown and the end of a login session. The module did not fail then: it was stopped.
        """
        if not os.WIFSIGNALED(self.status) or os.WTERMSIG(self.status) != signal.SIGTERM:
            return False
        deadline = time.monotonic() + _TOGETHER
        while not self.signals.shutdown and time.monotonic() < deadline:
            self.signals.sleep(deadline - time.monotonic())
        return self.signals.shutdown

    def sleep(self, seconds):
        self.signals.sleep(seconds)
        self._reap()

    def _reap(self):
        """Bury dead children: the module, and those of its orphans that came to us."""
        pid = -1
        while pid:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == self.main:
                self.status = status


class _Kept:
    """Finds our other files where somebody has removed them meanwhile, tidying up old files for one.

    They are open in this process: a limit must hold, and an end be told, all the same.
    """

    def __init__(self, files):
        self._files = files  # the full name of a module -> the descriptor of its source

    def find_spec(self, name, _path, _target=None):
        if name not in self._files:
            return None
        spec = type(__spec__)(name, self, origin=name)
        spec.has_location = True  # its __file__ is for get_data()
        if any(other.startswith(name + '.') for other in self._files):
            spec.submodule_search_locations = []
        return spec

    def create_module(self, _spec):
        return None

    def exec_module(self, module):
        exec(compile(self.get_data(module.__file__), module.__file__, 'exec', 0, True), module.__dict__)

    def get_data(self, path):
        fd = self._files[path]
        return os.pread(fd, os.fstat(fd).st_size, 0)


def main():
    """Come back from replace()."""
    root, job_id, lock, pid, deadline, stop_file = sys.argv[1:7]
    files = {name: int(fd) for name, fd in zip(sys.argv[7::2], sys.argv[8::2])}
    for fd in (int(lock), *files.values()):
        os.set_inheritable(fd, False)
    vigil = Vigil(Signals(), int(pid))
    state = vigil.keep(float(deadline) if deadline else None, stop_file)

    sys.meta_path.append(_Kept(files))
    from . import supervisor as _supervisor  # not earlier: this is what the memory is saved by

    _supervisor.resume(root, job_id, int(lock), vigil, state)


def replace(job, vigil, deadline):
    """Replace this process's image by main() alone; child, lock and signals stay.

    Returns where that cannot be done, and where the *vigil* is over already.
    """
    if vigil.status is not None or not sys.executable:
        return
    package = __name__.rsplit('.', 2)[0]
    files = {}
    try:
        for name, module in list(sys.modules.items()):
            if (name + '.').startswith(package + '.'):
                files[name] = os.open(module.__file__, os.O_RDONLY)
    except OSError:  # they are gone already; those of a runtime that came as an ordinary module always are
        _close(files.values())
        return
    top = os.path.dirname(__file__)
    for _part in __name__.split('.')[:-1]:
        top = os.path.dirname(top)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)  # the new image hears what comes from here on, and nothing else
    for fd in (job.lock, *files.values()):
        os.set_inheritable(fd, True)
    command = 'import sys;sys.path.insert(0,sys.argv.pop(1));__import__(sys.argv.pop(1),fromlist=["main"]).main()'
    words = [top, __name__, job.store.root, job.id, job.lock, vigil.main, deadline or '', job.file('stop.json')]
    for name in files:
        words += [name, files[name]]
    try:
        if not vigil.signals.shutdown:
            os.execv(sys.executable, [sys.executable, '-I', '-S', '-c', command, *map(str, words)])
    except OSError:
        pass
    os.set_inheritable(job.lock, False)
    _close(files.values())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)


def _close(descriptors):
    for fd in descriptors:
        os.close(fd)
