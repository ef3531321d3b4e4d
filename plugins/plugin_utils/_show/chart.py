# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bars -> one HTML page, a table whose last column is a chart. Private to this collection.

Names and reasons come from targets. All text goes through _text(), and the page allows no script and no request, so
that one that slipped through could do nothing.
"""

from __future__ import annotations

import collections.abc as c
import html
import itertools
import typing as t
import urllib.parse

from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import BAD
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, readable
from ansible_collections.background.jobs.plugins.plugin_utils._show.timeline import Bar

_STEP_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_MOST_TICKS = 8
_LONGEST_JOBS = 10
"""How many of the longest stand above the table."""
_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1f2328; --muted: #59636e; --grid: #d1d9e0; --row: #f6f8fa;
  --good: #1a7f37; --bad: #cf222e; --open: #0969da; --queued: #818b98; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --muted: #9198a1; --grid: #3d444d;
  --row: #151b23; --good: #3fb950; --bad: #f85149; --open: #4493f8; --queued: #7d8590; } }
body { margin: 1.5rem; background: var(--back); color: var(--text); font: 14px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1rem; margin: 1rem 0 .2rem; }
p, ol { margin: .2rem 0; } ol { max-height: 14rem; overflow-y: auto; padding-right: 1rem; } small { color: var(--muted); }
a { color: inherit; } tr:target td { outline: 1px solid var(--open); } .lists { display: flex; flex-wrap: wrap; gap: 0 2rem; } section { flex: 1 1 24rem; }
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
"""
_LEGEND = (
    ('queued', 'in a queue'),
    ('ran', 'ran, and succeeded'),
    ('ran bad', 'ran, and ended badly'),
    ('ran open', 'had not ended when last seen'),
    ('limit', 'its limit'),
    ('wait', 'a task of the play started it, looked at it or waited for it'),
)


def page(title: str, when: str, bars: list[Bar], begin: float, end: float, ahead: c.Callable[[str], float]) -> str:
    """The page of a run that lasted from *begin* to *end*. *when*: its date. *ahead*: a host -> seconds of its clock."""
    scale = _Scale(begin, end)
    hosts = [(host, list(group)) for host, group in itertools.groupby(bars, key=lambda stripe: stripe.job.host)]
    counts = t.Counter[str](_state(stripe) for stripe in bars)
    summary = ', '.join(f'{count} {_text(state)}' for state, count in counts.most_common())
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
<p>{_text(when)}, {clock(end - begin)} in all. Jobs: {len(bars)} on {len(hosts)} hosts, {summary}.</p>
<div class="lists">
{_list('Ended badly', [stripe for stripe in bars if stripe.job.state in BAD])}
{_list('Ran longest', sorted(bars, key=lambda stripe: -(stripe.ran or 0))[:_LONGEST_JOBS]) if len(bars) > _LONGEST_JOBS else ''}
</div>
<p class="legend">{''.join(f'<span><i class="key {name}"></i>{meaning}</span>' for name, meaning in _LEGEND)}</p>
<table style="--step: {100 * scale.step / scale.span:.4f}%">
<caption>Times in minutes and seconds. All bars are by the controller's clock, from the beginning of the run.</caption>
<thead><tr><th scope="col">Host</th><th scope="col">Job</th><th scope="col">State</th>
<th scope="col" class="time">Queued</th><th scope="col" class="time">Ran</th><th scope="col" class="time">Limit</th>
<th scope="col" class="time">Waited for</th>
<th scope="col" class="chart"><div class="track">{scale.ticks()}</div></th></tr></thead>
{''.join(_host(host, group, scale, ahead(host)) for host, group in hosts)}</table>
</body>
</html>
"""


class _Scale:
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

    def stripe(self, kind: str, begin: float, end: float) -> str:
        """Nothing outside the run; what began before it is cut."""
        left, right = (min(max((moment - self._begin) / self.span, 0), 1) for moment in (begin, end))
        if end < self._begin or begin > self._begin + self.span:
            return ''
        return f'<i class="{kind}" style="left: {100 * left:.4f}%; width: {100 * max(right - left, 0):.4f}%"></i>'


def _host(host: str, bars: list[Bar], scale: _Scale, ahead: float) -> str:
    note = (
        f"<small>its clock is {clock(abs(ahead))} {'ahead' if ahead > 0 else 'behind'}</small>"
        if abs(ahead) >= 2
        else ''
    )
    heads = [f'<th scope="rowgroup" rowspan="{len(bars)}">{_text(host)}{note}</th>', *[''] * (len(bars) - 1)]
    rows = (
        f'<tr id="{_text(stripe.job.id)}">{head}{_row(stripe, scale)}</tr>\n'
        for head, stripe in zip(heads, bars, strict=True)
    )
    return f"<tbody>\n{''.join(rows)}</tbody>\n"


def _row(stripe: Bar, scale: _Scale) -> str:
    job = stripe.job
    kind = 'open' if job.live else 'bad' if job.state in BAD else ''
    notes = ''.join(f'<br><small>{_text(note)}</small>' for note in (job.summary, job.reason) if note)
    pieces = [scale.stripe('queued', stripe.created, stripe.created + stripe.queued)] if stripe.queued >= 1 else []
    if stripe.started is not None:
        pieces.append(scale.stripe(f'ran {kind}'.strip(), stripe.started, stripe.until))
        if job.limit:
            pieces.append(scale.stripe('limit', stripe.started + job.limit, stripe.started + job.limit))
    pieces += [scale.stripe('wait', begin, end) for begin, end in stripe.waits]
    times = (stripe.queued if stripe.queued >= 1 else None, stripe.ran, job.limit, stripe.waited)
    cells = ''.join(f'<td class="time">{_time(seconds)}</td>' for seconds in times)
    return (
        f'<td class="name" title="{_text(job.id)}">{_text(job.label)}{notes}</td>'
        f'<td class="state-{kind}">{_text(_state(stripe))}</td>{cells}'
        f'<td class="chart"><div class="track" aria-hidden="true">{"".join(pieces)}</div></td>'
    )


def _list(title: str, bars: list[Bar]) -> str:
    """All of *bars*, each a link to its row."""
    items = ''.join(
        f'<li><a href="#{urllib.parse.quote(readable(stripe.job.id))}">{_text(stripe.job.host)}: {_text(stripe.job.label)}</a>, '
        f'{_text(_state(stripe))} after {_time(stripe.ran)}</li>'
        for stripe in bars
    )
    return f'<section><h2>{title}</h2>\n<ol tabindex="0">{items}</ol></section>' if bars else ''


def _state(stripe: Bar) -> str:
    return stripe.job.state.replace('_', ' ')


def _time(seconds: float | None) -> str:
    return '-' if seconds is None else f'{round(seconds, 1):g} s' if seconds < 60 else clock(seconds)


def _text(text: str) -> str:
    return html.escape(readable(text))
