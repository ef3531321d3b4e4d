# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as lines of text that fit a terminal and cannot harm it. Private to this collection."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, fit, printable, width
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job

_BAR = 16
"""Cells of a bar, on a terminal that has room for one."""
_ROOMY = 70
_WIDEST = (20, 28)
"""Cells of the host's and the job's name at most."""
_SILENT = 60
"""Seconds after which what was last heard of a job is old."""
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
    """Jobs that live, one on each line that is to stay."""
    shown = _urgent_first(jobs)
    return [_joined(job, _doing(job, now), _heard(job, now)) for job in shown[:most]] + _more(shown[most:])


def _joined(job: Job, *parts: str | None) -> str:
    return ' | '.join(printable(one) for one in (job.host, job.label, *parts) if one)


def table(jobs: list[Job], now: float, columns: int, most: int, *, ascii_only: bool = False) -> list[str]:
    """Jobs that live, one on each of at most *most* lines, none wider than *columns*."""
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
    names = (fit(printable(name), cells) for name, cells in zip((job.host, job.label), _WIDEST, strict=True))
    ran = job.ran(now)
    if job.limit and ran is not None and columns >= _ROOMY:
        full = min(_BAR, int(_BAR * ran / job.limit))
        doing = f'{cells[0] * full}{cells[1] * (_BAR - full)}  {_time(job, ran)}'
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
    """The last line of output. Of a job that nobody has waited for in a while, when it was seen."""
    silence = now - job.seen
    return f'last seen {clock(silence)} ago' if silence > _SILENT else job.line


def _urgent_first(jobs: list[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: (job.state == 'queued', job.host))


def _more(jobs: list[Job]) -> list[str]:
    if not jobs:
        return []
    states: t.Counter[str] = t.Counter(job.state for job in jobs)
    return [f"... {len(jobs)} more: " + ', '.join(f'{count} {state}' for state, count in states.items())]
