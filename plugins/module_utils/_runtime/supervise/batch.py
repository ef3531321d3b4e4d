# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting jobs, many at once.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import os

from ..contain import tree
from ..contain.fork import fork
from ..files.records import Report, Run, Spec


class Batch:
    """Jobs that are started together, each under a supervisor of its own.

    No module is executed before all are ready for it: every module that runs takes processor time from the
    starts after it, and a hundred of them took ten seconds instead of one.
    """

    def __init__(self):
        self._gate, self._open = os.pipe()
        self._reports = []

    def add(self, job, supervise):
        """Fork a supervisor for *job*, and close this process's share of the job's lock.

        *supervise(job, report_fd, gate)* is what it does (supervise/supervisor.py, which imports this module). Raises OSError
        where there is no supervisor; then this process still holds the lock.
        """
        tree.get_ready()
        reader, writer = os.pipe()
        try:
            child = fork()
        except BaseException:
            os.close(reader)
            os.close(writer)
            raise
        if child == 0:
            try:
                os.setsid()  # the connection may end with a signal to its session; a job outlives it
                supervise(job, writer, self._gate)
            finally:
                os._exit(0)  # never this process's exit handlers: they belong to the module that called us
        job.release()
        os.close(writer)
        self._reports.append((job, reader))

    def go(self):
        """Let the modules be executed; return when all have been, or their files say why not.

        Returns the reports of those that have been, {job id: Report}: from here on the modules take
        the processors, so no file should have to be read.
        """
        for fd in (self._open, self._gate):
            os.close(fd)
        reports = {}
        for job, reader in self._reports:
            with os.fdopen(reader, 'rb') as pipe:
                data = pipe.read()
            if data:
                fields = json.loads(data.decode('ascii'))
                reports[job.id] = Report(Spec(**fields['spec']), Run(**fields['run']), fields['warning'])
        return reports
