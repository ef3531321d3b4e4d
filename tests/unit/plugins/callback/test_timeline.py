# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the timeline is written, and when not."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.background.jobs.plugins.callback import timeline
from ansible_collections.background.jobs.tests.unit.plugins.callback._events import event, job, of_one


class Display:
    def __init__(self) -> None:
        self.verbosity = 0
        self.said: list[str] = []

    def display(self, text: str) -> None:
        self.said.append(text)

    def warning(self, text: str) -> None:
        self.said.append(f'warning: {text}')


@pytest.fixture
def display() -> Display:
    return Display()


@pytest.fixture
def callback(display: Display, tmp_path: Path) -> timeline.CallbackModule:
    callback = timeline.CallbackModule(display)
    callback._plugin_options = {'path': str(tmp_path / 'jobs.html')}
    return callback


def test_the_file_is_written_once_and_whole(
    callback: timeline.CallbackModule, display: Display, tmp_path: Path
) -> None:
    path = tmp_path / 'jobs.html'
    path.write_text('an older one', encoding='utf-8')
    callback.v2_playbook_on_start(SimpleNamespace(_file_name='/srv/plays/site.yml'))
    callback.v2_runner_on_start(SimpleNamespace(get_name=lambda: 'web1'), SimpleNamespace(_uuid='u1'))
    callback.v2_runner_on_ok(event(of_one(job('j1.1', 'succeeded', elapsed=3.0, name='nightly'))))
    callback.v2_playbook_on_stats(None)
    callback._write()  # at exit
    text = path.read_text(encoding='utf-8')
    assert text.endswith('</html>\n')
    assert 'Background jobs: site.yml' in text
    assert 'nightly' in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ['jobs.html']
    assert display.said == [f'Timeline of 1 background job: {path}']


def test_a_run_that_is_interrupted_has_one_too(callback: timeline.CallbackModule, tmp_path: Path) -> None:
    callback.v2_runner_on_async_poll(event(of_one(job(elapsed=3.0))))
    callback._write()
    assert 'running' in (tmp_path / 'jobs.html').read_text(encoding='utf-8')


def test_without_jobs_nothing_is_written(callback: timeline.CallbackModule, display: Display, tmp_path: Path) -> None:
    callback.v2_runner_on_ok(event({'changed': True}))
    callback.v2_playbook_on_stats(None)
    assert (os.listdir(tmp_path), display.said) == ([], [])


def test_a_path_that_cannot_be_written_is_told(
    callback: timeline.CallbackModule, display: Display, tmp_path: Path
) -> None:
    callback._plugin_options = {'path': str(tmp_path / 'missing/jobs.html')}
    callback.v2_runner_on_ok(event(of_one(job())))
    callback.v2_playbook_on_stats(None)
    (said,) = display.said
    assert said.startswith(
        f'warning: The timeline of the background jobs could not be written to {tmp_path}/missing/jobs'
    )


def test_a_page_that_fails_leaves_the_older_one(
    callback: timeline.CallbackModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'jobs.html').write_text('an older one', encoding='utf-8')

    def full(source: str, target: str) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', full)
    callback.v2_runner_on_ok(event(of_one(job())))
    callback.v2_playbook_on_stats(None)
    assert os.listdir(tmp_path) == ['jobs.html']
    assert (tmp_path / 'jobs.html').read_text(encoding='utf-8') == 'an older one'
