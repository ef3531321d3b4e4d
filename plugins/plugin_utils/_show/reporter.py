# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person sees while a task waits: live output, a line about many jobs, callbacks. Private to this collection."""

from __future__ import annotations

import collections
import itertools
import math
import time
import typing as t

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._show import events
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import hidden
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, readable

_LONGEST = 65536
"""Characters of a line that has no end, after which it is shown as it is."""
_FEW = 1

display = Display()


class SilentReporter:
    """Shows nothing while a task waits."""

    def offsets(self, ids: list[str]) -> list[int] | None:
        """From where on the live output of the jobs *ids* is to be read, None where nobody wants to see it."""
        return None

    def due(self) -> float:
        """Seconds until the next report."""
        return math.inf

    def seen(self, looks: list[Look], *, over: bool) -> None:
        """Show what *looks* tell; *over*: they are the last."""


class Reporter(SilentReporter):
    """Shows the jobs of one task of one host: reports every *poll* seconds, and with *follow* live output.

    *labels*: job id -> its short name. *together*: the result of the task is that of many jobs.
    """

    def __init__(
        self,
        action: ActionBase,
        task_vars: dict[str, t.Any],
        labels: dict[str, str],
        *,
        poll: float,
        follow: bool,
        together: bool,
    ) -> None:
        self._action = action
        self._host = task_vars['inventory_hostname']
        self._poll = poll
        self._together = together
        self._followers = {job_id: _Follower(self._host, label) for job_id, label in labels.items() if follow}
        self._states: dict[str, str] = {}
        self._reported = time.monotonic()

    def offsets(self, ids: list[str]) -> list[int] | None:
        return [self._followers[job_id].offset for job_id in ids] if self._followers else None

    def due(self) -> float:
        return max(0.0, self._reported + self._poll - time.monotonic())

    def seen(self, looks: list[Look], *, over: bool) -> None:
        for look in looks:
            if look.live_output is not None:
                self._followers[look.id].show(look)
        states = {look.id: look.job['state'] for look in looks if look.job}
        changed = self._states not in ({}, states)
        self._states = states
        if states and not over and (changed or not self.due()):
            self._report([look for look in looks if look.job])

    def ended(self, result: dict[str, t.Any]) -> None:
        """Tell of the result of the task."""
        ids = [job['ansible_job_id'] for job in result['jobs']] if self._together else [result['ansible_job_id']]
        events.send(self._action, 'failed' if result.get('failed') else 'ok', {**result, 'ansible_job_id': _some(ids)})

    def _report(self, looks: list[Look]) -> None:
        self._reported = time.monotonic()
        jobs = [_live(look) for look in looks]
        ids = [look.id for look in looks]
        result: dict[str, t.Any] = {
            **({'jobs': jobs} if self._together else jobs[0]),
            'ansible_job_id': _some(ids),
            'started': True,
            'finished': False,
        }
        for look in looks:
            result.update(hidden(look))
        events.send(self._action, 'poll', result)
        if self._together:
            display.display(f'{self._host} | {summary([job["job"] for job in jobs])}', color=C.COLOR_DEBUG)


def _some(ids: list[str]) -> str:
    return ', '.join(ids[:_FEW]) + (f' and {len(ids) - _FEW} more' if len(ids) > _FEW else '')


def _live(look: Look) -> dict[str, t.Any]:
    line = None if look.last_line is None else readable(look.last_line)
    return {
        'ansible_job_id': look.id,
        'started': True,
        'finished': look.ended,
        'job': {**look.job, 'line': line},
        **hidden(look),
    }


def summary(jobs: list[dict[str, t.Any]]) -> str:
    """How many jobs run, wait and are done, which have failed, how long they may run yet, and what was said last."""
    counts = collections.Counter(job['state'] for job in jobs)
    bad = [job for job in jobs if job['state'] not in ('queued', 'running', 'succeeded')]
    parts = [f'{counts[state]} {state}' for state in ('running', 'queued') if counts[state]]
    parts.append(f'{counts["succeeded"] + len(bad)} of {len(jobs)} done')
    if bad:
        parts.append(f'{len(bad)} failed ({", ".join(job["name"] or job["id"] for job in bad)})')
    told = [', '.join(parts)]
    running = [job for job in jobs if job['state'] == 'running' and job['elapsed'] is not None]
    if running:
        longest = max(running, key=lambda job: job['elapsed'])
        limit = '' if longest['limit'] is None else f' of {clock(longest["limit"])}'
        told.append(f'{clock(longest["elapsed"])}{limit}')
    told.extend(itertools.islice((job['line'] for job in reversed(running) if job['line']), 1))
    return ' | '.join(told)


class _Follower:
    """Shows the live output of one job line by line."""

    def __init__(self, host: str, label: str) -> None:
        self.offset = 0
        self._host = host
        self._label = label
        self._begun = {'stdout': '', 'stderr': ''}

    def show(self, look: Look) -> None:
        """Show what *look* brings, and what has no end of line yet if the job has ended."""
        live = look.live_output
        self.offset = live['offset']
        if live['skipped']:
            self._display(self._rest())
            told = f'... {live["skipped"]} bytes were skipped here: they came faster than they can be shown'
            self._display([('stderr', told)])
        self._display([*self._whole(live['records']), *(self._rest() if look.ended else [])])

    def _rest(self) -> list[tuple[str, str]]:
        """The lines that have not ended."""
        begun, self._begun = self._begun, dict.fromkeys(self._begun, '')
        return [(stream, text) for stream, text in begun.items() if text]

    def _whole(self, records: list[list[t.Any]]) -> t.Iterator[tuple[str, str]]:
        for stream, text, whole in records:
            line = self._begun[stream] + text
            ends = whole or len(line) > _LONGEST
            self._begun[stream] = '' if ends else line
            if ends:
                yield stream, line

    def _display(self, lines: list[tuple[str, str]]) -> None:
        for stream, group in itertools.groupby(lines, key=lambda line: line[0]):
            mark, colour = ('|', None) if stream == 'stdout' else ('!', C.COLOR_ERROR)
            begin = f'{self._host} | {self._label} {mark} '
            display.display('\n'.join(begin + readable(text) for _stream, text in group), color=colour)
