# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: timeline
type: aggregate
short_description: Write a chart of the background jobs of a run
version_added: 0.1.0
description:
  - Writes one HTML file at the end of the run, also of one that is interrupted - a row for each background job of each
    host, with the time in its queue, the time it ran, how it ended, its limit, and when tasks of the play started it,
    looked at it or waited for it.
  - The file needs no network and no script, and is readable in light and dark. It is readable for its owner only, and
    takes the place of an older one. Where no job was seen, nothing is written.
  - It shows the jobs that this run has started, waited for or looked at. Of jobs that C(no_log) hides, it shows that there
    was one, and when.
  - All bars are by the controller's clock. How long a job was queued and ran is what its host has measured. When, is
    worked out from the first looks at running jobs of that host, so that a wrong clock does not matter, unless it is set
    during the run. Where no job was seen running, the host's clock counts as right, unless that puts an end into the
    future.
  - Of jobs that ansible-core itself polls, it shows when they were first and last seen.
author:
  - background.jobs contributors (@background-jobs)
requirements:
  - Enabled with C(callbacks_enabled = background.jobs.timeline) in the section C(defaults) of ansible.cfg. For
    C(ansible), also C(bin_ansible_callbacks = true).
options:
  path:
    description:
      - The file to write. Relative to the current directory; in ansible.cfg, to the directory of that file.
    type: path
    default: background-jobs.html
    env:
      - name: ANSIBLE_BACKGROUND_JOBS_TIMELINE_PATH
    ini:
      - section: callback_background_jobs_timeline
        key: path
seealso:
  - plugin: background.jobs.progress
    plugin_type: callback
  - module: background.jobs.async_run
"""

import atexit
import contextlib
import os
import tempfile
import time
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.playbook import path_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import uuid_of
from ansible_collections.background.jobs.plugins.plugin_utils._show import chart
from ansible_collections.background.jobs.plugins.plugin_utils._show.stream import stream
from ansible_collections.background.jobs.plugins.plugin_utils._show.timeline import Timeline
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import SeesJobs


class CallbackModule(SeesJobs):
    """Where the time of the jobs of this run went."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'aggregate'
    CALLBACK_NAME = 'background.jobs.timeline'
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._began = time.monotonic()
        self._timeline = Timeline(self._began - time.time())
        self._when = time.strftime('%Y-%m-%d %H:%M:%S %z')
        self._title = 'ad hoc'
        self._written = False
        self._process = os.getpid()
        atexit.register(self._write)  # of a run that is interrupted

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._title = os.path.basename(path_of(playbook))

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._timeline.began(host.get_name(), uuid_of(task), time.monotonic())

    def saw(self, result: t.Any, *, polling: bool = False, failed: bool = False, final: bool = True) -> None:
        self._timeline.saw(result, time.monotonic(), polling=polling, failed=failed, final=final)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._write()

    def _write(self) -> None:
        bars = self._timeline.bars()
        if self._written or not bars or os.getpid() != self._process:
            return
        self._written = True
        path = self.get_option('path')
        page = chart.page(self._title, self._when, bars, self._began, time.monotonic(), self._timeline.ahead)
        try:
            _replace(path, page.encode('utf-8', 'replace'))
        except OSError as error:
            self._display.warning(f'The timeline of the background jobs could not be written to {path}: {error}')
        else:
            self._display.display(f'Timeline of {len(bars)} background jobs: {path}', **stream())


def _replace(path: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix='.background-jobs-')
    try:
        with open(descriptor, 'wb') as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
