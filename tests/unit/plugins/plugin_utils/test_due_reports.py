# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t

import pytest
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import due_reports
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.due_reports import DueReports, Looks


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    thread_time = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(due_reports, 'time', clock)
    return clock


def test_reports_take_a_share_of_the_time_however_many_are_due(clock: Clock) -> None:
    """They came faster than a busy machine could make them, and no task was queued any more."""
    reports, made = DueReports(), []

    def make(path: str, _looks: Looks) -> None:
        made.append(path)
        clock.now += 1.0

    for number in range(1000):
        reports.add(f'h{number}', [])
    for _pass in range(2000):
        reports.make_one(make)
        clock.now += 0.1
    assert made == [f'h{number}' for number in range(len(made))]
    assert 4 <= len(made) <= 6  # a fortieth of about 200 s


def test_only_the_latest_report_about_a_host_is_made(clock: Clock) -> None:
    reports, made = DueReports(), []

    def make(path: str, looks: Looks) -> None:
        made.append((path, looks))

    old, new = ([{'id': name}] for name in ('old', 'new'))
    for path, looks in (('h1', old), ('h2', old), ('h3', old), ('h1', new)):
        reports.add(path, t.cast('Looks', looks))
    reports.remove('h2')
    for _pass in range(5):
        reports.make_one(make)
        clock.now += 1
    assert made == [('h1', new), ('h3', old)]


def test_it_tells_how_long_the_next_report_takes(clock: Clock) -> None:
    reports = DueReports()
    assert reports.seconds() == math.inf
    reports.add('h1', [])
    reports.add('h2', [])
    assert reports.seconds() == 0

    def make(_path: str, _looks: Looks) -> None:
        clock.now += 1.0

    reports.make_one(make)
    assert reports.seconds() == pytest.approx(39)  # of forty seconds, all but one are for others
