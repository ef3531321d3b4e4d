# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as lines: they fit, they line up, and nothing of a target reaches the terminal raw."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.background.jobs.plugins.plugin_utils._show import lines as _lines
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import fit, printable, width
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job
from hypothesis import given
from hypothesis import strategies as st


def running(job_id: str = 'j1.1', **more: t.Any) -> Job:
    return Job(**{'id': job_id, 'host': 'web1', 'task': 'Back up', 'first': 0, 'seen': 0, 'state': 'running', **more})


def test_a_table() -> None:
    jobs = [
        running(state='queued', position=3, task='Wait'),
        running(state='queued', waits_for=['fetch', 'build'], task='Test'),
        running(elapsed=42.0, limit=3600, line='62% copying'),
        running(elapsed=42.0, limit=84, host='日本語', name='nightly', line='1 of 2'),
        running(elapsed=42.0, line='Unpacking'),
    ]
    assert _lines.table(jobs, 0.0, 79, 10) == [
        'web1    Back up  ━━━━━━━━━───────  0:42 of 1:00:00  62%  62% copying',
        'web1    Back up  running 0:42                            Unpacking',
        '日本語  nightly  ━━━━━━━━────────  0:42 of 1:24          1 of 2',
        'web1    Wait     queued, place 3',
        'web1    Test     queued, after fetch and 1 more',
    ]


def test_a_narrow_table_has_no_bars() -> None:
    assert _lines.table([running(elapsed=42.0, limit=60)], 0.0, 60, 10) == ['web1  Back up  running 0:42 of 1:00']


def test_a_table_without_unicode() -> None:
    (line,) = _lines.table([running(elapsed=30.0, limit=60)], 0.0, 79, 10, _lines.style(ascii_only=True, dims=False))
    assert line == 'web1  Back up  ########--------  0:30 of 1:00'


def test_more_jobs_than_lines() -> None:
    jobs = [running(state='queued')] * 9 + [running(host='web2')] * 3
    lines = _lines.table(jobs, 0.0, 79, 3)
    assert [line.split()[0] for line in lines] == ['web2', 'web2', '...']
    assert lines[-1] == '... 10 more: 1 running, 9 queued'
    assert _lines.table(jobs, 0.0, 79, 12)[-1].startswith('web1')
    assert _lines.now_and_then(jobs, 0.0, 2)[-1] == '... 10 more: 1 running, 9 queued'


def test_plain_lines() -> None:
    jobs = [running(elapsed=42.0, limit=60, line='at 7.5 %\x1b[31m\x1b[2J'), running(state='queued')]
    assert _lines.now_and_then(jobs, 1.0, 10) == [
        'web1 | Back up | running 0:43 of 1:00, 8% | at 7.5 %\\x1b[2J',
        'web1 | Back up | queued',
    ]


def test_old_news_are_called_so() -> None:
    (line,) = _lines.now_and_then([running(elapsed=5.0, line='hello')], 150.0, 10)
    assert line == 'web1 | Back up | running 2:35 | last seen 2:30 ago'


def test_a_bar_is_the_percentage_of_the_output_or_else_the_time_against_the_limit() -> None:
    def drawn(**more: t.Any) -> str:
        (line,) = _lines.table([running(elapsed=60.0, **more)], 0.0, 79, 10)
        return line.partition('Back up  ')[2]

    assert drawn(limit=240, line='75 %') == '━━━━━━━━━━━━────  1:00 of 4:00  75%  75 %'
    assert drawn(limit=240, line='ready') == '━━━━────────────  1:00 of 4:00  ready'
    assert drawn(line='75 %') == '━━━━━━━━━━━━────  1:00  75%  75 %'
    assert drawn() == 'running 1:00'


def test_troubled_hosts_come_first_and_each_kind_is_in_natural_order() -> None:
    jobs = [
        *(running(state='queued', host=host) for host in ('web10', 'web2')),
        *(running(host=host, seen=100.0) for host in ('web12', 'web1')),
        *(running(host=host, poll=5.0) for host in ('web11', 'web3')),  # waited for, and silent
    ]
    order = ['web3', 'web11', 'web1', 'web12', 'web2', 'web10']
    assert [line.split()[0] for line in _lines.table(jobs, 100.0, 79, 10)] == order
    assert [line.split()[0] for line in _lines.now_and_then(jobs, 100.0, 10)] == order


def test_only_the_lines_of_silent_hosts_are_dimmed() -> None:
    jobs = [running(host='web1', seen=100.0, line='hello'), running(host='web2', line='hello')]
    heard, silent = _lines.table(jobs, 100.0, 79, 10, _lines.style(ascii_only=False, dims=True))
    assert '\x1b' not in heard
    assert silent.startswith('\x1b[2mweb2')
    assert silent.endswith('last seen 1:40 ago\x1b[22m')
    assert '\x1b' not in ''.join(_lines.table(jobs, 100.0, 79, 10))


def test_a_task_that_polls_seldom_makes_no_host_silent() -> None:
    (line,) = _lines.now_and_then([running(elapsed=5.0, poll=300.0, line='hello')], 500.0, 10)
    assert line.endswith('| hello')
    (line,) = _lines.now_and_then([running(elapsed=5.0, poll=300.0, line='hello')], 601.0, 10)
    assert line.endswith('| last seen 10:01 ago')


def test_a_summary_counts_by_state() -> None:
    jobs = [running(state=state) for state in ('succeeded', 'running', 'timed_out', 'failed', 'queued', 'failed')]
    assert _lines.summary(jobs) == '6 jobs on 1 host: 2 failed, 1 timed out, 1 running, 1 queued, 1 succeeded'
    assert _lines.summary([running(state='ended'), running(host='web2', state='ended')]) == '2 jobs on 2 hosts: 2 ended'


def test_bad_ends_have_a_line_each() -> None:
    jobs = [
        running(host='web10', state='timed_out', elapsed=60.0, reason='Timeout exceeded'),
        running(host='web3', state='lost', name='nightly'),
        running(state='succeeded'),
        running(),
    ]
    assert _lines.bad_ends(jobs) == [
        'web3   nightly  lost',
        'web10  Back up  timed out after 1:00  Timeout exceeded',
    ]


def test_ends() -> None:
    assert _lines.end(running(state='succeeded', elapsed=3725.0)) == 'web1 | Back up | succeeded after 1:02:05'
    late = running(state='timed_out', elapsed=60.0, reason='Timeout exceeded')
    assert _lines.end(late) == 'web1 | Back up | timed out after 1:00 | Timeout exceeded'


@pytest.mark.parametrize(
    ('line', 'percentage'),
    [
        ('62%', '62%'),
        ('10% then 99.6 %', '100%'),
        ('12,5 %', '12%'),
        ('100.0%', '100%'),
        ('140%', ''),
        ('1.000.50%', ''),
        ('a%20b', ''),
        ('', ''),
        (None, ''),
    ],
)
def test_percentages(line: str | None, percentage: str) -> None:
    assert _lines.percentage(line) == percentage


@given(st.text(st.characters()))  # lone surrogates too
def test_nothing_controls_the_terminal(text: str) -> None:
    assert not set(printable(text)) & set('\u200f\u202e\u2028\u2066\ufeff')
    for line in _lines.table([running(name=text or 'x', host=text, line=text, elapsed=1.0)], 0.0, 40, 5):
        assert not [char for char in line if ord(char) < 32 or 127 <= ord(char) < 160]


@given(st.text(alphabet='aé日\u0301', max_size=40), st.integers(1, 60))
def test_lines_fit(text: str, cells: int) -> None:
    fitted = fit(text, cells)
    assert width(fitted) <= cells
    assert fitted == text if width(text) <= cells else fitted.endswith('…')
