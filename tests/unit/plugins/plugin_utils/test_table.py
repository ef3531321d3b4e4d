# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible import constants as C
from ansible_collections.background.jobs.plugins.action import async_table
from ansible_collections.background.jobs.plugins.plugin_utils._show import table


def job(state: str, **more: t.Any) -> dict[str, t.Any]:
    return {'id': 'j1.1', 'name': None, 'module': 'ansible.builtin.command', 'state': state, 'elapsed': None, **more}


LINES = ['unpacking', 'no space left on device']
RESULTS: dict[str, dict[str, t.Any]] = {
    'web10': {'jobs': [job('succeeded', name='upgrade', elapsed=61, limit=3600, rc=0)]},
    'web2': {'jobs': [job('running', name='upgrade', elapsed=5, limit=None), job('queued', position=2)]},
    'web1': {
        'jobs': [job('failed', name='upgrade', elapsed=1, limit=3600, rc=1, reason='see its output', last_lines=LINES)]
    },
    'web3': {'unreachable': True, 'msg': 'Task failed: Connection\nrefused'},
    'web4': {'failed': True, 'msg': 'no Python'},
    'web5': {'jobs': []},
}


def shown(results: dict[str, dict[str, t.Any]], columns: int = 0) -> list[str]:
    return [text for text, _color in table.lines(table.rows(results), columns)]


def test_the_troubled_come_first_and_columns_stand_below_each_other() -> None:
    assert shown(RESULTS) == [
        'HOST   JOB      STATE        TIME             RC  LAST LINE',
        'web3            unreachable                       Connection refused',
        'web4            error                             no Python',
        'web1   upgrade  failed       0:01 of 1:00:00  1   no space left on device',
        'web2   upgrade  running      0:05',
        'web2   command  queued       place 2',
        'web10  upgrade  succeeded    1:01 of 1:00:00  0',
    ]


@pytest.mark.parametrize(
    ('more', 'text'),
    [
        ({'state': 'failed', 'last_lines': ['one', 'two'], 'reason': 'why'}, 'two'),
        ({'state': 'cancelled', 'reason': 'stopped'}, 'stopped'),
        ({'state': 'running', 'last_line': '42 %'}, '42 %'),
        ({'state': 'running', 'last_line': None}, ''),
        ({'state': 'succeeded'}, ''),
    ],
)
def test_the_last_line_is_that_of_its_output_or_else_the_reason(more: dict[str, t.Any], text: str) -> None:
    (row,) = table.rows({'web1': {'jobs': [job(**more)]}})
    assert row.text == text


@pytest.mark.parametrize(
    ('more', 'shown'),
    [
        ({'name': 'upgrade', 'task': 'Upgrade every package'}, 'upgrade'),
        ({'task': 'Upgrade every package'}, 'Upgrade every package'),
        ({'task': None}, 'command'),
    ],
)
def test_a_job_is_called_by_its_name_its_task_or_its_module(more: dict[str, t.Any], shown: str) -> None:
    (row,) = table.rows({'web1': {'jobs': [job('running', **more)]}})
    assert row.job == shown


@pytest.mark.parametrize('value', ['an hour', '\x1b[2J', True, float('inf'), 10**400, {'a': 1}])
def test_what_a_user_of_a_host_wrote_in_place_of_numbers_does_no_harm(value: t.Any) -> None:
    wrong = dict.fromkeys(('elapsed', 'limit', 'position', 'waits_for', 'last_lines'), value)
    rows = table.rows({'web1': {'jobs': [job('running', **{**wrong, 'elapsed': 5}), job('queued', **wrong)]}})
    assert [row.time.partition(' of ')[0] for row in rows] == ['0:05', 'place 1' if value is True else '']
    assert all(cell.isprintable() for row in rows for cell in row)


@pytest.mark.parametrize(
    ('option', 'variable', 'columns'),
    [
        (None, 'abc', async_table.display.columns),
        (None, '', async_table.display.columns),
        (None, '120', 120),
        (7, 'abc', 7),
    ],
)
def test_the_width_is_that_of_the_terminal_unless_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch, option: int | None, variable: str, columns: int
) -> None:
    monkeypatch.setenv('COLUMNS', variable)
    assert async_table._columns(option) == columns


def test_hosts_are_in_natural_order() -> None:
    hosts = ['web10', 'web2', 'db1', 'web1', '10.0.0.9', '10.0.0.10']
    assert sorted(hosts, key=table.natural) == ['10.0.0.9', '10.0.0.10', 'db1', 'web1', 'web2', 'web10']


@pytest.mark.parametrize('columns', [30, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    many = {f'host{number}': {'jobs': [job('running', name='x' * 50, last_line='y' * 300)]} for number in range(500)}
    lines = shown(many, columns)
    assert len(lines) == 501
    assert max(map(len, lines)) == columns


def test_what_a_target_says_is_safe_for_a_terminal() -> None:
    evil = {'web1': {'jobs': [job('running', name='a\x1b[2Jb\nc', last_line='\x07\u202edone')]}}
    (line,) = shown(evil)[1:]
    assert line.isprintable()
    assert r'a\x1b[2Jb c' in line
    assert r'\u202e' in line


def test_colors() -> None:
    colors = {row.state: row.color for row in table.rows(RESULTS)}
    assert colors['failed'] == colors['error'] == C.COLOR_ERROR
    assert colors['unreachable'] == C.COLOR_UNREACHABLE
    assert colors['succeeded'] == C.COLOR_OK
    assert colors['running'] is colors['queued'] is None


def test_who_waits_for_whom_and_what_was_skipped() -> None:
    evil = ['fetch\x1b[2J', 'build']
    jobs = [job('queued', name='test', waits_for=evil), job('skipped', name='install', reason='fetch failed')]
    assert shown({'web1': {'jobs': jobs}})[1:] == [
        'web1  install  skipped                                     fetch failed',
        'web1  test     queued   after fetch\\x1b[2J and 1 more',
    ]
    assert [row.color for row in table.rows({'web1': {'jobs': jobs}})] == [C.COLOR_SKIP, None]


def test_summary() -> None:
    rows = table.rows(RESULTS)
    states = '1 unreachable, 1 error, 1 failed, 1 running, 1 queued, 1 succeeded'
    assert table.summary(rows, len(RESULTS)) == f'6 hosts, 4 jobs: {states}'
    assert table.summary([], 1) == '1 host, 0 jobs'
