# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The body of a job that is a function of the process that has started it.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import io
import json
import os
import signal
import sys

from ..output.tap import Log
from .body_start import ended_environment
from .descriptors import blank_descriptors
from .reasons import UNWRITTEN_RC


class Function:
    """Calls *function* with a text stream for live output, and writes what it returns: a dict, as a module's result is."""

    def __init__(self, function):
        self._function = function

    def words(self, job, launch):
        """What is started, as a person may see it."""
        return [sys.executable or 'python']

    def open_stdin(self, job, launch):
        if launch.output_limit:
            os.close(job.open_output('output'))
        return os.open(os.devnull, os.O_RDONLY)

    def begin(self, job, launch, begun):
        """Call the function, and end this process. *begun*: a descriptor, which is closed before.

        What it prints itself goes to the standard error of the job, because its standard output is the result.
        """
        for name in ('SIGPIPE', 'SIGXFSZ'):  # as every Python has them; a program that is executed would inherit that
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        result = os.dup(1)
        os.dup2(2, 1)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode, closefd=False) for fd, mode in enumerate('rww'))
        log = Log(job.file('output'), launch.output_limit) if launch.output_limit else None
        blank_descriptors(keep=(0, 1, 2, result, begun))
        os.close(begun)
        os.environ.update(launch.environment)
        os.environ.update(ended_environment(job))
        code = 1
        try:
            returned = json.dumps(self._function(_Output(log)))
            code = UNWRITTEN_RC
            with os.fdopen(result, 'w') as stream:
                stream.write(returned)
            code = 0
        except BaseException:
            import traceback  # here, because hardly any job needs it

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)  # never the exit handlers of the process that started the job


class _Output(io.TextIOBase):
    """The live output of a job, where *log* is not None."""

    def __init__(self, log):
        self._log = log

    def writable(self):
        return True

    def write(self, text):
        if self._log is not None:
            self._log.write(b'out', text.encode('utf-8', 'surrogateescape'))
        return len(text)
