# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The priority of a job's processes: their nice value, and their class of input and output.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import sys

from ..files.libc import libc

_CLASSES = {'realtime': 1, 'best-effort': 2, 'idle': 3}
"""The classes of ioprio_set(2)."""
_CLASS_SHIFT = 13
_MIDDLE_LEVEL = 4
_ONE_PROCESS = 1
_SYSTEM_CALLS = {
    'x86_64': 251,
    'i386': 289,
    'i686': 289,
    'aarch64': 30,
    'riscv64': 30,
    'loongarch64': 30,
    'armv7l': 314,
    'ppc64': 273,
    'ppc64le': 273,
    's390x': 282,
}
"""Machine -> number of ioprio_set(2)."""
_INT_BITS_OF_POINTER = 64


def set_nice(nice):
    """Set the nice value of this process. Raises OSError."""
    os.setpriority(os.PRIO_PROCESS, 0, nice)


def set_io(io):
    """Give this process the class and level *io*, as in ``idle`` or ``best-effort:7``. Raises OSError.

    By the system call where we know its number. Otherwise the program ionice does it.
    """
    if not sys.platform.startswith('linux'):
        raise OSError('%s has no classes of input and output' % sys.platform)
    name, _colon, level = io.partition(':')
    number = _SYSTEM_CALLS.get(_machine())
    if number is None or libc() is None:
        _run_ionice(_CLASSES[name], level)
        return
    level = int(level or (0 if name == 'idle' else _MIDDLE_LEVEL))
    if libc().syscall(number, _ONE_PROCESS, 0, _CLASSES[name] << _CLASS_SHIFT | level):
        import ctypes

        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _machine():
    """The machine that this process is compiled for, which a kernel of 64 bits does not tell to a process of 32."""
    machine = os.uname().machine
    if sys.maxsize.bit_length() < _INT_BITS_OF_POINTER - 1:
        return {'x86_64': 'i386', 'aarch64': 'armv7l'}.get(machine, machine)
    return machine


def _run_ionice(number, level):
    words = ['ionice', '-c', '%d' % number, *(['-n', level] if level else []), '-p', '%d' % os.getpid()]
    rc = os.spawnvp(os.P_WAIT, words[0], words)  # pylint: disable=ansible-bad-function  # the runtime has no AnsibleModule
    if rc == 127:
        raise OSError('this Python has no ctypes, and the program ionice is not installed')
    if rc:
        raise OSError('%s ended with rc %d' % (' '.join(words), rc))
