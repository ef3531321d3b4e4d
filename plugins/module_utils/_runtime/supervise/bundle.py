# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code that a supervisor may still need, in one open file that nobody can replace.

A job may replace the very interpreter that its supervisor runs in. So the supervisor writes the compiled code of the
modules that it has loaded into one file, removes the name of that file, and keeps it open. Its small image
(handover.py) imports from there.

The file begins with its head, marshalled: (code of this module, index). The index is {name of a module: (offset, bytes
of its code, bytes of its source, whether it is a package, the path it came from)}.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import marshal
import os
import sys

_PACKAGE = __name__.rsplit('.', 2)[0]
_WITH_SOURCE = _PACKAGE + '.output.tap'
"""The one module whose source is needed: it goes to the processes of modules (output/tapping.py)."""
_ROOM_BYTES = 16 * 1024 * 1024
"""A disk with less room is left to the module."""


class Bundle:
    """A bundle, as a finder and loader of modules."""

    def __init__(self, fd, head_size):
        self.fd = fd
        self.head_size = head_size
        _code, self._index = marshal.loads(os.pread(fd, head_size, 0))

    def find_spec(self, name, _path, _target=None):
        if name not in self._index:
            return None
        _offset, _code, _source, is_package, path = self._index[name]
        spec = type(sys.__spec__)(name, self, origin=path)
        spec.has_location = True  # so that the module has a __file__, which get_data() knows
        if is_package:
            spec.submodule_search_locations = []
        return spec

    def create_module(self, _spec):
        return None

    def exec_module(self, module):
        offset, size = self._index[module.__name__][:2]
        exec(marshal.loads(os.pread(self.fd, size, offset)), module.__dict__)

    def get_data(self, path):
        """The source of the module that came from *path*, if it is one that the bundle has the source of."""
        for offset, code, source, _is_package, origin in self._index.values():
            if origin == path and source:
                return os.pread(self.fd, source, offset + code)
        raise OSError('%s is not in the bundle' % path)


def write(folder):
    """A bundle of what this process has loaded, in a file of *folder* without a name.

    Raises an Exception where a module cannot be read any more, or the disk or the memory has no room.
    """
    import socket  # noqa: F401, contain/bus.py imports it
    import warnings  # noqa: F401, os.execvpe() imports it

    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < _ROOM_BYTES:
        raise OSError('no room for a bundle in %s' % folder)
    index, data = {}, bytearray()
    for name, module in sorted(sys.modules.items()):
        if (_PACKAGE + '.').startswith(name + '.') and name != _PACKAGE:  # a folder above ours
            code, source, path = marshal.dumps(compile('', name, 'exec')), b'', name
        elif _is_needed(name, module):
            code, source, path = _read(name, module)
        else:
            continue
        index[name] = (len(data), len(code), len(source), hasattr(module, '__path__'), path)
        data += code + source
    own = sys.modules[__name__].__spec__.loader.get_code(__name__)
    head = _head(own, index)
    path = os.path.join(folder, '.bundle-%d' % os.getpid())
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.unlink(path)
        with os.fdopen(os.dup(fd), 'wb') as stream:
            stream.write(head + data)
        return Bundle(fd, len(head))
    except BaseException:
        os.close(fd)
        raise


def _head(own, index):
    """The head of a bundle; *index* counts from the end of it, the written one from the beginning of the file."""
    size = 0
    while True:  # a larger head means larger numbers in it, until it fits
        head = marshal.dumps((own, {name: (size + entry[0], *entry[1:]) for name, entry in index.items()}))
        if len(head) == size:
            return head
        size = len(head)


def _is_needed(name, module):
    """Whether a loaded module is ours or Python's, and comes from a file that is not an extension.

    What is frozen into the interpreter is there without a file.
    """
    spec = getattr(module, '__spec__', None)
    path = getattr(module, '__file__', None)
    if not path or not spec or spec.name != name or type(spec.loader).__name__ == 'ExtensionFileLoader':
        return False
    if spec.origin == 'frozen':
        return False
    return (name + '.').startswith(_PACKAGE + '.') or path.startswith(os.path.dirname(os.__file__) + os.sep)


def _read(name, module):
    """(compiled code, source if it is needed, path) of a loaded module."""
    loader = module.__spec__.loader
    source = loader.get_data(module.__file__) if name == _WITH_SOURCE else b''
    return marshal.dumps(loader.get_code(name)), source, module.__file__
