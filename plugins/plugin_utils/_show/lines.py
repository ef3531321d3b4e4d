# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as lines of text that fit a terminal and cannot harm it. Private to this collection."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import BAD
from ansible_collections.background.jobs.plugins.plugin_utils._show.table import after, count_states, natural, number
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, fit, printable, spoken, width
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job

_BAR_CELLS = 16
_BAR_FROM_COLUMNS = 70
"""A narrower terminal shows no bars."""
_HOST_CELLS, _LABEL_CELLS = 20, 28
"""Of the names of the host and of the job, at most."""
_PERCENTAGE = re.compile(r'(?<![\d.,])(\d{1,3}(?:[.,]\d+)?) ?%')


class Style(t.NamedTuple):
    """What a terminal can show."""

    bar_cells: str = '━─'
    """One cell of the full part of a bar, and one of its empty part."""
    dim: str = ''
    """What switches to dimmed text, if the terminal has that."""
    normal: str = ''
    """What switches back."""


_DEFAULT_STYLE = Style()


def style(*, ascii_only: bool, dims: bool) -> Style:
    """*ascii_only*: the terminal has no other characters. *dims*: it has dimmed text."""
    return Style('#-' if ascii_only else '━─', *(('\033[2m', '\033[22m') if dims else ()))


def percentage(line: str | None) -> str:
    """The last percentage of a line of output, as in ``62%``, or nothing."""
    share = _share(line)
    return '' if share is None else f'{100 * share:.0f}%'


def _share(line: str | None) -> float | None:
    """The last percentage of a line of output, from 0 to 1."""
    percentages = [float(digits.replace(',', '.')) for digits in _PERCENTAGE.findall(line or '')]
    return percentages[-1] / 100 if percentages and percentages[-1] <= 100 else None


def end(job: Job) -> str:
    """A line about a job that has ended."""
    return _joined(job, _ending(job), job.cause)


def now_and_then(jobs: list[Job], now: float, most: int) -> list[str]:
    """A line for each of at most *most* jobs that have not ended, for a log."""
    shown = _in_order(jobs, now)
    return [_joined(job, _doing(job, now), _heard(job, now)) for job in shown[:most]] + _more(shown[most:])


def summary(jobs: list[Job], noun: str = 'job') -> str:
    """How many jobs there are on how many hosts, and in which states. *noun*: what to call one."""
    hosts = len({job.host for job in jobs})
    return f'{number(len(jobs), noun)} on {number(hosts, "host")}: {count_states(job.state for job in jobs)}'


def bad_ends(jobs: list[Job]) -> list[str]:
    """A line for each job that ended badly, in columns: host, job, how it ended, why."""
    bad = sorted((job for job in jobs if job.state in BAD), key=lambda job: natural(job.host))
    return _aligned([(*_names(job), _ending(job), printable(job.cause or '')) for job in bad])


def table(jobs: list[Job], now: float, columns: int, most: int, terminal: Style = _DEFAULT_STYLE) -> list[str]:
    """At most *most* lines about jobs that have not ended, none wider than *columns*, for a region that is drawn again."""
    ordered = _in_order(jobs, now)
    shown = ordered if len(ordered) <= most else ordered[: most - 1]  # a line says how many are left out
    lines = []
    for job, line in zip(shown, _aligned([_row(job, now, columns, terminal) for job in shown]), strict=True):
        silent = job.silent(now)
        lines.append(f'{terminal.dim if silent else ""}{fit(line, columns)}{terminal.normal if silent else ""}')
    return lines + [fit(line, columns) for line in _more(ordered[len(shown) :])]


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """*rows* with their cells below each other. A column that is empty everywhere takes no room."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        '  '.join(cell + ' ' * (cells - width(cell)) for cell, cells in zip(row, widths, strict=True) if cells).rstrip()
        for row in rows
    ]


def _row(job: Job, now: float, columns: int, terminal: Style) -> tuple[str, ...]:
    ran = job.ran(now)
    share = _share(job.line)
    if share is None and job.limit and ran is not None:
        share = ran / job.limit
    if share is None or ran is None or columns < _BAR_FROM_COLUMNS:
        doing = _doing(job, now, with_percentage=False)
    else:
        full = min(_BAR_CELLS, int(_BAR_CELLS * share))
        doing = f'{terminal.bar_cells[0] * full}{terminal.bar_cells[1] * (_BAR_CELLS - full)}  {_time(job, ran)}'
    return (*_names(job), doing, percentage(job.line), printable(_heard(job, now) or ''))


def _names(job: Job) -> tuple[str, str]:
    return fit(printable(job.host), _HOST_CELLS), fit(printable(job.label), _LABEL_CELLS)


def _joined(job: Job, *parts: str | None) -> str:
    return ' | '.join(printable(part) for part in (job.host, job.label, *parts) if part)


def _ending(job: Job) -> str:
    """``failed after 0:42``."""
    duration = '' if job.elapsed is None else f' after {clock(job.elapsed)}'
    return f'{spoken(job.state)}{duration}'


def _doing(job: Job, now: float, *, with_percentage: bool = True) -> str:
    """``queued, place 2``, ``queued, after download``, or ``running 0:42 of 5:00, 62%``."""
    if job.state == 'queued':
        place = '' if job.position is None else f'place {job.position:.0f}'
        return ', '.join(filter(None, ['queued', after(job.waits_for) or place]))
    ran = job.ran(now)
    running = job.state if ran is None else f'{job.state} {_time(job, ran)}'
    return ', '.join(filter(None, [running, percentage(job.line) if with_percentage else '']))


def _time(job: Job, ran: float) -> str:
    return f'{clock(ran)} of {clock(job.limit)}' if job.limit else clock(ran)


def _heard(job: Job, now: float) -> str | None:
    """The last line of output, or since when the host was not heard of."""
    return f'last seen {clock(now - job.seen)} ago' if job.silent(now) else job.line


def _in_order(jobs: list[Job], now: float) -> list[Job]:
    """Those first that a task waits for in vain, then those that run. The hosts of each are in natural order."""
    return sorted(jobs, key=lambda job: (not job.troubled(now), job.state == 'queued', natural(job.host)))


def _more(jobs: list[Job]) -> list[str]:
    return [f'... {len(jobs)} more: {count_states(job.state for job in jobs)}'] if jobs else []
