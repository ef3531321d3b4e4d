# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as lines of text that fit a terminal and cannot harm it. Private to this collection."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, fit, printable, width
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job

_BAR_CELLS = 16
"""Of a bar."""
_BAR_FROM_COLUMNS = 70
_NAME_CELLS = (20, 28)
"""Of the host's name and of the job's name, at most."""
_SILENT_SECONDS = 60
"""Since the last look at a job, after which the age of that look is shown in place of the job's last line."""
_PERCENT = re.compile(r'(?<![\d.,])(\d{1,3}(?:[.,]\d+)?) ?%')


def percentage(line: str | None) -> str:
    """The last percentage of a line of output, as in ``62%``, or nothing."""
    found = [float(one.replace(',', '.')) for one in _PERCENT.findall(line or '')]
    return f'{found[-1]:.0f}%' if found and found[-1] <= 100 else ''


def end(job: Job) -> str:
    """A line about a job that has ended."""
    after = '' if job.elapsed is None else f' after {clock(job.elapsed)}'
    return _joined(job, f"{job.state.replace('_', ' ')}{after}", job.reason)


def now_and_then(jobs: list[Job], now: float, most: int) -> list[str]:
    """A line for each of at most *most* jobs that have not ended, for a log."""
    shown = _urgent_first(jobs)
    return [_joined(job, _doing(job, now), _heard(job, now)) for job in shown[:most]] + _more(shown[most:])


def _joined(job: Job, *parts: str | None) -> str:
    return ' | '.join(printable(one) for one in (job.host, job.label, *parts) if one)


def table(jobs: list[Job], now: float, columns: int, most: int, *, ascii_only: bool = False) -> list[str]:
    """At most *most* lines about jobs that have not ended, none wider than *columns*, for a region that is drawn again."""
    shown = _urgent_first(jobs)
    if len(shown) > most:
        most -= 1  # a line says how many are left out
    rows = [_row(job, now, columns, '#-' if ascii_only else '━─') for job in shown[:most]]
    widths = [max(map(width, column), default=0) for column in zip(*rows, strict=True)]
    lines = [
        '  '.join(cell + ' ' * (cells - width(cell)) for cell, cells in zip(row, widths, strict=True) if cells)
        for row in rows
    ]
    return [fit(line.rstrip(), columns) for line in lines + _more(shown[most:])]


def _row(job: Job, now: float, columns: int, cells: str) -> tuple[str, ...]:
    names = (fit(printable(name), cells) for name, cells in zip((job.host, job.label), _NAME_CELLS, strict=True))
    ran = job.ran(now)
    if job.limit and ran is not None and columns >= _BAR_FROM_COLUMNS:
        full = min(_BAR_CELLS, int(_BAR_CELLS * ran / job.limit))
        doing = f'{cells[0] * full}{cells[1] * (_BAR_CELLS - full)}  {_time(job, ran)}'
    else:
        doing = _doing(job, now, '')
    return (*names, doing, percentage(job.line), printable(_heard(job, now) or ''))


def _doing(job: Job, now: float, percent: str | None = None) -> str:
    """``queued, place 2``, or ``running 0:42 of 5:00, 62%``."""
    if job.state == 'queued':
        return 'queued' if job.position is None else f'queued, place {job.position:.0f}'
    ran = job.ran(now)
    so_far = [job.state if ran is None else f'{job.state} {_time(job, ran)}']
    return ', '.join(filter(None, [*so_far, percentage(job.line) if percent is None else percent]))


def _time(job: Job, ran: float) -> str:
    return f'{clock(ran)} of {clock(job.limit)}' if job.limit else clock(ran)


def _heard(job: Job, now: float) -> str | None:
    """The last line of output, or the age of the last look if that is old."""
    silence = now - job.seen
    return f'last seen {clock(silence)} ago' if silence > _SILENT_SECONDS else job.line


def _urgent_first(jobs: list[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.state == 'queued', job.host))


def _more(jobs: list[Job]) -> list[str]:
    if not jobs:
        return []
    states: t.Counter[str] = t.Counter(job.state for job in jobs)
    return [f"... {len(jobs)} more: " + ', '.join(f'{count} {state}' for state, count in states.items())]
