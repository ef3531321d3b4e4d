# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What progress prints where there is no terminal, and that it goes away."""

from __future__ import annotations

import collections.abc as c
import threading
import typing as t

import pytest
from ansible import constants as C
from ansible_collections.background.jobs.plugins.callback import progress
from ansible_collections.background.jobs.tests.unit.plugins.callback._events import event, job, of_many, of_one

Printed = list[tuple[str, str | None]]


class Display:
    """As much of Display as is used; *reports* is set at each line about a job that runs."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.verbosity = 0
        self.printed: Printed = []
        self.reports = threading.Semaphore(0)

    def display(self, text: str, color: str | None = None) -> None:
        self.printed.append((text, color))
        if 'running' in text:
            self.reports.release()


@pytest.fixture
def display() -> Display:
    return Display()


@pytest.fixture
def callback(display: Display) -> c.Iterator[progress.CallbackModule]:
    callback = progress.CallbackModule(display)
    callback._plugin_options = {'interval': 1.0, 'lines': 2}
    yield callback
    callback.v2_playbook_on_stats(None)


def test_a_plugin_whose_options_were_refused_says_nothing_at_the_end(display: Display) -> None:
    callback = progress.CallbackModule(display)
    callback.set_options = callback.get_option = lambda *args, **kwargs: pytest.fail('it has no options')
    callback._end()
    assert display.printed == []


def test_each_end_is_told_once(callback: progress.CallbackModule, display: Display) -> None:
    callback.v2_runner_on_async_poll(event(of_many(job('j1.1', elapsed=1.0), job('j2.2', state='queued'))))
    for _again in range(2):
        callback.v2_runner_on_async_poll(
            event(of_many(job('j1.1', 'succeeded', elapsed=5.0), job('j2.2', elapsed=0.1)))
        )
    callback.v2_runner_on_failed(
        event(of_many(job('j1.1', 'succeeded'), job('j2.2', 'lost', reason='rebooted\x1b[2J')))
    )
    assert display.printed == [
        ('web1 | Back up | succeeded after 0:05', C.COLOR_OK),
        (r'web1 | Back up (2) | lost | rebooted\x1b[2J', C.COLOR_ERROR),
    ]


def test_reports_come_at_a_fixed_pace(callback: progress.CallbackModule, display: Display) -> None:
    callback.v2_runner_on_ok(event(of_one(job(elapsed=1.0, limit=60, line='50 % done'))))
    assert display.reports.acquire(timeout=60)
    assert display.reports.acquire(timeout=60), 'a second report without an event'
    report = display.printed[0][0]
    assert report.startswith('web1 | Back up | running 0:0')
    assert report.endswith('of 1:00, 50% | 50 % done')


def test_what_lives_at_the_end_is_told(callback: progress.CallbackModule, display: Display) -> None:
    callback.v2_runner_on_ok(event(of_many(*(job(f'j{number}.1', 'queued') for number in range(5)))))
    callback.v2_playbook_on_stats(None)
    callback.v2_playbook_on_stats(None)
    assert [text for text, _color in display.printed] == [
        '5 background jobs on 1 host: 5 queued',
        'web1 | Back up | queued',
        'web1 | Back up (2) | queued',
        '... 3 more: 3 queued',
    ]


def test_the_end_of_a_run_sums_up_all_jobs_and_names_those_that_ended_badly(
    callback: progress.CallbackModule, display: Display
) -> None:
    """Also where no job was seen running."""
    ended = [
        of_one(job('j1.1', 'succeeded', name='fine')),
        of_one(job('j2.2', 'failed', name='broken', reason='no space', elapsed=3.0)),
    ]
    for host, content in zip(('web1', 'web2'), ended, strict=True):
        callback.v2_runner_on_ok(event(content, host=host))
    display.printed.clear()
    callback.v2_playbook_on_stats(None)
    assert display.printed == [
        ('2 background jobs on 2 hosts: 1 failed, 1 succeeded', None),
        ('web2  broken  failed after 0:03  no space', C.COLOR_ERROR),
    ]


@pytest.mark.parametrize(
    ('option', 'rows', 'lines'),
    [(None, 50, 25), (None, 24, 12), (None, 4, 2), (None, 2, 2), (10, 50, 11), (100, 50, 48)],
)
def test_the_region_takes_half_of_the_terminal_unless_told_otherwise(
    callback: progress.CallbackModule, option: int | None, rows: int, lines: int
) -> None:
    callback._plugin_options['lines'] = option
    callback.v2_runner_on_ok(event(of_many(*(job(f'j{number}.1') for number in range(60)))))
    region = callback._lines(79, rows)
    assert len(region) == lines
    assert region[0] == '60 jobs on 1 host: 60 running'


def test_a_region_without_jobs_that_run_is_empty(callback: progress.CallbackModule) -> None:
    callback.v2_runner_on_ok(event(of_one(job('j1.1', 'succeeded'))))
    assert callback._lines(79, 24) == []


def test_a_play_without_jobs_is_left_alone(callback: progress.CallbackModule, display: Display) -> None:
    before = threading.active_count()
    callback.v2_runner_on_ok(event({'changed': True}))
    callback.v2_playbook_on_vars_prompt('x')
    callback.v2_playbook_on_play_start(t.cast(t.Any, None))
    callback.v2_playbook_on_stats(None)
    assert (display.printed, threading.active_count()) == ([], before)
