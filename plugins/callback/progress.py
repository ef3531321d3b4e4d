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
  - On a terminal, a region below the output has a line that counts the jobs by state, and one line for each job that has
    not ended - its host, its name, a bar, the time it has run, and the last line of its output. The bar is the percentage
    if that line has one, else the time against the job's limit. The callback draws the region five times a second, from
    the start of the first job to the end of the last. It hides the region while C(vars_prompt) or
    M(ansible.builtin.pause) asks for something.
  - Hosts are in natural order. First come the jobs that a task waits for, but whose host is silent, then those that run,
    then those in a queue. A host is silent if it was not heard of for a minute, or for two polls where these take longer.
    The line of such a job says when its host was last seen, in place of the output, and is dimmed if the terminal can do
    that. Times go on between two looks at a job.
  - If standard output is not a terminal, or the environment variable E(TERM) is V(dumb), the callback prints the jobs as
    plain lines every O(interval) seconds.
  - Each job that ends leaves a line in the output, and in the log file of Ansible. After the recap, the callback prints how
    many jobs there were in which states, one line for each job that ended badly, and one for each that has not ended.
  - It works beside every callback that prints. Their output appears above the region. Beside a callback whose output
    programs read, like C(ansible.posix.json), there is no region, and the plain lines go to standard error.
  - It shows the jobs that this run has started, waited for or looked at.
  - If C(no_log) hides a job that a task waits for, the callback shows that there is a job, its host and its time.
  - Of a job that ansible-core itself polls, the callback shows the job id, and whether the job has ended.
author:
  - background.jobs contributors (@background-jobs)
requirements:
  - Enabled with C(callbacks_enabled = background.jobs.progress) in the section C(defaults) of ansible.cfg. For
    C(ansible), also C(bin_ansible_callbacks = true).
options:
  interval:
    description:
      - Seconds between two reports where there is no terminal, at least one.
    type: float
    default: 30
    env:
      - name: ANSIBLE_BACKGROUND_JOBS_PROGRESS_INTERVAL
    ini:
      - section: callback_background_jobs_progress
        key: interval
  lines:
    description:
      - How many lines about jobs to show at once, at most. If there are more jobs, one more line, on a terminal the last of
        these, says how many are left out.
      - The default is half of the terminal, and V(10) where there is none.
      - On a terminal, it is never more than the terminal has room for.
    type: int
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
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.display import display_lock
from ansible_collections.background.jobs.plugins.plugin_utils._show.lines import (
    Style,
    bad_ends,
    end,
    now_and_then,
    style,
    summary,
    table,
)
from ansible_collections.background.jobs.plugins.plugin_utils._show.region import PACE_SECONDS, Region, Ticker, can_dim
from ansible_collections.background.jobs.plugins.plugin_utils._show.stream import is_for_people, stream
from ansible_collections.background.jobs.plugins.plugin_utils._show.table import COLORS
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import fit
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job, SeesJobs, Tracker

_OUTPUT_ROWS = 2
"""Rows of the terminal that the region leaves to the output at least."""
_HEADER_ROWS = 1
_LOG_LINES = 10
"""About jobs in one report where there is no terminal, unless the option says otherwise."""


class CallbackModule(SeesJobs):
    """Shows the jobs of this run while they run."""

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
        self._style = Style()
        self._over = False
        self._process = os.getpid()
        atexit.register(self._end)  # for a run that is interrupted

    def saw(self, result: t.Any, *, polling: bool = False, failed: bool = False, final: bool = True) -> None:
        with self._lock:
            self._tracker.see(result, time.monotonic(), polling=polling, failed=failed, final=final)
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
        # A prompt holds the lock of Display, so nothing could repair the region after the user has typed over it.
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
            utf8 = (sys.stdout.encoding or '').lower().startswith('utf')
            self._style = style(ascii_only=not utf8, dims=can_dim())
            self._region = Region(self._lock, self._lines)
            self._region.open()
            self._ticker = Ticker(self._region.refresh, PACE_SECONDS)
        else:
            self._ticker = Ticker(self._report, max(1, self.get_option('interval')))
        self._ticker.start()

    def _end(self) -> None:
        """Remove the region, and print the summary: after the recap, or when the run is interrupted."""
        jobs = list(self._tracker.jobs.values())
        # Without jobs there may be no options: ansible-core does not use a plugin whose options it refuses.
        if self._over or not jobs or os.getpid() != self._process:
            return
        self._over = True
        if self._ticker:
            self._ticker.stop()
            self._ticker = None
        if self._region:
            self._region.close()
            self._region = None
        self._display.display(summary(jobs, 'background job'), **stream())
        for line in bad_ends(jobs):
            self._display.display(line, color=C.COLOR_ERROR, **stream())
        self._report()

    def _lines(self, columns: int, rows: int) -> list[str]:
        """The region of a terminal of this size."""
        jobs = self._live()
        if not jobs:
            return []
        most = self.get_option('lines') or rows // 2 - _HEADER_ROWS
        most = max(1, min(most, rows - _OUTPUT_ROWS - _HEADER_ROWS))
        header = fit(summary(list(self._tracker.jobs.values())), columns)
        return [header, *table(jobs, time.monotonic(), columns, most, self._style)]

    def _report(self) -> None:
        with self._lock:
            lines = now_and_then(self._live(), time.monotonic(), max(1, self.get_option('lines') or _LOG_LINES))
        for line in lines:
            self._display.display(line, **stream())


def _color(job: Job) -> str | None:
    return COLORS.get(job.state)
