# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Together with what others put around ansible-core: mitogen's strategy, and ansible-runner."""

from __future__ import annotations

import importlib.util
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._engines import DROP_IN
from ansible_collections.background.jobs.tests.integration._targets import Target

RUN = 'background.jobs.async_run'
WAIT = 'background.jobs.async_wait'
STATUS = 'background.jobs.async_status'


def mitogen(controller: Controller, targets: list[Target], *tasks: dict[str, t.Any], **settings: str) -> Run:
    """Run *tasks* under mitogen's strategy."""
    found = importlib.util.find_spec('ansible_mitogen')
    assert found and found.origin
    strategies = Path(found.origin).parent / 'plugins/strategy'
    who = {'shell': "tr '\\0' ' ' < /proc/$PPID/cmdline", 'register': 'who'}
    play = {'strategy': 'mitogen_linear', 'tasks': [who, *tasks]}
    run = controller.play(targets, play, STRATEGY_PLUGINS=str(strategies), **settings)
    assert 'mitogen:' in run['who']['stdout']  # and no plain module run
    return run


@pytest.mark.hosts
def test_by_name_under_mitogen(controller: Controller, hosts: list[Target]) -> None:
    gate = '/tmp/interplay.gate'
    hosts[0].shell(f'rm -f {gate}')
    run = mitogen(
        controller,
        [hosts[0]],
        {RUN: {'cmd': 'echo polled'}, 'async': 60, 'poll': 10, 'register': 'polled'},
        {RUN: {'cmd': 'whoami'}, 'become': True, 'register': 'root'},
        {
            RUN: {'task': {'shell': f'until [ -e {gate} ]; do sleep 0.1; done; echo fired'}},
            'async': 60,
            'poll': 0,
            'register': 'fired',
        },
        {STATUS: {'jid': '{{ fired.ansible_job_id }}'}, 'register': 'status'},
        {'file': {'path': gate, 'state': 'touch', 'mode': '0600'}},
        {WAIT: {'jobs': '{{ fired }}'}, 'register': 'waited'},
        {'name': 'Build', RUN: {'task': {'shell': 'echo alive; sleep 1; echo done'}, 'follow': True}},
        VERBOSITY='0',
    )
    assert run.rc == 0, run.output
    assert run['polled']['stdout'] == 'polled'
    assert run['root']['stdout'] == 'root'
    assert run['status']['job']['state'] == 'running'
    assert run['waited']['jobs'][0]['stdout'] == 'fired'
    for line in ('alive', 'done'):
        assert f'{hosts[0].name} | Build | {line}\n' in run.output
