# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes an HTML page of bars: a table whose last column is a chart. Private to this collection.

Names and reasons come from targets, so all text goes through _text(). The page also forbids scripts and requests, in
case some text is not escaped.
"""

from __future__ import annotations

import collections.abc as c
import html
import itertools
import re
import typing as t
import urllib.parse

from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import BAD
from ansible_collections.background.jobs.plugins.plugin_utils._show.table import after, number
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, readable, spoken
from ansible_collections.background.jobs.plugins.plugin_utils._show.timeline import Bar

_STEP_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_MOST_TICKS = 8
_CLOCK_NOTE_SECONDS = 2
"""If a host's clock is wrong by less, the page does not say so."""
_QUEUED_SECONDS = 1
"""A job that was queued for less counts as not queued: starting it took the time."""
_FRACTION = re.compile(r'\d+\.\d+')
_LONGEST_JOBS = 10
"""How many are listed above the table."""
_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1f2328; --muted: #59636e; --grid: #d1d9e0; --row: #f6f8fa;
  --good: #1a7f37; --bad: #cf222e; --open: #0969da; --queued: #818b98; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --muted: #9198a1; --grid: #3d444d;
  --row: #151b23; --good: #3fb950; --bad: #f85149; --open: #4493f8; --queued: #7d8590; } }
body { margin: 1.5rem; background: var(--back); color: var(--text); font: 14px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1rem; margin: 1rem 0 .2rem; }
h3 { font-size: 1rem; font-weight: 600; margin: .4rem 0 0; color: var(--bad); overflow-wrap: anywhere; }
p, ol { margin: .2rem 0; } ol { max-height: 14rem; overflow-y: auto; padding-right: 1rem; } small { color: var(--muted); }
a { color: inherit; } tr:target td { outline: 1px solid var(--open); }
.lists { display: flex; flex-wrap: wrap; gap: 0 2rem; } section { flex: 1 1 20rem; min-width: 0; }
li { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin-top: 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding: .3rem 0; }
th, td { padding: .15rem .5rem; text-align: left; vertical-align: top; white-space: nowrap; }
thead th { position: sticky; top: 0; z-index: 2; background: var(--back); border-bottom: 1px solid var(--grid); }
tbody { border-bottom: 1px solid var(--grid); } tbody tr:nth-child(even) td { background-color: var(--row); }
.name, tbody th { min-width: 12rem; max-width: 20rem; white-space: normal; overflow-wrap: anywhere; }
tbody th { min-width: 10rem; max-width: 14rem; } th small { display: block; font-weight: normal; }
.time { text-align: right; }
.chart { width: 55%; min-width: 24rem; padding: .15rem 0; }
td.chart { background-image: repeating-linear-gradient(to right, var(--grid) 0 1px, transparent 1px var(--step)); }
.track { position: relative; height: 1.2rem; }
.track > *, .key { position: absolute; box-sizing: border-box; } .track > i { min-width: 2px; }
.tick { top: 0; padding-left: 3px; font-weight: normal; color: var(--muted); }
.queued { top: .25rem; height: .5rem; border: 1px solid var(--queued);
  background: repeating-linear-gradient(-45deg, var(--queued) 0 1px, transparent 1px 4px); }
.ran { top: .1rem; height: .75rem; border-radius: 2px; background: var(--good); }
.ran.bad { background: repeating-linear-gradient(45deg, var(--bad) 0 6px, color-mix(in srgb, var(--bad), var(--back) 35%) 6px 9px); }
.ran.open { background: linear-gradient(to right, var(--open) 70%, color-mix(in srgb, var(--open), transparent 70%)); }
.limit { top: 0; height: 1rem; border-left: 2px dotted var(--bad); } .wait { bottom: 0; height: .2rem; background: var(--text); }
.state-bad { color: var(--bad); font-weight: 600; } .legend span { display: inline-block; margin-right: 1.2rem; }
.key { position: relative; display: inline-block; top: .1rem; bottom: auto; width: 1.6rem; margin-right: .35rem; }
.key.limit { width: 2px; } .key.wait { top: -.15rem; }
@media (max-width: 60rem) { /* no room for a table: each job is two lines, its words and its bars */
  body { margin: .75rem; } table, tbody, caption, thead, thead tr { display: block; }
  tbody tr { display: grid; grid-template-columns: 1fr auto 4.5rem; padding: .15rem 0; } tbody tr:nth-child(even) { background: var(--row); }
  tbody tr:nth-child(even) td { background-color: transparent; } th, td { padding: 0 .3rem; }
  thead { position: sticky; top: 0; z-index: 2; background: var(--back); } thead th:not(.chart), td.time:not(.duration) { display: none; }
  tbody th, td.chart { grid-column: 1 / -1; max-width: none; min-width: 0; } tbody th { padding-top: .4rem; background: var(--back); }
  .name { min-width: 0; max-width: none; } th.chart, td.chart { display: block; width: auto; min-width: 0; padding: 0; } }
"""
_LEGEND = (
    ('queued', 'in a queue, or waiting for other jobs'),
    ('ran', 'ran, and succeeded'),
    ('ran bad', 'ran, and ended badly'),
    ('ran open', 'had not ended when last seen'),
    ('limit', 'its limit'),
    ('wait', 'a task of the play started it, looked at it or waited for it'),
)


def page(title: str, when: str, bars: list[Bar], begin: float, end: float, ahead: c.Callable[[str], float]) -> str:
    """The page of a run.

    *when*: the date it began, to be shown. *begin*, *end*: of the run, by the clock of the bars. *ahead*: by how many seconds
    the clock of a host is ahead of the controller's.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Background jobs: {_text(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Background jobs: {_text(title)}</h1>
<p>{_text(when)}, {clock(end - begin)} in all. Jobs: {_summary(bars)}.</p>
<div class="lists">
{_bad_ends([job_bar for job_bar in bars if job_bar.job.state in BAD])}
{_longest(bars) if len(bars) > _LONGEST_JOBS else ''}
</div>
<p class="legend">{''.join(f'<span><i class="key {name}"></i>{meaning}</span>' for name, meaning in _LEGEND)}</p>
{_table(bars, _Scale(begin, end), ahead)}
</body>
</html>
"""


def _summary(bars: list[Bar]) -> str:
    states = t.Counter[str](_state(job_bar) for job_bar in bars)
    hosts = len({job_bar.job.host for job_bar in bars})
    return f'{len(bars)} on {number(hosts, "host")}, ' + ', '.join(
        f'{count} {_text(state)}' for state, count in states.most_common()
    )


def _table(bars: list[Bar], scale: _Scale, ahead: c.Callable[[str], float]) -> str:
    labels = {job_bar.job.id: job_bar.job.label for job_bar in bars}
    hosts = [(host, list(group)) for host, group in itertools.groupby(bars, key=lambda job_bar: job_bar.job.host)]
    return f"""<table style="--step: {100 * scale.step / scale.span:.4f}%">
<caption>Times in minutes and seconds. All bars are by the controller's clock, from the beginning of the run.</caption>
<thead><tr><th scope="col">Host</th><th scope="col">Job</th><th scope="col">State</th>
<th scope="col" class="time">Queued</th><th scope="col" class="time">Ran</th><th scope="col" class="time">Limit</th>
<th scope="col" class="time">Waited for</th>
<th scope="col" class="chart"><div class="track">{scale.ticks()}</div></th></tr></thead>
{''.join(_host(host, group, scale, ahead(host), labels) for host, group in hosts)}</table>"""


class _Scale:
    """Places of times on the chart, in percent of the run."""

    def __init__(self, begin: float, end: float) -> None:
        self._begin = begin
        self.span = max(end - begin, 1.0)
        self.step = next((step for step in _STEP_SECONDS if self.span / step <= _MOST_TICKS), self.span / _MOST_TICKS)

    def ticks(self) -> str:
        count = int(self.span / self.step) + 1
        return ''.join(
            f'<span class="tick" style="left: {100 * n * self.step / self.span:.4f}%">{clock(n * self.step)}</span>'
            for n in range(count)
            if n * self.step < self.span * 0.94  # no room for a label after that
        )

    def piece(self, kind: str, begin: float, end: float) -> str:
        """A piece of the chart, cut to the time of the run. Nothing if it is outside of that."""
        left, right = (min(max((moment - self._begin) / self.span, 0), 1) for moment in (begin, end))
        if end < self._begin or begin > self._begin + self.span:
            return ''
        return f'<i class="{kind}" style="left: {100 * left:.4f}%; width: {100 * max(right - left, 0):.4f}%"></i>'


def _host(host: str, bars: list[Bar], scale: _Scale, ahead: float, labels: dict[str, str]) -> str:
    note = ''
    if abs(ahead) >= _CLOCK_NOTE_SECONDS:
        note = f'<small>its clock is {clock(abs(ahead))} {"ahead" if ahead > 0 else "behind"}</small>'
    heads = [f'<th scope="rowgroup" rowspan="{len(bars)}">{_text(host)}{note}</th>', *[''] * (len(bars) - 1)]
    rows = (
        f'<tr id="{_text(job_bar.job.id)}">{head}{_row(job_bar, scale, labels)}</tr>\n'
        for head, job_bar in zip(heads, bars, strict=True)
    )
    return f'<tbody>\n{"".join(rows)}</tbody>\n'


def _row(job_bar: Bar, scale: _Scale, labels: dict[str, str]) -> str:
    """*labels*: job id -> how people call it."""
    job = job_bar.job
    kind = 'open' if job.live else 'bad' if job.state in BAD else ''
    starts_after = after([labels.get(job_id, job_id) for job_id in job.after])
    notes = ''.join(f'<br><small>{_text(note)}</small>' for note in (job.summary, starts_after, job.cause) if note)
    queued = job_bar.queued if job_bar.queued >= _QUEUED_SECONDS else None
    return (
        f'<td class="name" title="{_text(job.id)}">{_text(job.label)}{notes}</td>'
        f'<td class="state-{kind}">{_text(_state(job_bar))}</td><td class="time">{_time(queued)}</td>'
        f'<td class="time duration">{_time(job_bar.ran)}</td><td class="time">{_time(job.limit)}</td>'
        f'<td class="time">{_time(job_bar.waited)}</td>'
        f'<td class="chart"><div class="track" aria-hidden="true">{_pieces(job_bar, kind, scale)}</div></td>'
    )


def _pieces(job_bar: Bar, kind: str, scale: _Scale) -> str:
    """What the chart shows of *job_bar*."""
    pieces = []
    if job_bar.queued >= _QUEUED_SECONDS:
        pieces.append(scale.piece('queued', job_bar.created, job_bar.created + job_bar.queued))
    if job_bar.started is not None:
        pieces.append(scale.piece(f'ran {kind}'.strip(), job_bar.started, job_bar.until))
        if job_bar.job.limit:
            pieces.append(
                scale.piece('limit', job_bar.started + job_bar.job.limit, job_bar.started + job_bar.job.limit)
            )
    return ''.join([*pieces, *(scale.piece('wait', begin, end) for begin, end in job_bar.waits)])


def _bad_ends(bars: list[Bar]) -> str:
    """All of *bars*, grouped by how and why they ended. The largest group comes first."""
    groups: dict[tuple[str, str], list[Bar]] = {}
    for job_bar in bars:
        # "stopped after 60.1 s" is the same reason as "stopped after 60.2 s"
        groups.setdefault((_state(job_bar), _FRACTION.sub('…', job_bar.job.cause or '')), []).append(job_bar)
    lists = [
        f'<h3>{_text(": ".join(filter(None, (state, _reason(reason, group)))))} ({len(group)})</h3>\n{_list(group)}'
        for (state, reason), group in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
    return f'<section><h2>Ended badly</h2>\n{"".join(lists)}</section>' if lists else ''


def _reason(general: str, bars: list[Bar]) -> str:
    """The reason of *bars*; *general*, which has no fractions, if theirs differ."""
    causes = {job_bar.job.cause or '' for job_bar in bars}
    return causes.pop() if len(causes) == 1 else general


def _longest(bars: list[Bar]) -> str:
    longest = sorted(bars, key=lambda job_bar: -(job_bar.ran or 0))[:_LONGEST_JOBS]
    return f'<section><h2>Ran longest</h2>\n{_list(longest)}</section>'


def _list(bars: list[Bar]) -> str:
    """All of *bars*, each a link to its row."""
    items = ''.join(
        f'<li><a href="#{urllib.parse.quote(readable(job_bar.job.id))}">{_text(job_bar.job.host)}: {_text(job_bar.job.label)}</a>, '
        f'{_text(_state(job_bar))} after {_time(job_bar.ran)}</li>'
        for job_bar in bars
    )
    return f'<ol tabindex="0">{items}</ol>'


def _state(job_bar: Bar) -> str:
    return spoken(job_bar.job.state)


def _time(seconds: float | None) -> str:
    return '-' if seconds is None else f'{round(seconds, 1):g} s' if seconds < 60 else clock(seconds)


def _text(text: str) -> str:
    return html.escape(readable(text))
