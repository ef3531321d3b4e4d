# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When jobs ran by the controller's clock, whatever the clocks of the hosts say."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.background.jobs.plugins.plugin_utils._show.timeline import Timeline
from ansible_collections.background.jobs.tests.unit.plugins.callback._events import (
    CENSORED,
    event,
    job,
    of_many,
    of_one,
)

CREATED = 1795334400.0
"""Of jobs in these tests, by the clock of their host; they are executed 5 s later."""
RUNNING = job(elapsed=10.0)
ENDED = job(state='succeeded', elapsed=30.0, ended='2026-11-22T08:00:35Z')


def timeline(*, behind: float = 0.0, seen: list[tuple[float, dict[str, t.Any]]]) -> Timeline:
    """*seen*: (seconds after the job was made, what an event tells then), on a host whose clock is *behind*."""
    timeline = Timeline(own_shift=1000.0 - CREATED - behind)  # the job is made at 1000 by the monotonic clock
    for after, told in seen:
        timeline.saw(event(of_one(told)), 1000.0 + after, polling=True, failed=False, final=False)
    return timeline


@pytest.mark.parametrize('behind', [0.0, 3600.0, -3600.0])
def test_a_wrong_clock_does_not_matter(behind: float) -> None:
    told = timeline(behind=behind, seen=[(15.2, RUNNING), (15.5, RUNNING), (40.0, ENDED)])
    (job_bar,) = told.bars()
    assert (job_bar.created, job_bar.started, job_bar.until) == pytest.approx((1000.2, 1005.2, 1035.2))
    assert (job_bar.queued, job_bar.ran) == pytest.approx((5.0, 30.0))
    assert told.ahead('web1') == pytest.approx(-behind, abs=0.3)


@pytest.mark.parametrize(('behind', 'until'), [(0.0, 1035.0), (3600.0, 1035.0 - 3600), (-3600.0, 1040.0)])
def test_old_news_count_as_right_unless_they_are_of_the_future(behind: float, until: float) -> None:
    (job_bar,) = timeline(behind=behind, seen=[(40.0, ENDED)]).bars()
    assert job_bar.until == pytest.approx(until)


def test_a_job_that_was_cancelled_in_its_queue_never_ran() -> None:
    cancelled = job(state='cancelled', started=None, ended='2026-11-22T08:00:20Z')
    (job_bar,) = timeline(seen=[(1.0, job(state='queued')), (20.0, cancelled)]).bars()
    assert (job_bar.queued, job_bar.ran, job_bar.until) == (20.0, None, 1020.0)


def test_a_job_that_has_not_ended_goes_as_far_as_it_was_seen() -> None:
    (job_bar,) = timeline(seen=[(15.0, RUNNING)]).bars()
    assert (job_bar.started, job_bar.until, job_bar.job.live) == (1005.0, 1015.0, True)


def test_a_job_whose_end_nobody_knows_goes_as_far_as_it_was_seen() -> None:
    (job_bar,) = timeline(seen=[(15.0, RUNNING), (90.0, job(state='lost'))]).bars()
    assert job_bar.until == 1090.0


def test_jobs_of_ansible_core_and_hidden_ones_are_known_from_events() -> None:
    told = Timeline(own_shift=0.0)
    content: dict[str, t.Any] = {'ansible_job_id': 'j5.5', 'finished': 0}
    told.began('web1', 9.0)
    told.began('web2', 10.0)
    told.saw(event(content), 10.0, polling=True, failed=False, final=False)
    told.saw(event(CENSORED, host='web2', uuid='u2'), 11.0, polling=True, failed=False, final=False)
    told.saw(event({**content, 'finished': 1}), 14.0, polling=False, failed=False, final=True)
    told.saw(event(CENSORED, host='web2', uuid='u2'), 16.0, polling=False, failed=False, final=False)  # async_ok
    told.saw(event(CENSORED, host='web2', uuid='u2'), 17.0, polling=False, failed=False, final=True)
    assert [(job_bar.job.label, job_bar.started, job_bar.until, job_bar.waited) for job_bar in told.bars()] == [
        ('Back up', 10.0, 14.0, 5.0),
        ('hidden by no_log', 11.0, 16.0, 7.0),
    ]
    assert told.ahead('web1') == 0.0


def test_waits() -> None:
    told = Timeline(own_shift=1000.0 - CREATED)
    told.began('web1', 1000.0)
    told.saw(event(of_one(RUNNING)), 1002.0, polling=False, failed=False, final=True)  # an item of a loop
    told.saw(event(of_one(job('j2.2', elapsed=1.0))), 1003.0, polling=False, failed=False, final=True)
    told.began('web1', 1010.0)
    told.saw(
        event(of_many(RUNNING, job('j2.2', elapsed=9.0)), uuid='u2'), 1020.0, polling=True, failed=False, final=False
    )
    last = event(of_many(ENDED, job('j2.2', 'failed', elapsed=9.0)), uuid='u2')
    told.saw(last, 1035.0, polling=False, failed=False, final=False)  # async_ok comes before
    told.saw(last, 1035.0, polling=False, failed=False, final=True)
    told.saw(event({'changed': True}, uuid='u3'), 1040.0, polling=False, failed=False, final=True)
    first, second = told.bars()
    assert first.waits == [(1000.0, 1002.0), (1010.0, 1035.0)]
    assert second.waits == [(1002.0, 1003.0), (1010.0, 1035.0)]
    assert (first.waited, second.waited) == (27.0, 26.0)


def test_jobs_of_a_host_stand_together() -> None:
    told = Timeline(own_shift=0.0)
    for number, host in enumerate(['web2', 'web1', 'web2']):
        told.saw(event(of_one(job(f'j{number}.1')), host=host), 1.0, polling=True, failed=False, final=False)
    assert [job_bar.job.id for job_bar in told.bars()] == ['j0.1', 'j2.1', 'j1.1']


def test_hosts_stand_in_the_order_of_the_inventory() -> None:
    told = Timeline(own_shift=0.0)
    told.add_hosts(['web2', 'web1'])
    told.add_hosts(['web1', 'web2', 'db1'])  # the next play's
    for number, host in enumerate(['added', 'db1', 'web1', 'web2']):
        told.saw(event(of_one(job(f'j{number}.1')), host=host), 1.0, polling=True, failed=False, final=False)
    assert [job_bar.job.host for job_bar in told.bars()] == ['web2', 'web1', 'db1', 'added']


def test_tasks_without_jobs_leave_nothing_behind() -> None:
    told = Timeline(own_shift=0.0)
    for number in range(100):
        told.began('web1', float(number))
        told.saw(event({}, uuid=f'u{number}'), number + 0.5, polling=False, failed=False, final=True)
    assert max(len(value) for value in vars(told).values() if isinstance(value, dict)) == 1
