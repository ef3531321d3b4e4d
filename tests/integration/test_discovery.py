# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A target whose Python nobody has named: it is looked for once, by whichever action comes first."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Run
from ansible_collections.background.jobs.tests.integration._targets import Target

RUN = 'background.jobs.async_run'
JOB = '{{ started.ansible_job_id }}'

# What is registered -> the action that comes first in a play.
ACTIONS: dict[str, dict[str, t.Any]] = {
    'started': {RUN: {'cmd': 'true'}, 'poll': 0},
    'waited': {'background.jobs.async_wait': {'jobs': JOB}},
    'status': {'background.jobs.async_status': {'jid': JOB}},
    'info': {'background.jobs.async_info': {}},
    'cancel': {'background.jobs.async_cancel': {'jobs': JOB}},
    'prune': {'background.jobs.async_prune': {}},
    'cleanup': {'background.jobs.async_status': {'jid': JOB, 'mode': 'cleanup'}},
    'polled': {RUN: {'cmd': 'true'}, 'poll': 1},
    'many_started': {RUN: {'tasks': [{'command': 'true'}, {'command': 'true'}]}, 'poll': 0},
    'many_polled': {RUN: {'tasks': [{'command': 'true'}, {'command': 'true'}]}, 'poll': 1},
}


@pytest.mark.hosts
def test_the_interpreter_is_discovered_once(play: c.Callable[..., Run], hosts: list[Target]) -> None:
    target = hosts[0].also('auto', ansible_python_interpreter='auto')
    firsts = [{**task, 'register': name} for name, task in ACTIONS.items()]
    forgotten = [task for first in firsts for task in (first, {'meta': 'clear_facts'})]
    known = {'background.jobs.async_info': {}, 'register': 'known'}
    run = play(target, *forgotten, known, {**known, 'register': 'again'})
    assert run.rc == 0, run.output
    for name in (*ACTIONS, 'known'):
        assert run[name]['ansible_facts']['discovered_interpreter_python'].startswith('/usr/bin/python3'), name
    assert 'ansible_facts' not in run['again']
