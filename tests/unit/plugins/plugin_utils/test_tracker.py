# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What callbacks see of jobs, whatever a target has written into a result."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job, SeesJobs, Tracker
from ansible_collections.background.jobs.tests.unit.plugins.callback._events import (
    CENSORED,
    event,
    job,
    of_many,
    of_one,
)


def see(*contents: dict[str, t.Any], polling: bool = False) -> dict[str, Job]:
    tracker = Tracker()
    for now, content in enumerate(contents):
        tracker.see(event(content), float(now), polling=polling)
    return tracker.jobs


def only(*contents: dict[str, t.Any]) -> Job:
    """The one job that they are about."""
    found = list(see(*contents).values())
    assert len(found) == 1
    return found[0]


def test_a_job_is_followed_from_its_queue_to_its_end() -> None:
    tracker = Tracker()
    for told, live, ran in (
        (job(state='queued', position=2), True, None),
        (job(elapsed=1.0, line='50 %'), True, 3.0),
        (job(state='succeeded', elapsed=4.0, ended='2026-11-22T08:00:09Z'), False, 4.0),
    ):
        (one,) = tracker.see(event(of_one(told)), 10.0)
        assert (one.state, one.live, one.ran(12.0)) == (told['state'], live, ran)
    assert (one.line, one.created, one.started, one.ended) == ('50 %', 1795334400.0, 1795334405.0, 1795334409.0)


def test_an_end_is_never_taken_back() -> None:
    one = only(of_one(job(state='failed', elapsed=4.0)), of_one(job(elapsed=3.0)))
    assert (one.state, one.elapsed) == ('failed', 4.0)


def test_time_goes_on_between_looks_but_not_beyond_the_limit() -> None:
    one = only(of_one(job(elapsed=50.0, limit=60)))
    assert [one.ran(now) for now in (0.0, 5.0, 500.0)] == [50.0, 55.0, 60.0]


def test_jobs_without_a_name_of_their_own_are_told_apart() -> None:
    jobs = see(of_many(job('j1.1', name='nightly'), job('j2.2'), job('j3.3')), of_one(job('j2.2')))
    assert [one.label for one in jobs.values()] == ['nightly', 'Back up (2)', 'Back up (3)']


@pytest.mark.parametrize('content', [of_one(job('j1.1')), {'ansible_job_id': 'j1.1', 'finished': 0}])
def test_a_task_without_a_name_lends_none(content: dict[str, t.Any]) -> None:
    tracker = Tracker()
    (one,) = tracker.see(event(content, task=None), 0.0)
    assert one.label == (one.module or 'j1.1')


def test_a_list_of_jobs_adds_nobody_elses() -> None:
    listed = {'jobs': [job('j1.1', 'failed', reason='out of disk'), job('j9.9')]}
    one = only(of_one(job('j1.1')), listed)
    assert (one.id, one.state, one.reason) == ('j1.1', 'failed', 'out of disk')


def test_jobs_of_ansible_core_have_an_id_and_an_end() -> None:
    content: dict[str, t.Any] = {'ansible_job_id': 'j5.5', 'started': 1, 'finished': 0}
    one = only(content, {**content, 'finished': 1})
    assert (one.id, one.state, one.elapsed) == ('j5.5', 'succeeded', 1.0)


@pytest.mark.parametrize(
    'ending', [{'ansible_job_id': 'j5.5', 'finished': 1}, {'async_result': {'ansible_job_id': 'j5.5'}}]
)
def test_jobs_of_ansible_core_fail(ending: dict[str, t.Any]) -> None:
    """The event tells so, not the result, from which ansible-core takes it out."""
    tracker = Tracker()
    tracker.see(event({'ansible_job_id': 'j5.5', 'finished': 0}), 0.0, polling=True)
    (one,) = tracker.see(event({**ending, 'msg': 'no'}), 1.0, failed=True)
    assert (one.id, one.state, one.reason) == ('j5.5', 'failed', 'no')


def test_a_job_whose_files_are_gone_has_ended() -> None:
    gone = {'ansible_job_id': 'j1.1', 'finished': True, 'failed': True, 'msg': 'Job j1.1 is gone'}
    one = only(of_one(job(elapsed=3.0)), {'jobs': [gone]})
    assert (one.state, one.reason, one.elapsed) == ('failed', 'Job j1.1 is gone', 3.0)


@pytest.mark.parametrize('started', [True, False])
def test_the_end_of_a_job_without_files_counts_once(started: bool) -> None:
    """The event has what people call the job in the place of the id, and then comes the result of the task."""
    result = {'ansible_job_id': 'j1.1', 'started': started, 'finished': True, 'failed': True, 'msg': 'no'}
    tracker = Tracker()
    for content, final in (({**result, 'ansible_job_id': 'again'}, False), (result, True)):
        tracker.see(event(content), 0.0, failed=True, final=final)
    assert [(one.id, one.state, one.reason) for one in tracker.jobs.values()] == [('j1.1', 'failed', 'no')]


def test_of_a_hidden_job_there_is_only_that_there_is_one() -> None:
    tracker = Tracker()
    assert tracker.see(event(CENSORED), 0.0) == []  # any task with no_log
    (one,) = tracker.see(event(CENSORED), 1.0, polling=True, final=False)
    assert (one.label, one.state) == ('hidden by no_log', 'running')
    assert tracker.see(event(CENSORED, uuid='u2'), 2.0) == []
    assert tracker.see(event({**CENSORED, '_ansible_no_log': True}), 3.0, final=False) == [one]
    assert tracker.see(event(CENSORED), 3.5) == [one]
    assert (one.state, one.elapsed) == ('ended', 2.0)
    (other,) = tracker.see(event(CENSORED), 4.0, polling=True, final=False)  # the next of a loop
    tracker.see(event(CENSORED), 4.1, final=False)
    (again,) = tracker.see(event(CENSORED), 4.2, polling=True, final=False)  # with `until`, the next attempt
    assert len({one.id, other.id, again.id}) == 3
    hidden = of_one(job('j7.7', name='secret'), _ansible_no_log=True)
    assert 'j7.7' not in [found.id for found in tracker.see(event(hidden, uuid='u3'), 5.0, polling=True)]


@pytest.mark.parametrize(
    'content',
    [
        {},
        {'job': None, 'jobs': None},
        {'job': 'nightly', 'jobs': 'many'},
        {'job': {'id': 7, 'state': 'running'}, 'jobs': [1, None, {'job': []}]},
        {'job': {'id': 'x', 'state': 'idle'}},
        {'job': {'id': 'x', 'state': ['running']}},
        {'ansible_job_id': 17, 'finished': 0},
    ],
)
def test_what_is_no_job_is_left_alone(content: dict[str, t.Any]) -> None:
    assert see(content, content, polling=True) == {}


def test_odd_values_of_a_target_break_nothing() -> None:
    odd = job(
        elapsed='1', limit=float('nan'), position=-1, created='yesterday', ended=7, name=['x'], reason={}, line=b'x'
    )
    one = only(of_one(odd))
    assert (one.limit, one.position, one.created, one.ended, one.reason, one.line) == (None,) * 6
    assert one.label == 'Back up'


def test_every_event_that_may_tell_of_jobs_is_heard() -> None:
    class Callback(SeesJobs):
        def __init__(self) -> None:
            super().__init__()
            self.heard: list[tuple[bool, bool, bool]] = []

        def saw(self, result: t.Any, *, polling: bool = False, failed: bool = False, final: bool = True) -> None:
            self.heard.append((polling, failed, final))

    events = {
        'on_async_poll': (True, False, False),
        'on_async_ok': (False, False, False),
        'on_async_failed': (False, True, False),
        'retry': (False, False, False),
        'on_ok': (False, False, True),
        'on_failed': (False, True, True),
        'on_unreachable': (False, False, True),
        'item_on_ok': (False, False, True),
        'item_on_failed': (False, True, True),
    }
    callback = Callback()
    for name in events:
        getattr(callback, f'v2_runner_{name}')(event({}))
    assert callback.heard == list(events.values())


OWN, OTHER = 'j20261126125149040563.51212107', 'j20261126125151700903.88441688'


@pytest.mark.parametrize(
    ('reason', 'cause'),
    [
        (None, None),
        (f'Timeout exceeded: job {OWN} was stopped after 8.1 s', 'Timeout exceeded: the job was stopped after 8.1 s'),
        (f'the module of job {OWN} was ended', 'the module of the job was ended'),
        (f'the job {OWN} waited for the job {OTHER}', 'the job waited for another job'),
        ('job nightly is gone', 'job nightly is gone'),
    ],
)
def test_a_cause_has_no_ids(reason: str | None, cause: str | None) -> None:
    assert only(of_one(job(OWN, 'failed', reason=reason))).cause == cause


def test_only_a_host_that_a_task_waits_for_can_be_in_trouble() -> None:
    tracker = Tracker()
    (one,) = tracker.see(event(of_one(job()), poll=100), 0.0, polling=True)
    assert [one.troubled(now) for now in (200.0, 201.0)] == [False, True]
    tracker.see(event(of_one(job())), 10.0)
    assert (one.silent(71.0), one.troubled(71.0)) == (True, False)
