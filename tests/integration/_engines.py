# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the same plays with ansible-core's own async and with this collection in its place, and compares what users see."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import dataclasses
import json
import re
import typing as t
from pathlib import Path

from ansible_collections.background.jobs.tests.integration._controller import LIBRARY, Controller, Run
from ansible_collections.background.jobs.tests.integration._parity import different, find
from ansible_collections.background.jobs.tests.integration._targets import Target

_PLUGINS = Path(__file__).resolve().parents[2] / 'plugins'
DROP_IN = {'LIBRARY': f'{_PLUGINS}/modules:{LIBRARY}', 'ACTION_PLUGINS': f'{_PLUGINS}/action'}
"""The two settings."""
ENGINES: dict[str, dict[str, str]] = {'core': {}, 'drop-in': DROP_IN}
_PARTS = 3
MEANWHILE = ('retry', 'async_poll', 'async_ok', 'async_failed')
"""What is reported of a task before it ends."""
_MATTER_OF_TIME = ('retry', 'async_poll')
"""How often ansible-core looked, and asked again."""


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """Something that users see. In *tasks*, THIS begins the names of its own variables."""

    id: str
    tasks: c.Sequence[dict[str, t.Any]]
    shows: dict[str, t.Any]
    """Path, the variable first -> what is there with ansible-core's own: proof that the tasks do what they are for."""
    differs: dict[str, str] = dataclasses.field(default_factory=dict)
    """Path (a pattern) of what differs on purpose -> why."""

    def filled(self, prefix: str) -> list[dict[str, t.Any]]:
        tasks = [{**task, 'name': f'{self.id}: {number}'} for number, task in enumerate(self.tasks)]
        return t.cast(list[dict[str, t.Any]], json.loads(json.dumps(tasks).replace('THIS', prefix)))


class Comparison:
    """Both engines' runs of a table of behaviours, each on a host of its own."""

    def __init__(self, behaviours: c.Sequence[Behaviour], runs: dict[str, Run]) -> None:
        self._behaviours = behaviours
        self.runs = runs

    def check(self, behaviour: Behaviour) -> None:
        """Raise AssertionError unless both engines showed the same, but for what differs on purpose."""
        core, mine = (self._seen(behaviour, self.runs[engine]) for engine in ENGINES)
        shown = {path: find(core, path) for path in behaviour.shows}
        assert shown == behaviour.shows, core
        found = different(core, mine, {'*job': 'new', '*job.*': 'new', **behaviour.differs})
        assert not found, f'path: (ansible-core, drop-in) of what differs: {found}'

    def registered(self, engine: str, id: str) -> dict[str, t.Any]:
        """What the behaviour of this *id* registered with *engine*, without the beginning of its variables."""
        behaviour = next(behaviour for behaviour in self._behaviours if behaviour.id == id)
        return self._seen(behaviour, self.runs[engine])

    def _seen(self, behaviour: Behaviour, run: Run) -> dict[str, t.Any]:
        number = self._behaviours.index(behaviour)
        host = _part(number)
        prefix = _prefix(number)
        seen: dict[str, t.Any] = {
            name[len(prefix) + 1 :]: value for name, value in run.registered[host].items() if name.startswith(prefix)
        }
        assert seen, f'{behaviour.id} was not run:\n{run.output}'
        seen['events'] = [
            event.kind
            for event in run.events
            if event.host == host and event.task.startswith(f'{behaviour.id}: ') and event.kind not in _MATTER_OF_TIME
        ]
        return t.cast(dict[str, t.Any], _alike(seen))


def behave(
    controller: Controller,
    target: Target,
    engine: str,
    behaviours: c.Sequence[Behaviour],
    library: str,
    **keywords: t.Any,
) -> Run:
    """Run *behaviours*; *library*: of modules of the test, *keywords*: of the play."""
    parts: dict[str, list[dict[str, t.Any]]] = {}
    for number, behaviour in enumerate(behaviours):
        parts.setdefault(_part(number), []).extend(behaviour.filled(_prefix(number)))
    settings = {'LIBRARY': LIBRARY, **ENGINES[engine], 'PIPELINING': '1'}
    settings['LIBRARY'] += f':{library}'
    play = side_by_side(controller, parts, ignore_errors=True, **keywords)
    return controller.play([target.also(part) for part in parts], play, **settings)


def side_by_side(
    controller: Controller, tasks: dict[str, list[dict[str, t.Any]]], **keywords: t.Any
) -> dict[str, t.Any]:
    """A play in which each host runs its own *tasks*, and waits for no other. They are in files beside the playbook."""
    for host, own in tasks.items():
        controller.write(f'{host}.yml', own)
    return {'strategy': 'free', **keywords, 'tasks': [{'include_tasks': '{{ inventory_hostname }}.yml'}]}


def at_once(runs: dict[str, c.Callable[[], Run]]) -> dict[str, Run]:
    """The results of all *runs*, under way at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
        under_way = {name: pool.submit(run) for name, run in runs.items()}
    return {name: future.result() for name, future in under_way.items()}


def _prefix(number: int) -> str:
    return f'behaviour_{number}_'


def _part(number: int) -> str:
    return f'part{number % _PARTS}'


def _alike(value: t.Any) -> t.Any:
    """*value* without what no two runs have in common: ids, pids, and names of temporary files."""
    if isinstance(value, dict):
        return {key: _alike(item) for key, item in value.items() if key not in ('attempts', 'child_pid')}
    if isinstance(value, list):
        return [_alike(item) for item in value]
    if isinstance(value, str):
        value = re.sub(r'j[0-9]+\.[0-9]+', 'JID', value)
        return re.sub(r'ansible-tmp-[0-9.-]+', 'TMP', value)
    return value
