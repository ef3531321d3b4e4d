# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live output: what the commands of a module print goes to a file as it comes, beside the module.

This is executed in the module's own process, as source text before the module (output/tapping.py). It waits for the
import of ansible.module_utils.basic, and puts a reader of its own between AnsibleModule.run_command and the pipes of
the command.
The module gets the same bytes at the same time; where anything here fails, it goes on without live output.

The file is one record a line, "out " or "err " and the line. "out+" or "err+" holds a piece of a line that goes on in
the next record of that kind, so that nothing that was printed waits for the end of its line. When the file has grown
to half of the limit it becomes ``<file>.old``, and the new one begins with "cut " and the number of bytes before it.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import fcntl
import functools
import importlib
import importlib.machinery
import os
import sys

_BASIC = 'ansible.module_utils.basic'
_HELPERS = (_BASIC, 'ansible.module_utils.common.locale')
"""The modules of ansible-core that run commands for AnsibleModule itself: `locale -a` and `lsattr`. These are no work of
the module that is a job, so live output leaves them out."""
_LONGEST_LINE_BYTES = 32768
"""What is held back of a line while secrets are looked for in it."""
_LONGEST_PIECE_BYTES = 1024
"""Of one record, so that every reader gets some records, however little it reads."""
_LEAST_FILE_BYTES = 4096
"""However low the limit is: a new file must not be full before its first record, or the module would begin files for ever."""
_HIDDEN = b'********'


def install(path, limit):
    """Write the output of all commands to the file *path*, which exists, and keep about *limit* bytes of it."""
    sys.meta_path.insert(0, _Finder(Log(path, limit)))


class _Finder:
    """Imports ansible.module_utils.basic with the finders that follow, and puts the tap into it."""

    def __init__(self, log):
        self._log = log

    def find_spec(self, name, path=None, target=None):
        if name != _BASIC:
            return None
        sys.meta_path.remove(self)
        module = importlib.import_module(name)
        try:
            module.AnsibleModule.run_command = _tapped(module.AnsibleModule.run_command, self._log)
        except Exception:  # an ansible-core that is made otherwise
            pass
        spec = importlib.machinery.ModuleSpec(name, _Imported(module))
        module.__spec__ = spec  # or importlib, which finds it imported by now, would take its own and load it again
        return spec


class _Imported:
    """A loader of a module that has been loaded."""

    def __init__(self, module):
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec):
        return self._module

    def exec_module(self, module):
        module.__spec__ = self._spec


def _tapped(run_command, log):
    import inspect  # here, because the runtime loads this file as well, and has no use for it

    signature = inspect.signature(run_command)
    if 'before_communicate_callback' not in signature.parameters:
        return run_command

    @functools.wraps(run_command)
    def tapped(*args, **kwargs):
        if sys._getframe(1).f_globals.get('__name__') in _HELPERS:
            return run_command(*args, **kwargs)
        call = signature.bind(*args, **kwargs)
        module, given = call.arguments['self'], call.arguments.get('before_communicate_callback')

        def attach(process):
            if not getattr(module, 'no_log', False):
                secrets = _secrets(module)
                process.stdout = _Reader(process.stdout, log, b'out', secrets)
                process.stderr = _Reader(process.stderr, log, b'err', secrets)
            if given:
                given(process)

        call.arguments['before_communicate_callback'] = attach
        return run_command(*call.args, **call.kwargs)

    return tapped


def _secrets(module):
    """The lines of the values that the module must not show, the longest first."""
    lines = set()
    for value in getattr(module, 'no_log_values', ()):
        data = value if isinstance(value, bytes) else str(value).encode('utf-8', 'surrogateescape')
        lines.update(line.strip() for line in data.splitlines())
    return sorted(lines - {b''}, key=len, reverse=True)


class _Reader:
    """The pipe of a command. What is read from it is logged."""

    def __init__(self, stream, log, mark, secrets):
        self._stream = stream
        self._log = log
        self._mark = mark
        self._secrets = secrets
        self._held = b''

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def read(self, *args):
        data = self._stream.read(*args)
        if data:  # None: there is nothing to read now
            self._log.write(self._mark, self._shown(data))
        return data

    def close(self):
        self._log.write(self._mark, self._hidden(self._held))
        self._stream.close()

    def _shown(self, data):
        """What may be shown of *data*, and of what was held; the rest is held until more comes, or the end.

        A secret may come in two pieces, so where there are secrets, whole lines are shown. A character may, too.
        """
        held = self._held + data
        end = len(held)
        if self._secrets:
            end = held.rfind(b'\n') + 1
            if len(held) - end > _LONGEST_LINE_BYTES:
                held = self._hidden(held)
                end = max(0, len(held) - len(self._secrets[0]) + 1)  # no secret that is not whole yet begins before
        end = _end_of_characters(held, end)
        self._held = held[end:]
        return self._hidden(held[:end])

    def _hidden(self, data):
        for secret in self._secrets:
            data = data.replace(secret, _HIDDEN)
        return data


class Log:
    """The file of live output at *path*, which exists; about *limit* bytes of it are kept."""

    def __init__(self, path, limit):
        import threading  # here, as above

        self._path = path
        self._most = max(_LEAST_FILE_BYTES, limit // 2)
        self._fd = None
        self._turn = threading.Lock()
        self._broken = False

    def write(self, mark, data):
        """Log *data*, as far as that is possible: a full disk must not be the module's problem."""
        if self._broken or not data:
            return
        *lines, begun = data.split(b'\n')
        records = [record for line in lines for record in _records(mark, line, b' ')]
        if begun:
            records += _records(mark, begun, b'+')
        try:
            with self._turn:
                self._write(b''.join(records))
        except Exception:
            self._give_up()

    def _give_up(self):
        """Write nothing more, and release the lock, which other processes of the module may wait for."""
        self._broken = True
        try:
            if self._fd is not None:
                self._close()
        except OSError:  # the module has closed all descriptors
            pass

    def _write(self, data):
        """Write *data* in one go. The lock is for modules that have forked.

        It is a POSIX lock: the process loses it when it closes any descriptor of the file, so it opens no second one.
        """
        while True:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW)
            fcntl.lockf(self._fd, fcntl.LOCK_EX)
            status = os.fstat(self._fd)
            if status.st_ino != os.stat(self._path).st_ino:  # another process has begun a new file
                self._close()
            elif status.st_size > self._most:
                self._begin_anew(status.st_size)
            else:
                os.write(self._fd, data)
                fcntl.lockf(self._fd, fcntl.LOCK_UN)
                return

    def _begin_anew(self, size):
        before = 0
        head, newline, _records = os.pread(self._fd, 100, 0).partition(b'\n')
        if head.startswith(b'cut '):
            before = int(head.split()[1]) - len(head + newline)
        temporary = self._path + '.new'
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        os.fchmod(fd, 0o600)  # whatever the module's umask is
        os.write(fd, b'cut %d bytes before this line\n' % (before + size))
        os.close(fd)
        old = self._path + '.old'
        if os.path.exists(old):
            os.unlink(old)
        try:
            os.link(self._path, old)  # readers shall find a file at every moment
        except OSError:  # no links on this filesystem
            os.rename(self._path, old)
        os.rename(temporary, self._path)
        self._close()

    def _close(self):
        os.close(self._fd)
        self._fd = None


def _end_of_characters(data, end):
    """*end*, or where the character of UTF-8 begins whose last bytes are not before *end* in *data*."""
    for begin in range(end - 1, max(-1, end - 4), -1):
        first = data[begin]
        if first & 0xC0 != 0x80:  # no later byte of a character
            length = 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
            return begin if begin + length > end else end
    return end


def _records(mark, text, sign):
    """The records of a line, or of the beginning of one: all but the last say that it goes on, and that says *sign*."""
    *pieces, last = _pieces(text)
    return [mark + b'+' + piece + b'\n' for piece in pieces] + [mark + sign + last + b'\n']


def _pieces(text):
    """*text* in pieces of _LONGEST_PIECE_BYTES at most. None ends within a character of UTF-8."""
    begin = 0
    while len(text) - begin > _LONGEST_PIECE_BYTES:
        end = begin + _LONGEST_PIECE_BYTES
        while text[end] & 0xC0 == 0x80 and end > begin + _LONGEST_PIECE_BYTES - 3:
            end -= 1
        yield text[begin:end]
        begin = end
    yield text[begin:]
