# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small image of a supervisor: what waits while a module runs, in as little memory as Python allows.

The supervisor of a long job replaces its image by a fresh interpreter that has loaded only this file and what it imports.
When there is something to do, the rest of the runtime is loaded again, from the bundle. No other file is needed from then
on: the job may replace Python itself.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import _signal as signal  # type: ignore[import-not-found]  # as in vigil.py
import os
import sys

from .bundle import Bundle
from .bundle import write as write_bundle
from .vigil import HEARD, Signals, Vigil

_BOOT = """
import marshal,os,sys
fd,size,name=int(sys.argv[1]),int(sys.argv[2]),sys.argv[3]
module=type(sys)(name)
exec(marshal.loads(os.pread(fd,size,0))[0],module.__dict__)
sys.meta_path.insert(0,module.Bundle(fd,size))
__import__(sys.argv[4],fromlist=["main"]).main(sys.meta_path[0],sys.argv[5:])
"""
_ANEW = """
import sys
sys.path.append(sys.argv[1])
__import__(sys.argv[2],fromlist=["main_anew"]).main_anew(sys.argv[3:])
"""
_OWN = __name__.split('.')[-3:]
"""The name of this module, from the package of the runtime on."""
_FOLDER = os.path.abspath(__file__).rsplit(os.sep, len(_OWN))[0]
"""The directory of that package, where the runtime was imported from files. Now, because the path may be relative."""
_EXTENSIONS = ('fcntl', 'binascii', '_json', '_struct', '_ctypes', '_socket', 'math')
"""What the end of a job and the start of the next one need of extension modules, which no bundle can hold: the small image
loads them at once. A job that waits for this one may come at any time, so the small image loads them even if no job waits
now."""


_image = None


def this_image():
    """The Image of this process. The first call takes down which interpreter it runs in, and which runtime."""
    global _image
    if _image is None:
        _image = Image()
    return _image


class Image:
    """The image of a process: its interpreter and the runtime, as they were at the beginning, and its bundle (or None).

    A forked process shares all of it.
    """

    def __init__(self, bundle=None):
        self.bundle = bundle
        self._files = _identities(_interpreter() + ([] if bundle else _runtime()))  # a bundle holds the runtime

    def write_bundle(self, folder):
        """Write the bundle in *folder* now, for all the supervisors that this process will fork.

        Each one writes its own otherwise, which takes more processor time than all else that its job costs. No reason to
        fail: a supervisor tries again.
        """
        try:
            self.bundle = self.bundle or write_bundle(folder)
        except Exception:  # no room, no memory, or files that somebody is replacing just now
            pass

    def replace(self, job, vigil, deadline, resume):
        """Replace it by main(), which waits and then calls *resume*; child, lock and signals stay.

        Returns where that cannot be done, and where the *vigil* is over already: then this image goes on.
        *resume*: a function of the runtime (shape: supervisor.resume()).
        """
        if vigil.status is not None or not sys.executable:
            return
        self.write_bundle(job.path)
        bundle = self.bundle
        if not bundle or self._is_outdated():
            return
        words = [bundle.fd, bundle.head_size, Bundle.__module__, __name__, resume.__module__, resume.__name__]
        words += [job.store.root, job.id, job.lock, vigil.main, deadline or '', job.file('stop.json')]
        command = [sys.executable, '-I', '-S', '-c', _BOOT, *map(str, words)]
        _execute(command, vigil, (job.lock, bundle.fd))

    def begin_anew(self, job, vigil, deadline, go_on):
        """Replace it by one that has loaded the runtime alone, from its files, and calls *go_on*.

        That is a function of the runtime (shape: supervisor.go_on()). Child, lock and signals stay. Returns where it cannot be
        done.
        """
        if not sys.executable or vigil.status is not None or self._is_outdated():
            return
        above = len(__name__) - len('.'.join(_OWN))
        words = [_FOLDER, '.'.join(_OWN), go_on.__module__[above:], go_on.__name__]
        words += [job.store.root, job.id, job.lock, vigil.main, deadline or '']
        _execute([sys.executable, '-I', '-S', '-c', _ANEW, *map(str, words)], vigil, (job.lock,))

    def _is_outdated(self):
        """Whether files that another image would load have been replaced since the beginning.

        With another interpreter, it might not even start; with another runtime, not understand what this one tells it.
        """
        return _identities(self._files) != self._files


def main_anew(words):
    """Go on where Image.begin_anew() has left off."""
    module, function, root, job_id, lock, pid, deadline = words
    _set_inheritable((int(lock),), False)
    go_on = getattr(__import__(module, fromlist=[function]), function)
    go_on(root, job_id, int(lock), int(pid), float(deadline) if deadline else None)


def _execute(command, vigil, descriptors):
    """Replace the image of this process by *command*, which keeps *descriptors*. Returns where that cannot be done."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)  # what comes from here on is for the new image
    _set_inheritable(descriptors, True)
    try:
        if not vigil.signals.shutdown:
            os.execv(command[0], command)
    except OSError:
        pass
    _set_inheritable(descriptors, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)


def main(bundle, words):
    """Go on where Image.replace() of the former image has left off."""
    global _image
    module, function, root, job_id, lock, pid, deadline, stop_file = words
    _set_inheritable((int(lock), bundle.fd), False)
    for name in _EXTENSIONS:
        _load(name)
    _image = Image(bundle)
    _import_from_nowhere_else(bundle)
    vigil = Vigil(Signals(), int(pid))
    state = vigil.keep(float(deadline) if deadline else None, stop_file)

    resume = getattr(__import__(module, fromlist=[function]), function)  # not earlier: it takes memory
    resume(root, job_id, int(lock), vigil, state)


def _load(name):
    try:
        __import__(name)
    except ImportError:  # its users know what to do without it
        pass


def _import_from_nowhere_else(bundle):
    """Import what is not built in from *bundle* alone: a file of another Python would do harm."""
    kept = [finder for finder in sys.meta_path if finder is not bundle and 'PathFinder' not in finder.__name__]
    sys.meta_path[:] = [*kept, bundle]


def _set_inheritable(descriptors, inheritable):
    for fd in descriptors:
        os.set_inheritable(fd, inheritable)


def _interpreter():
    """The paths that change when the interpreter or its standard library is replaced."""
    extensions = getattr(sys.modules.get('fcntl'), '__file__', None)
    paths = [sys.executable, os.path.dirname(os.__file__)]
    return paths + ([os.path.dirname(extensions)] if extensions else [])


def _runtime():
    """The paths of the modules of the runtime that this process has loaded. On a target they come from no files."""
    package = __name__.rsplit('.', 2)[0] + '.'
    return [module.__file__ for name, module in list(sys.modules.items()) if name.startswith(package)]


def _identities(paths):
    """{path: what changes when the file is replaced}."""
    return {path: _identity(path) for path in paths}


def _identity(path):
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
