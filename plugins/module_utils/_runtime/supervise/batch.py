# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting jobs, many at once, and those whose turn in a queue has come.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import os

from ..contain import tree
from ..schedule.queue import Queue


class Batch:
    """Jobs that are started together, each under a supervisor of its own.

    No module is executed before all are ready for it: every module that runs takes processor time from the
    starts after it, and a hundred of them took ten seconds instead of one. *supervise(job, report, gate)* is what
    a supervisor does (supervise/supervisor.py, which imports this module).
    """

    def __init__(self, supervise):
        self._supervise = supervise
        self._gate, self._open = os.pipe()
        self._reports = []

    def add(self, job):
        """Make a supervisor for *job*, whose lock this process holds; let go of the lock.

        It is a child of this process, which is about to end, and then nobody's: no second fork makes it so at once.
        """
        tree.get_ready()
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                os.setsid()  # the connection may end with a signal to its session; a job outlives it
                self._supervise(job, writer, self._gate)
            finally:
                os._exit(0)  # never this process's exit handlers: they belong to the module that called us
        job.let_go()
        os.close(writer)
        self._reports.append((job, reader))

    def go(self):
        """Let the modules be executed; return when all have been, or their files say why not.

        The reports of those that have been (_Run.answer), by job id: from here on the modules take the processors, so
        no file should have to be read.
        """
        for fd in (self._open, self._gate):
            os.close(fd)
        reports = {}
        for job, reader in self._reports:
            with os.fdopen(reader, 'rb') as pipe:
                report = pipe.read()
            if report:
                reports[job.id] = json.loads(report.decode('ascii'))
        return reports


def kick(store, name, supervise):
    """Start what may start now in the queue *name*. True where something did."""
    batch = Batch(supervise)
    job = first = _turn(store, name)
    while job is not None:
        batch.add(job)
        job = _turn(store, name)
    batch.go()
    return first is not None


def _turn(store, name):
    with Queue(store, name) as queue:
        return queue.next()
