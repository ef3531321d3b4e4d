# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person sees while a task waits: live output, a line about many jobs, callbacks. Private to this collection."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import time
import typing as t

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import BAD, Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import hides_result
from ansible_collections.background.jobs.plugins.plugin_utils._show import events
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import hidden
from ansible_collections.background.jobs.plugins.plugin_utils._show.stream import is_for_people, stream
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import clock, fit, printable, readable, width

_LONGEST_LINE_CHARACTERS = 65536
"""Of a line that has no end, after which it is shown as it is."""
_EVENT_CELLS = 80 - len('ASYNC POLL on : jid= started=True finished=False')
"""What the default callback leaves of 80 columns for the host and the job, in its line about a task that waits."""
_LEAST_NAME_CELLS = 8
"""Of the job's name in that line, even if it gets longer than 80 columns for it."""

display = Display()


class SilentReporter:
    """Shows nothing while a task waits."""

    latest: t.Sequence[Look] = ()
    """The last looks that it has seen."""

    def begin(self, looks: list[Look]) -> None:
        """Show *looks*, taken when the wait begins."""

    def offsets(self, ids: list[str]) -> list[int] | None:
        """From where on the live output of the jobs *ids* is to be read, None where nobody wants to see it."""
        return None

    def due(self) -> float:
        """Seconds until the next report."""
        return math.inf

    def seen(self, looks: list[Look], *, over: bool) -> None:
        """Show what *looks* tell; *over*: they are the last."""
        self.latest = looks


class Reporter(SilentReporter):
    """Shows the jobs of one task of one host: reports every *poll* seconds, and with *follow* live output.

    *labels*: job id -> how people call it. *together*: the result of the task is that of many jobs. *drop_in*: it is a task
    of ansible-core's own async, whose events name the job by its id. Of a task with `no_log`, nothing is shown but that
    there is one.
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
        drop_in: bool = False,
    ) -> None:
        self._action = action
        self._poll = poll
        self._together = together
        host = task_vars['inventory_hostname']
        # no_log of the play context as well: in drop-in, ansible-core polls with a task of its own, without keywords.
        no_log = hides_result(action)
        self.form = ReportForm(
            host, {job_id: printable(label) for job_id, label in labels.items()}, together, drop_in, no_log
        )
        follow = follow and not no_log
        self._followers = {job_id: _Follower(host, label) for job_id, label in self.form.labels.items() if follow}
        self._states: dict[str, str] = {}
        self._reported = time.monotonic()

    def begin(self, looks: list[Look]) -> None:
        self._states = _states(looks)
        if not all(look.ended for look in looks):
            self._report([look for look in looks if look.job])

    def offsets(self, ids: list[str]) -> list[int] | None:
        return [self._followers[job_id].offset for job_id in ids] if self._followers else None

    def due(self) -> float:
        return max(0.0, self._reported + self._poll - time.monotonic())

    def seen(self, looks: list[Look], *, over: bool) -> None:
        super().seen(looks, over=over)
        for look in looks:
            if look.live_output is not None:
                self._followers[look.id].show(look)
        states = _states(looks)
        changed = self._states not in ({}, states)
        self._states = states
        if states and not over and (changed or not self.due()):
            self._report([look for look in looks if look.job])

    def ended(self, result: dict[str, t.Any]) -> None:
        """Tell of the result of the task."""
        jobs = result['jobs'] if self._together else [result]
        text = self.form.jobs_text([job['ansible_job_id'] for job in jobs], [])
        event: t.Literal['failed', 'ok'] = 'failed' if result.get('failed') else 'ok'
        events.send(self._action, event, {**result, 'ansible_job_id': text, **self.form.hidden()})

    def _report(self, looks: list[Look]) -> None:
        self._reported = time.monotonic()
        if looks:
            events.send(self._action, 'poll', self.form.event(looks))
            self.form.show_line(looks)


@dataclasses.dataclass(frozen=True)
class ReportForm:
    """Makes the reports about a task that waits. It can be pickled, for another process that makes them."""

    host: str
    labels: dict[str, str]
    """Job id -> how people call it, printable."""
    together: bool
    """Whether the result of the task is that of many jobs."""
    drop_in: bool
    """Whether it is a task of ansible-core's own async."""
    no_log: bool

    def event(self, looks: list[Look]) -> dict[str, t.Any]:
        """The result that the event about *looks* has, at least one of them."""
        jobs = [_live(look) for look in looks]
        result: dict[str, t.Any] = {
            **({'jobs': jobs} if self.together else jobs[0]),
            'ansible_job_id': self.jobs_text([look.id for look in looks], [job['job'] for job in jobs]),
            'started': True,
            'finished': False,
            **self.hidden(),
        }
        for look in looks:
            result.update(hidden(look))
        return result

    def show_line(self, looks: list[Look]) -> None:
        """Show one line about *looks*, if the task is about many jobs."""
        if self.together and not self.no_log:
            line = f'{self.host} | {summary([_live(look)["job"] for look in looks], self.labels)}'
            display.display(line, color=C.COLOR_DEBUG, **stream())

    def hidden(self) -> dict[str, t.Any]:
        return {'_ansible_no_log': True} if self.no_log else {}

    def jobs_text(self, ids: list[str], jobs: list[dict[str, t.Any]]) -> str:
        """What an event calls the jobs *ids*, so that its line has 80 columns: ``build and 2 more (0:42 of 5:00)``.

        Where this is too long, it is ``build +2 (0:42/5:00)``. *jobs*: those of which it tells how long they run.
        """
        others = len(ids) - 1
        more = f' and {others} more' if others else ''
        if self.drop_in or not is_for_people():  # ansible-runner looks for the events of an id
            return ids[0] + more
        label = self.labels.get(ids[0], ids[0])
        least = min(width(label), _LEAST_NAME_CELLS)
        rest = more + _times(jobs, ' of ')
        if self._cells_beside(rest) < least:
            rest = (f' +{others}' if others else '') + _times(jobs, '/')
        return fit(label, max(least, self._cells_beside(rest))) + rest

    def _cells_beside(self, rest: str) -> int:
        """For the name of a job, in an event that goes on with *rest*."""
        return _EVENT_CELLS - width(self.host) - width(rest)


def _states(looks: list[Look]) -> dict[str, str]:
    return {look.id: look.job['state'] for look in looks if look.job}


def _live(look: Look) -> dict[str, t.Any]:
    line = None if look.last_line is None else readable(look.last_line)
    return {
        'ansible_job_id': look.id,
        'started': True,
        'finished': look.ended,
        'job': {**look.job, 'line': line},
        **hidden(look),
    }


def _longest(jobs: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The job that has run longest of those that run, if any do."""
    running = [job for job in jobs if job['state'] == 'running' and job['elapsed'] is not None]
    return [max(running, key=lambda job: job['elapsed'])] if running else []


def _elapsed(job: dict[str, t.Any], of: str = ' of ') -> str:
    return clock(job['elapsed']) + ('' if job['limit'] is None else of + clock(job['limit']))


def _times(jobs: list[dict[str, t.Any]], of: str) -> str:
    return ''.join(f' ({_elapsed(job, of)})' for job in _longest(jobs))


def summary(jobs: list[dict[str, t.Any]], labels: dict[str, str]) -> str:
    """How many jobs run, wait and are done, which have failed, how long they may run yet, and what was printed last.

    *labels*: job id -> how people call it, printable.
    """
    counts = collections.Counter(job['state'] for job in jobs)
    bad = [labels[job['id']] for job in jobs if job['state'] in BAD]
    parts = [f'{counts[state]} {state}' for state in ('running', 'queued') if counts[state]]
    parts.append(f'{counts["succeeded"] + counts["skipped"] + len(bad)} of {len(jobs)} done')
    parts += [f'{counts["skipped"]} skipped'] if counts['skipped'] else []
    if bad:
        parts.append(f'{len(bad)} failed ({", ".join(bad)})')
    lines = [job['line'] for job in reversed(jobs) if job['state'] == 'running' and job['line']]
    return ' | '.join([', '.join(parts), *map(_elapsed, _longest(jobs)), *lines[:1]])


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
            note = f'... {live["skipped"]} bytes were skipped here: they came faster than they can be shown'
            self._display([('stderr', note)])
        self._display([*self._whole(live['records']), *(self._rest() if look.ended else [])])

    def _rest(self) -> list[tuple[str, str]]:
        """The lines that have not ended."""
        begun, self._begun = self._begun, dict.fromkeys(self._begun, '')
        return [(source, text) for source, text in begun.items() if text]

    def _whole(self, records: list[list[t.Any]]) -> t.Iterator[tuple[str, str]]:
        for source, text, whole in records:
            line = self._begun[source] + text
            ends = whole or len(line) > _LONGEST_LINE_CHARACTERS
            self._begun[source] = '' if ends else line
            if ends:
                yield source, line

    def _display(self, lines: list[tuple[str, str]]) -> None:
        for source, group in itertools.groupby(lines, key=lambda line: line[0]):
            mark, colour = ('|', None) if source == 'stdout' else ('!', C.COLOR_ERROR)
            begin = f'{self._host} | {self._label} {mark} '
            display.display('\n'.join(begin + readable(text) for _source, text in group), color=colour, **stream())
