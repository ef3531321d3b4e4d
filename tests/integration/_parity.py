# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a table of tasks in several ways, as they are and as background jobs, and compares what came back."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import fnmatch
import functools
import typing as t

from ansible_collections.background.jobs.tests.integration._controller import Run

RUN = 'background.jobs.async_run'

# Of no two runs of a command the same: when it began and ended, and how long it took.
_CLOCK = {'start', 'end', 'delta'}
# What a job's result has beside the module's own.
_JOB = {'ansible_job_id', 'started', 'finished', 'job'}


class Part(str):
    """Equal to every string that it is a part of."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in str(other)


@dataclasses.dataclass(frozen=True)
class Case:
    """One line of the table."""

    id: str
    task: dict[str, t.Any]
    """A module and its arguments, as in a playbook."""
    shows: dict[str, t.Any]
    """Path -> what the synchronous result has there: proof that the task does what it is in the table for."""
    keywords: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    before: tuple[dict[str, t.Any], ...] = ()
    """Tasks that prepare it, run the same way each time."""
    after: tuple[dict[str, t.Any], ...] = ()
    """Tasks that take away what it leaves outside of the directory, likewise."""
    differs: dict[str, str] = dataclasses.field(default_factory=dict)
    """Path (a pattern) of what may differ -> the reason."""
    varies: dict[str, str] = dataclasses.field(default_factory=dict)
    """Path (a pattern) of what is never the same twice, so that only its type is compared -> the reason."""
    job: bool = True
    """Whether the task comes as far as a job."""

    def tasks(self, way: str, variable: str) -> list[dict[str, t.Any]]:
        """The case as tasks of a play. In keywords, THIS is the result.

        *way*: `sync`, as it is; `job`, by name; `async`, with the keyword alone, so that settings tell whose engine runs it.
        """
        task: dict[str, t.Any] = {RUN: {'task': self.task}} if way == 'job' else dict(self.task)
        if way != 'sync':
            task.update({'async': 600, 'poll': 1})
        keywords = {
            key: value.replace('THIS', variable) if isinstance(value, str) else value
            for key, value in self.keywords.items()
        }
        return [*self.before, {'name': f'{way}: {self.id}', **task, **keywords, 'register': variable}, *self.after]


@dataclasses.dataclass(frozen=True)
class Table:
    """Cases that run one after the other, in a directory (`dir`) of their own."""

    cases: c.Sequence[Case]

    def plays(self, ways: c.Sequence[str] = ('sync', 'job'), **keywords: t.Any) -> list[dict[str, t.Any]]:
        """A play for each of *ways*, alike but for that. Each finds its directory empty, and no facts."""
        return [
            {'ignore_errors': True, **keywords, 'tasks': self._tasks(way), 'handlers': self._handlers(way)}
            for way in ways
        ]

    def _tasks(self, way: str) -> list[dict[str, t.Any]]:
        return [
            {'meta': 'clear_facts'},
            {'shell': 'rm -rf {{ dir }} && mkdir -m 0777 {{ dir }}'},
            *(task for number, case in enumerate(self.cases) for task in case.tasks(way, f'{way}_{number}')),
        ]

    def _handlers(self, way: str) -> list[dict[str, t.Any]]:
        return Case('handler', {'command': 'echo handled'}, {}, {'listen': 'handler'}).tasks(way, f'{way}_handler')

    def check(self, case: Case, run: Run, host: str) -> None:
        """Raise AssertionError unless *case* came back the same both ways, but for the allowed differences."""
        sync, job = (self.registered(case, run, host, way) for way in ('sync', 'job'))
        shown = {path: find(sync, path) for path in case.shows}
        assert case.shows == shown, sync
        _check_job(case, job)
        _check_same(case, sync, job)
        before, after = (run.of(f'{way}: {case.id}', host) for way in ('sync', 'job'))
        assert [event.kind for event in after] == [event.kind for event in before]
        for mine, its in zip(before, after, strict=True):
            _check_same(case, mine.result, its.result)

    def registered(self, case: Case, run: Run, host: str, way: str) -> dict[str, t.Any]:
        """The result of *case* in a run of a play that went *way*."""
        variable = f'{way}_{self.cases.index(case)}'
        assert variable in run.registered[host], f'{case.id} ({way}) was not run on {host}:\n{run.output}'
        return run.registered[host][variable]


def _check_job(case: Case, registered: dict[str, t.Any]) -> None:
    for result in registered.get('results', [registered]) if case.job else []:
        assert result.keys() >= _JOB, result
        assert (result['started'], result['finished']) == (True, True)
        assert result['job']['id'] == result['ansible_job_id']


def _check_same(case: Case, sync: dict[str, t.Any], job: dict[str, t.Any]) -> None:
    found = different(sync, without_job(job), case.differs)
    assert not found, f'path: (synchronous, job) of what differs: {found}'


def different(
    one: dict[str, t.Any], other: dict[str, t.Any], allowed: dict[str, str], varies: c.Iterable[str] = ()
) -> dict[str, t.Any]:
    """Path -> both values, where they differ and no pattern of *allowed* says that they may.

    Of what a pattern of *varies* matches, the type is compared.
    """
    mine, its = leaves(one, varies), leaves(other, varies)
    found = {
        path: (mine.get(path, 'missing'), its.get(path, 'missing'))
        for path in sorted(mine.keys() | its.keys())
        if path not in mine or path not in its or (type(mine[path]), mine[path]) != (type(its[path]), its[path])
    }
    return {path: values for path, values in found.items() if not _matches(path, allowed)}


def without_job(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """*result* without what a job has beside the module's own result."""
    kept = {key: value for key, value in result.items() if key not in _JOB}
    if 'results' in kept:
        kept['results'] = [without_job(item) for item in kept['results']]
    return kept


def leaves(result: dict[str, t.Any], varies: c.Iterable[str] = ()) -> dict[str, t.Any]:
    """Path -> value of all that is compared of *result*: the type, if a pattern of *varies* matches the path."""
    return {path: type(value).__name__ if _matches(path, varies) else value for path, value in _flat(_timeless(result))}


def _matches(path: str, patterns: c.Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _timeless(value: t.Any) -> t.Any:
    """*value* without what belongs to ansible-core alone, moments replaced by their type: they have to be there."""
    if isinstance(value, dict):
        return {
            key: type(item).__name__ if key in _CLOCK else _timeless(item)
            for key, item in value.items()
            if not key.startswith('_ansible_')
        }
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def _flat(value: t.Any, path: str = '') -> c.Iterator[tuple[str, t.Any]]:
    """(path, value) of every leaf."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items or not value:
        yield path.lstrip('.'), value
    for key, item in items:
        yield from _flat(item, f'{path}.{key}')


def find(value: t.Any, path: str) -> t.Any:
    """What is at *path*, keys and positions with a dot between them."""
    return functools.reduce(
        lambda found, key: found[int(key)] if isinstance(found, list) else found[key], path.split('.'), value
    )
