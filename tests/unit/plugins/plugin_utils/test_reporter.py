# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person sees of the output of a target, which may be anything."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible import constants as C
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look, new_look
from ansible_collections.background.jobs.plugins.plugin_utils._show import reporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import readable

Shown = list[tuple[str, t.Any]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What is displayed: (text, colour)."""
    found: Shown = []
    monkeypatch.setattr(reporter.display, 'display', lambda text, color=None: found.append((text, color)))
    return found


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('plain text, ünïcödé, 漢字\tand a tab', 'plain text, ünïcödé, 漢字\tand a tab'),
        ('\x1b[1;31mred\x1b[0m', 'red'),
        ('\x1b]0;title\x07\x1b[2J', r'\x1b]0;title\x07\x1b[2J'),
        ('\x9b2J\x00\x08\x7f', r'\x9b2J\x00\x08\x7f'),
        (' 10%\r 50%\r100%', '100%'),
        ('windows\r', 'windows'),
        ('\udcff\udcfe', r'\xff\xfe'),
        ('\ud800', r'\ud800'),
        ('a\u202eb\u200b', r'a\u202eb\u200b'),
        ('5\xa0000\u202f€ or\u3000円', '5\xa0000\u202f€ or\u3000円'),
        ('', ''),
    ],
)
def test_readable(text: str, expected: str) -> None:
    assert readable(text) == expected


def look(*records: t.Any, offset: int = 1, skipped: int = 0, ended: bool = False) -> Look:
    live_output = {'offset': offset, 'skipped': skipped, 'records': list(records)}
    return new_look('j1.1', '/async', 'deploy', ended=ended, live_output=live_output)


def test_lines_are_shown_whole_and_in_order(shown: Shown) -> None:
    follower = reporter._Follower('web1', 'build')
    follower.show(look(['stdout', 'one', True], ['stdout', 'two', True], ['stdout', 'thr', False], offset=10))
    follower.show(look(['stderr', 'oops', True], ['stdout', 'ee', True], ['stderr', 'no end', False], offset=20))
    assert follower.offset == 20
    follower.show(look(offset=20, ended=True))

    assert [text for text, _colour in shown] == [
        'web1 | build | one\nweb1 | build | two',
        'web1 | build ! oops',
        'web1 | build | three',
        'web1 | build ! no end',
    ]
    assert [colour is None for _text, colour in shown] == [True, False, True, False]


def test_what_was_skipped_is_said(shown: Shown) -> None:
    follower = reporter._Follower('web1', 'build')
    follower.show(look(['stdout', 'begun', False]))
    follower.show(look(['stdout', 'later', True], skipped=12345))

    assert shown[0][0] == 'web1 | build | begun'
    assert '12345 bytes were skipped' in shown[1][0]
    assert shown[2][0] == 'web1 | build | later'


def test_a_line_without_an_end_is_not_kept_for_ever(shown: Shown) -> None:
    follower = reporter._Follower('web1', 'build')
    for _number in range(100):
        follower.show(look(['stdout', 'x' * 1000, False]))

    assert shown[0][0].count('x') > 60000


def job(state: str, **more: t.Any) -> dict[str, t.Any]:
    return {'id': 'j1.1', 'name': None, 'state': state, 'elapsed': None, 'limit': None, 'line': None, **more}


@pytest.mark.parametrize(
    ('jobs', 'expected'),
    [
        ([job('running', elapsed=5.2)], '1 running, 0 of 1 done | 0:05'),
        (
            [
                job('succeeded', elapsed=9.0),
                job('failed', name='backup'),
                job('running', elapsed=65.0, limit=3600),
                job('running', elapsed=3.0, line='Unpacking'),
                job('queued'),
            ],
            '2 running, 1 queued, 2 of 5 done, 1 failed (backup) | 1:05 of 1:00:00 | Unpacking',
        ),
        ([job('queued'), job('skipped'), job('succeeded')], '1 queued, 2 of 3 done, 1 skipped'),
        ([job('lost'), job('succeeded')], '2 of 2 done, 1 failed (backup)'),
    ],
)
def test_the_line_about_many_jobs(jobs: list[dict[str, t.Any]], expected: str) -> None:
    assert reporter.summary(jobs, {'j1.1': 'backup'}) == expected


Sent = list[tuple[str, dict[str, t.Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The events: (kind, result)."""
    found: Sent = []
    monkeypatch.setattr(
        'ansible_collections.background.jobs.plugins.plugin_utils._show.events.send',
        lambda action, event, result: found.append((event, result)),
    )
    return found


def of_task(labels: dict[str, str], *, no_log: bool = False, drop_in: bool = False) -> reporter.Reporter:
    keywords = SimpleNamespace(no_log=no_log)
    action: t.Any = SimpleNamespace(_task=keywords, _play_context=keywords)
    host = {'inventory_hostname': 'web1'}
    return reporter.Reporter(action, host, labels, poll=300, follow=True, together=len(labels) > 1, drop_in=drop_in)


def running(job_id: str, **more: t.Any) -> Look:
    known = job('running', id=job_id, elapsed=42.0, limit=3600, **more)
    return new_look(job_id, '/async', 'deploy', known=True, job=known, last_line='line')


@pytest.mark.parametrize(
    ('label', 'expected'),
    [
        ('upgrade', 'upgrade (0:42 of 1:00:00)'),
        ('\x1b[2Jup', r'\x1b[2Jup (0:42 of 1:00:00)'),
        ('a very long name of a job indeed', 'a very lo… (0:42 of 1:00:00)'),
    ],
)
def test_an_event_names_the_job_in_80_columns(shown: Shown, sent: Sent, label: str, expected: str) -> None:
    of_task({'j1.1': label}).begin([running('j1.1')])
    ((event, result),) = sent
    assert (event, result['ansible_job_id'], result['job']['id']) == ('poll', expected, 'j1.1')
    assert len(f'ASYNC POLL on web1: jid={expected} started=True finished=False') <= 80
    assert shown == []


def test_the_wait_begins_with_a_report_of_all_jobs(shown: Shown, sent: Sent) -> None:
    of_task({'j1.1': 'tasks[0]', 'j2.2': 'b'}).begin([running('j1.1'), running('j2.2')])
    assert sent[0][1]['ansible_job_id'] == 'tasks[0] +1 (0:42/1:00:00)'
    assert [text for text, _colour in shown] == ['web1 | 2 running, 0 of 2 done | 0:42 of 1:00:00 | line']


@pytest.mark.parametrize(
    ('label', 'others', 'expected'),
    [
        ('x', 0, 'x (0:42 of 1:00:00)'),
        ('db', 1, 'db +1 (0:42/1:00:00)'),
        ('a very long name', 1, 'a very lo… +1 (0:42/1:00:00)'),
        ('a very long name', 10, 'a very l… +10 (0:42/1:00:00)'),
    ],
)
def test_an_event_of_many_jobs_has_80_columns_too(
    shown: Shown, sent: Sent, label: str, others: int, expected: str
) -> None:
    ids = [f'j{number}.1' for number in range(others + 1)]
    of_task({ids[0]: label, **dict.fromkeys(ids[1:], 'other')}).begin([running(job_id) for job_id in ids])
    assert sent[0][1]['ansible_job_id'] == expected
    assert len(f'ASYNC POLL on web1: jid={expected} started=True finished=False') <= 80


def test_in_drop_in_an_event_has_the_id(shown: Shown, sent: Sent) -> None:
    of_task({'j1.1': 'ansible.builtin.command'}, drop_in=True).begin([running('j1.1')])
    assert sent[0][1]['ansible_job_id'] == 'j1.1'


def test_for_programs_an_event_has_the_id(shown: Shown, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(C, 'DEFAULT_STDOUT_CALLBACK', 'awx_display')
    of_task({'j1.1': 'upgrade'}).begin([running('j1.1')])
    assert sent[0][1]['ansible_job_id'] == 'j1.1'


@pytest.mark.parametrize('callback', ['default', 'community.general.timestamp'])
def test_for_people_an_event_has_the_name(
    shown: Shown, sent: Sent, monkeypatch: pytest.MonkeyPatch, callback: str
) -> None:
    monkeypatch.setattr(C, 'DEFAULT_STDOUT_CALLBACK', callback)
    of_task({'j1.1': 'upgrade'}).begin([running('j1.1')])
    assert sent[0][1]['ansible_job_id'].startswith('upgrade (')


def test_no_log_of_the_task_hides_all(shown: Shown, sent: Sent) -> None:
    silent = of_task({'j1.1': 'a', 'j2.2': 'b'}, no_log=True)
    silent.begin([running('j1.1'), running('j2.2')])
    silent.ended({'jobs': [{'ansible_job_id': 'j1.1'}, {'ansible_job_id': 'j2.2'}]})
    assert silent.offsets(['j1.1', 'j2.2']) is None
    assert shown == []
    assert [result['_ansible_no_log'] for _event, result in sent] == [True, True]
