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

BEGUN = b'begun'
"""What a supervisor sends when the body of its job has begun."""


class Batch:
    """Jobs that are started together, each under a supervisor of its own.

    No body begins before all are ready for it: every module that runs takes processor time from the starts after it, and a
    hundred of them took ten seconds instead of one.
    """

    def __init__(self):
        self._gate, self._open = os.pipe()
        self._readers = {}
        self._pipes = {}
        self._reports = None

    def add(self, job, supervise):
        """Fork a supervisor for *job*, and close this process's share of the job's lock.

        *supervise(job, report_fd, gate)* is what it does (supervise/supervisor.py, which imports this module). Raises OSError
        where there is no supervisor; then this process still holds the lock. *report_fd* takes report_line(), and then BEGUN.
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
        self._readers[job.id] = reader

    def reports(self):
        """The reports of the jobs whose bodies can begin, {job id: Report}; the files of the others say why not.

        Returns when that is known of each of them.
        """
        if self._reports is None:
            self._pipes = {job_id: os.fdopen(reader, 'rb') for job_id, reader in self._readers.items()}
            lines = {job_id: pipe.readline() for job_id, pipe in self._pipes.items()}
            self._reports = {job_id: _report(line) for job_id, line in lines.items() if line.endswith(b'\n')}
        return self._reports

    def go(self):
        """Let the bodies begin; return the ids of the jobs whose bodies have begun. The files of the others say why not.

        From here on the modules take the processors, so whatever else the caller has to do, it should have done.
        """
        self.reports()
        for fd in (self._open, self._gate):
            os.close(fd)
        begun = set()
        for job_id, pipe in self._pipes.items():
            with pipe:
                if pipe.read() == BEGUN:
                    begun.add(job_id)
        return begun


def report_line(report):
    """*report* (a Report), as its supervisor sends it when the body can begin."""
    fields = {'spec': report.spec._asdict(), 'run': report.run._asdict(), 'warning': report.warning}
    return json.dumps(fields).encode('ascii') + b'\n'


def _report(line):
    fields = json.loads(line.decode('ascii'))
    return Report(Spec(**fields['spec']), Run(**fields['run']), fields['warning'])
