# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first code of a request that travels as a command: finds the runtime on the target, and hands the request over.

The controller sends the source of this file (plugin_utils/_places/loader.py) with each request, so it is short, imports
as little as it can, because each request takes the time for it and each supervisor inherits the memory, and imports
nothing of the runtime but what is sent with it.

The runtime is one file for each of its versions and each Python: compiled once, and named by the hash of its source. It
is imported from the very bytes that were checked, and only if nobody but this user could have written them: each
directory on the way is opened from the one above it, so that no link and no rename at the right moment leads anywhere
else, and the last two and the file must be private to the user.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import marshal
import os
import sys
import zlib
from binascii import a2b_base64

from ._runtime.files.async_dir import OPEN_DIRECTORY, Unsafe, expand_user, open_directory, others_may_write

MARK = 'background.jobs>'
"""Begins the one line of output that is the answer; banners and the like may come before and after it."""
PACKAGE = 'background_jobs'
_CHECKSUM_BYTES = 8
"""At the beginning of a file of the runtime. It tells a file that is not whole; who may write the file is checked apart."""


class Runtime:
    """The modules of the runtime, as a finder and loader.

    *modules*: {full name: (whether it is a package, its marshalled code, its compressed source)}; *home*: the path of
    the file they come from.
    """

    def __init__(self, modules, home):
        self._modules = modules
        self._home = home

    def find_spec(self, name, path=None, target=None):
        if name not in self._modules:
            return None
        spec = type(sys.__spec__)(name, self, origin=self._origin(name), is_package=self.is_package(name))
        spec.has_location = True  # so that the module has a __file__, which get_data() knows
        return spec

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.get_code(module.__name__), module.__dict__)

    def is_package(self, name):
        return self._modules[name][0]

    def get_code(self, name):
        return marshal.loads(self._modules[name][1])

    def get_source(self, name):
        return zlib.decompress(self._modules[name][2]).decode()

    def get_data(self, path):
        """The source of the module whose __file__ is *path*."""
        for name in self._modules:
            if self._origin(name) == path:
                return zlib.decompress(self._modules[name][2])
        raise FileNotFoundError('%s is not a file of the runtime' % path)

    def _origin(self, name):
        return '%s/%s' % (self._home, file_of(name, self.is_package(name)))


def file_of(name, is_package):
    return name.replace('.', '/') + ('/__init__.py' if is_package else '.py')


def compiled(files):
    """The modules (shape: Runtime) of *files*: {path below the package: source}."""
    modules = {}
    for path, source in files.items():
        parts = [PACKAGE, *path[: -len('.py')].split('/')]
        is_package = parts[-1] == '__init__'
        name = '.'.join(parts[:-1] if is_package else parts)
        code = compile(source, file_of(name, is_package), 'exec', 0, True, 2)
        modules[name] = (is_package, marshal.dumps(code), zlib.compress(source.encode()))
    return modules


def check_private(fd, path):
    """Refuse what somebody else owns or may write to."""
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() or others_may_write(status):
        raise Unsafe('%s is not private to its user' % path)


def open_folder(root, make):
    """A descriptor of the directory of runtimes in the async directory *root*, or None if there is none."""
    above = open_directory(root, make)
    if above is None:
        return None
    check_private(above, root)
    if make:
        try:
            os.mkdir('.runtime', 0o700, dir_fd=above)
        except FileExistsError:
            pass
    path = os.path.join(root, '.runtime')
    try:
        fd = os.open('.runtime', OPEN_DIRECTORY, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError:
        raise Unsafe('%s is a link, or no directory' % path) from None
    finally:
        os.close(above)
    check_private(fd, path)
    return fd


def read(folder, name, path):
    """The modules in the file *name* of *folder* (a descriptor), or None if it is not there, or not whole."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError:
        raise Unsafe('%s is a link, or cannot be read' % path) from None
    with os.fdopen(fd, 'rb') as stream:
        check_private(fd, path)
        data = stream.read()
        try:
            os.utime(fd)  # requests/retention.py removes a runtime that no request has used for a week
        except OSError:  # a filesystem that is read-only now, where jobs can still be looked at
            pass
    modules = memoryview(data)[_CHECKSUM_BYTES:]
    return marshal.loads(modules) if data[:_CHECKSUM_BYTES] == _checksum(modules) else None


def write(folder, name, modules):
    """Write *modules* into the file *name* of *folder*, so that it appears whole or not at all."""
    data = marshal.dumps(modules)
    temporary = '.%s.%d' % (name, os.getpid())
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    except OSError:  # a full disk: this request does not need the file, and its answer gives a better reason
        return
    try:
        with os.fdopen(fd, 'wb') as stream:
            stream.write(_checksum(data) + data)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        os.unlink(temporary, dir_fd=folder)


def _checksum(data):
    return b'%08x' % zlib.crc32(data)


def find(root, digest, files):
    """The runtime of the hash *digest*, or None if it is not there. *files* (or None): its source, to put it there."""
    folder = open_folder(root, make=files is not None)
    if folder is None:
        return None
    name = 'r%s-%s-%x' % (digest, sys.implementation.cache_tag, sys.hexversion)
    path = os.path.join(root, '.runtime', name)
    try:
        modules = read(folder, name, path)
        if modules is None and files is not None:
            modules = compiled(files)
            write(folder, name, modules)
    finally:
        os.close(folder)
    return modules and Runtime(modules, path)


def respond(digest, argument):
    """What the controller is answered: {"response": ...}, {"missing": true} or {"refused": why}."""
    if argument == '-' and sys.stdin.isatty():
        return {'refused': 'a terminal is forced on the connection'}
    # Not into a variable: each supervisor would inherit the memory of the request.
    call = json.loads(zlib.decompress(a2b_base64(sys.stdin.buffer.read() if argument == '-' else argument)).decode())
    umask = os.umask(0o077)
    try:
        runtime = find(expand_user(call['request']['async_dir']), digest, call.pop('files', None))
    except (Unsafe, OSError) as error:
        return {'refused': '%s' % error}
    finally:
        os.umask(umask)
    if runtime is None:
        return {'missing': True}
    sys.meta_path.insert(0, runtime)
    door = __import__(PACKAGE + '.door', fromlist=['respond'])
    return {'response': door.respond(call['request'])}


def main():
    sys.stdout.write('\n%s%s\n' % (MARK, json.dumps(respond(sys.argv[1], sys.argv[2]))))
    sys.stdout.flush()
    os._exit(0)  # tidying up memory takes tenths of a second if a hundred modules have been started
