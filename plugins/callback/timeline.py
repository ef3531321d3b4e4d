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
  - The callback writes one HTML file at the end of the run, also if the run is interrupted. It has a row for each
    background job, with the time in its queue, the time it ran, how it ended, its limit, and when tasks of the play started
    it, looked at it or waited for it. Hosts are in the order of the inventory.
  - Above the rows is a list of the jobs that ended badly, grouped by reason.
  - The file needs no network and no script, and follows the light or dark of the system. Only its owner can read it. It
    replaces an older one. If the run had no job, nothing is written.
  - It shows the jobs that this run has started, waited for or looked at. If C(no_log) hides a job, it shows that there was
    one, and when.
  - All bars use the controller's clock. The host measures how long a job was queued and ran. The callback estimates the
    offset of the host's clock from looks at running jobs, so a wrong clock does not matter, unless somebody sets it during
    the run. If no look found a job of the host running, the callback takes the host's clock as correct, unless a job would
    then end in the future.
  - Of a job that ansible-core itself polls, the callback shows when it was first and last seen.
author:
  - background.jobs contributors (@background-jobs)
requirements:
  - Enabled with C(callbacks_enabled = background.jobs.timeline) in the section C(defaults) of ansible.cfg. For
    C(ansible), also C(bin_ansible_callbacks = true).
options:
  path:
    description:
      - The file to write. It is relative to the current directory; in ansible.cfg, to the directory of that file.
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

from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.playbook import inventory_hosts, path_of
from ansible_collections.background.jobs.plugins.plugin_utils._show import chart
from ansible_collections.background.jobs.plugins.plugin_utils._show.stream import stream
from ansible_collections.background.jobs.plugins.plugin_utils._show.table import number
from ansible_collections.background.jobs.plugins.plugin_utils._show.timeline import Timeline
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import SeesJobs


class CallbackModule(SeesJobs):
    """Writes when the jobs of this run ran."""

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
        atexit.register(self._write)  # for a run that is interrupted

    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._title = os.path.basename(path_of(playbook))

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._timeline.add_hosts(inventory_hosts(play))

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._timeline.began(host.get_name(), time.monotonic())

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
            self._display.display(f'Timeline of {number(len(bars), "background job")}: {path}', **stream())


def _replace(path: str, content: bytes) -> None:
    """Write the file *path* as a whole, or leave it as it is."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix='.background-jobs-')
    try:
        with open(descriptor, 'wb') as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
