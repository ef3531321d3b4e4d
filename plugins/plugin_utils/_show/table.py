# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs of many hosts as one table, the troubled ones first. Private to this collection."""

from __future__ import annotations

import collections
import collections.abc as c
import re
import typing as t

from ansible import constants as C
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import BAD, STATES
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, fit, printable, spoken, width
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import number_of, texts_of

UNREACHABLE = 'unreachable'
"""Stands in place of a state in the row of a host that did not answer."""
NO_JOBS = 'error'
"""The same for a host that answered, but not with its jobs."""

_HEAD = ('HOST', 'JOB', 'STATE', 'TIME', 'RC', 'LAST LINE')
_WIDEST_HOST, _WIDEST_JOB = 24, 32
"""Cells of these columns at most."""
_PREFIX = 'Task failed: '
"""Of every message of a failed task, from ansible-core 2.19 on."""
_ORDER = (
    UNREACHABLE,
    NO_JOBS,
    'lost',
    'failed',
    'timed_out',
    'cancelled',
    'skipped',
    'running',
    'queued',
    'succeeded',
    'ended',
)


COLORS = {'succeeded': str(C.COLOR_OK), 'skipped': str(C.COLOR_SKIP), **dict.fromkeys(BAD, str(C.COLOR_ERROR))}
"""The colours of ended jobs, by state."""


class Row(t.NamedTuple):
    """One line of the table."""

    host: str
    job: str
    state: str
    time: str
    rc: str
    text: str
    """The last line of output; without any, the reason of a bad end; or why the host did not answer."""

    @property
    def color(self) -> str | None:
        if self.state == UNREACHABLE:
            return str(C.COLOR_UNREACHABLE)
        return str(C.COLOR_ERROR) if self.state == NO_JOBS else COLORS.get(self.state)


def rows(results: c.Mapping[str, c.Mapping[str, t.Any]]) -> list[Row]:
    """The rows of *results*: host -> its result of async_info."""
    made = [row for host, result in results.items() for row in _of_host(host, result)]
    return sorted(made, key=lambda row: (_ORDER.index(row.state), natural(row.host)))


def _of_host(host: str, result: c.Mapping[str, t.Any]) -> list[Row]:
    if result.get('unreachable') or result.get('failed'):
        state = UNREACHABLE if result.get('unreachable') else NO_JOBS
        reason = str(result.get('msg') or '').removeprefix(_PREFIX)
        return [Row(host, '', state, '', '', _one_line(reason))]
    return [_of_job(host, job) for job in result.get('jobs', []) if job.get('state') in STATES]


def _of_job(host: str, job: c.Mapping[str, t.Any]) -> Row:
    rc = job.get('rc')
    last_lines = texts_of(job.get('last_lines'))  # of a bad end
    last_line = last_lines[-1] if last_lines else job.get('last_line')  # of a live job
    return Row(
        host,
        _one_line(job.get('name') or job.get('task') or _short(job.get('module'))),
        job['state'],
        _time(job),
        '' if rc is None else _one_line(rc),
        _one_line(last_line or job.get('reason')),
    )


def _short(module: t.Any) -> str:
    """The last part of the full name of a module."""
    return str(module or '').rpartition('.')[2]


def _time(job: c.Mapping[str, t.Any]) -> str:
    """``0:42 of 5:00``; of a job that waits, for which others or its place in its queue."""
    if job['state'] == 'queued':
        position = number_of(job.get('position'))
        return _one_line(after(texts_of(job.get('waits_for')))) or (f'place {position:.0f}' if position else '')
    elapsed, limit = number_of(job.get('elapsed')), number_of(job.get('limit'))
    if elapsed is None:
        return ''
    return clock(elapsed) + (f' of {clock(limit)}' if limit else '')


def _one_line(value: t.Any) -> str:
    """Any value of a target, safe for a terminal, on one line."""
    return printable(' '.join(str(value).split())) if value not in (None, '') else ''


def after(names: list[str]) -> str:
    """For which jobs a job waits: ``after download and 2 more``."""
    return f'after {names[0]}' + (f' and {len(names) - 1} more' if len(names) > 1 else '') if names else ''


def natural(text: str) -> list[tuple[str, int]]:
    """A key that sorts ``web2`` before ``web10``."""
    return [(other, int(digits or 0)) for other, digits in re.findall(r'(\D*)(\d*)', text)]


def lines(table: list[Row], columns: int) -> list[tuple[str, str | None]]:
    """(text, color) of each line: a head, and one for each row. None is wider than *columns* cells; 0: do not cut."""
    cells = [_HEAD, *(_fit(row) for row in table)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    colors = [None, *(row.color for row in table)]
    made = []
    for row, color in zip(cells, colors, strict=True):
        text = '  '.join(cell + ' ' * (widest - width(cell)) for cell, widest in zip(row, widths, strict=True)).rstrip()
        made.append((fit(text, columns) if columns else text, color))
    return made


def _fit(row: Row) -> tuple[str, ...]:
    return row._replace(host=fit(printable(row.host), _WIDEST_HOST), job=fit(row.job, _WIDEST_JOB))


def summary(table: list[Row], hosts: int) -> str:
    """How many hosts were asked, how many jobs they have, and in which states."""
    jobs = sum(row.state in STATES for row in table)
    states = count_states(row.state for row in table)
    return f'{number(hosts, "host")}, {number(jobs, "job")}' + (f': {states}' if states else '')


def count_states(states: c.Iterable[str]) -> str:
    """``2 failed, 1 timed out, 5 running``: the troubled ones first."""
    counts = collections.Counter(states)
    return ', '.join(f'{counts[state]} {spoken(state)}' for state in _ORDER if counts[state])


def number(count: int, noun: str) -> str:
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'
