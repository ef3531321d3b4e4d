# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of parked hosts share."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

from ansible_collections.background.jobs.tests.integration._controller import Run
from ansible_collections.background.jobs.tests.integration._playing import (
    Meeting,
    Playing,
    eventually,
    processes,
    shell,
)
from ansible_collections.background.jobs.tests.integration._targets import Target
from hosts import Fleet

Many = c.Callable[[int], list[Target]]

LONG = 600  # seconds, of jobs that end before by themselves
NEXT = {'name': 'next', 'ansible.builtin.debug': {'msg': 'x'}}


def job_of(command: str, **keywords: t.Any) -> dict[str, t.Any]:
    return {'name': 'job', **shell(command), 'async': LONG, 'poll': 2, 'register': 'r', **keywords}


def why_not_parked(run: Run) -> set[str]:
    """The reasons why hosts were not parked, in a run of verbosity 3."""
    return set(re.findall(r'this host is not parked: (.*)', run.output))


def parked(run: Run) -> int:
    """How often a host was parked, in a run of verbosity 3."""
    return len(re.findall(r'this host is parked until ', run.output))


def all_parked(playing: Playing, hosts: int) -> t.Callable[[], bool]:
    """Whether nothing but the main process and the room, with its requests, is left, and all hosts wait."""
    return lambda: len(playing.parked()) == hosts and len(playing.processes()) == 2 and playing.room() is not None


def await_parked(playing: Playing, hosts: int, meeting: Meeting) -> None:
    """Wait until the jobs of that many hosts have come to *meeting*, and all of these hosts are parked."""
    parked_now = all_parked(playing, hosts)
    eventually(lambda: len(meeting.came()) == hosts and parked_now(), f'{hosts} hosts are parked')


def masters(fleet: Fleet) -> set[int]:
    """The pids of the master connections of ssh to *fleet*."""
    title = f'ssh: {fleet.inventory.parent}/'
    return {process.pid for process in processes() if process.command[0].startswith(title)}
