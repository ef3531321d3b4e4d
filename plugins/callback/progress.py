# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: Show the background jobs of a run while they go on
version_added: 0.1.0
description:
  - On a terminal, a region below the output has one line for each job that has not ended - its host, its name, the time it
    has run, with a bar where it has a limit, a percentage where its last line of output carries one, and that line. It is
    drawn five times a second, and goes with the last job. Where somebody is asked for something, by C(vars_prompt) or
    M(ansible.builtin.pause), it is hidden.
  - Not on a terminal, or where the environment variable E(TERM) is V(dumb), the same is printed as plain lines every
    O(interval) seconds.
  - Each job that ends leaves a line in the output, and in the log file of Ansible.
  - It works beside every callback that prints. What those print appears above the region. Beside a callback whose output
    programs read, like P(ansible.posix.json#callback), there is no region, and the plain lines go to standard error.
  - It shows the jobs that this run has started, waited for or looked at. Times go on between two looks. A job that nobody
    has looked at for a minute has the time of the last look in place of its output.
  - Of jobs that C(no_log) hides, it shows that there is one, and its host.
  - Of jobs that ansible-core itself polls, it shows what ansible-core tells - the job id, and whether it has ended.
author:
  - background.jobs contributors (@background-jobs)
requirements:
  - Enabled with C(callbacks_enabled = background.jobs.progress) in the section C(defaults) of ansible.cfg. For
    C(ansible), also C(bin_ansible_callbacks = true).
options:
  interval:
    description:
      - Seconds from one report to the next where there is no terminal.
    type: float
    default: 30
    env:
      - name: ANSIBLE_BACKGROUND_JOBS_PROGRESS_INTERVAL
    ini:
      - section: callback_background_jobs_progress
        key: interval
  lines:
    description:
      - How many lines to show at once. The last one tells how many jobs are left out.
      - On a terminal, it is never more than the terminal has room for.
    type: int
    default: 10
    env:
      - name: ANSIBLE_BACKGROUND_JOBS_PROGRESS_LINES
    ini:
      - section: callback_background_jobs_progress
        key: lines
seealso:
  - plugin: background.jobs.timeline
    plugin_type: callback
  - module: background.jobs.async_run
"""

import atexit
import os
import sys
import threading
import time
import typing as t

from ansible import constants as C
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import BAD
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.display import display_lock
from ansible_collections.background.jobs.plugins.plugin_utils._show.lines import end, now_and_then, table
from ansible_collections.background.jobs.plugins.plugin_utils._show.region import PACE_SECONDS, Region, Ticker
from ansible_collections.background.jobs.plugins.plugin_utils._show.stream import is_for_people, stream
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job, SeesJobs, Tracker

_ROWS_ABOVE = 2
"""Of the terminal, that the region leaves to the output at least."""


class CallbackModule(SeesJobs):
    """What the jobs of this run do, while they do it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'notification'
    CALLBACK_NAME = 'background.jobs.progress'
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracker = Tracker()
        self._reported: set[str] = set()
        self._lock = display_lock() or threading.RLock()
        self._region: Region | None = None
        self._ticker: Ticker | None = None
        self._process = os.getpid()
        atexit.register(self._end)  # of a run that is interrupted

    def saw(self, result: t.Any, *, polling: bool = False, failed: bool = False, final: bool = True) -> None:
        with self._lock:
            self._tracker.see(result, time.monotonic(), polling=polling, failed=failed)
            ended = [job for job in self._tracker.jobs.values() if not job.live and job.id not in self._reported]
            self._reported.update(job.id for job in ended)
            if self._ticker is None and self._live():
                self._begin()
        for job in ended:
            self._display.display(end(job), color=_color(job), **stream())

    def v2_playbook_on_vars_prompt(self, *args: t.Any, **kwargs: t.Any) -> None:
        if self._region:
            self._region.pause()

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        if self._region:
            self._region.resume()

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        # While somebody is asked, Display is locked: the region could not be drawn anew where it is typed over
        if self._region and task.action.rpartition('.')[2] == 'pause':
            self._region.pause()
        elif self._region:
            self._region.resume()

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self.v2_playbook_on_task_start(task, is_conditional=False)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._end()

    def _live(self) -> list[Job]:
        return [job for job in self._tracker.jobs.values() if job.live]

    def _begin(self) -> None:
        if Region.possible() and is_for_people():
            self._region = Region(self._lock, self._table)
            self._region.open()
            self._ticker = Ticker(self._region.draw, PACE_SECONDS)
        else:
            self._ticker = Ticker(self._report, max(1, self.get_option('interval')))
        self._ticker.start()

    def _end(self) -> None:
        if self._ticker is None or os.getpid() != self._process:
            return
        self._ticker.stop()
        self._ticker = None
        if self._region:
            self._region.close()
            self._region = None
        self._report()

    def _table(self, columns: int, rows: int) -> list[str]:
        most = max(1, min(self.get_option('lines'), rows - _ROWS_ABOVE))
        ascii_only = not (sys.stdout.encoding or '').lower().startswith('utf')
        return table(self._live(), time.monotonic(), columns, most, ascii_only=ascii_only)

    def _report(self) -> None:
        with self._lock:
            lines = now_and_then(self._live(), time.monotonic(), max(1, self.get_option('lines')))
        for line in lines:
            self._display.display(line, **stream())


def _color(job: Job) -> str | None:
    if job.state == 'succeeded':
        return str(C.COLOR_OK)
    return str(C.COLOR_ERROR) if job.state in BAD else None
