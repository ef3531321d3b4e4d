# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of parked hosts share."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.background.jobs.tests.integration._controller import Run
from ansible_collections.background.jobs.tests.integration._playing import Playing, Process, processes, shell
from hosts import Fleet

LONG = 100  # seconds, of jobs that end before by themselves
NEXT = {'name': 'next', 'ansible.builtin.debug': {'msg': 'x'}}


def job_of(command: str, **keywords: t.Any) -> dict[str, t.Any]:
    return {'name': 'job', **shell(command), 'async': LONG, 'poll': 2, 'register': 'r', **keywords}


def kinds(run: Run, task: str) -> dict[str, str]:
    """Host -> how its task ended."""
    return {event.host: event.kind for event in run.of(task) if not event.kind.startswith(('item', 'retry'))}


def why_not_parked(run: Run) -> set[str]:
    """The reasons why hosts were not parked, in a run of verbosity 3."""
    return set(re.findall(r'this host is not parked: (.*)', run.output))


def parked(run: Run) -> int:
    """How often a host was parked, in a run of verbosity 3."""
    return len(re.findall(r'this host is parked until ', run.output))


def all_parked(playing: Playing, hosts: int) -> t.Callable[[], bool]:
    """Whether nothing but the main process and the room, with its requests, is left, and all hosts wait."""
    return lambda: len(playing.parked()) == hosts and len(playing.processes()) == 2 and playing.room() is not None


def new_room(playing: Playing, old: set[int]) -> Process | None:
    room = playing.room()
    return None if room is None or room.pid in old else room


def masters(fleet: Fleet) -> set[int]:
    """The pids of the master connections of ssh to *fleet*."""
    title = f'ssh: {fleet.inventory.parent}/'
    return {process.pid for process in processes() if process.command[0].startswith(title)}
