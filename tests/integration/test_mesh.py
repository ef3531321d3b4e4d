# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-runner in its three parts: what one machine sends, booted hosts run, each with a part of the inventory."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.background.jobs.tests.integration._nodes import Node
from ansible_collections.background.jobs.tests.integration._playing import RUN, eventually, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target
from hosts import Fleet

LONG = 600
"""Seconds; longer than any of these runs."""
WAIT, CANCEL = 'background.jobs.async_wait', 'background.jobs.async_cancel'
BUILDER = Path(__file__).resolve().parents[2] / '.venv/tools/bin/ansible-builder'


@pytest.fixture
def gate(tmp_path: Path) -> str:
    """On each target, what the jobs of the test wait for."""
    return f'/tmp/{tmp_path.name}.gate'


@pytest.fixture
def nodes(fleet: Fleet, hosts: list[Target], tmp_path: Path) -> list[Node]:
    """Two booted hosts: each has itself as its own part of the inventory, and both have `shared`, the second one."""
    common = {
        'ansible_user': 'deploy',
        'ansible_python_interpreter': '/usr/bin/python3',
        'ansible_async_dir': f'~/.{tmp_path.name}',
    }
    shared = hosts[1].also('shared', **common)
    return [Node(fleet, host.name, tmp_path / host.name, [host.also(host.name, **common), shared]) for host in hosts]


@pytest.mark.any_core
@pytest.mark.parametrize('drop_in', [False, True], ids=['by name', 'drop-in'])
def test_each_node_has_a_part_of_the_inventory(
    nodes: list[Node], hosts: list[Target], gate: str, drop_in: bool
) -> None:
    command = {'ansible.builtin.shell': f'{until_there(gate)}; echo {{{{ inventory_hostname }}}} on $(hostname)'}
    work = command if drop_in else {RUN: {'task': command}}
    task = {'name': 'work', **work, 'async': LONG, 'poll': 1, 'when': 'inventory_hostname != "shared"'}
    runs = [node.begin([task], drop_in=drop_in) for node in nodes]
    try:
        for node in nodes:
            eventually(functools.partial(node.events, 'runner_on_async_poll'), 'events come while the job runs')
    finally:
        for host in hosts:
            host.shell(f'touch {gate}')
    for host, node, run in zip(hosts, nodes, runs, strict=True):
        result = node.results(run)['work']
        assert result['stdout'] == f'{host.name} on {host.name}'
        polls = node.events('runner_on_async_poll')
        assert {event['jid'] for event in polls} == {result['ansible_job_id']}
        assert {event['res']['job']['state'] for event in polls} == {'running'}
        assert result['job']['state'] == 'succeeded'


@pytest.mark.any_core
def test_a_node_waits_for_and_cancels_what_another_has_started(nodes: list[Node], gate: str) -> None:
    only = {'when': 'inventory_hostname == "shared"'}
    first = {'ansible.builtin.shell': f'{until_there(gate)}; echo done'}
    starts = [
        {'name': 'upgrade', RUN: {'name': 'upgrade', 'task': first}, 'async': LONG, 'poll': 0, **only},
        {'name': 'endless', RUN: {'name': 'endless', 'cmd': f'sleep {LONG}'}, 'async': LONG, 'poll': 0, **only},
    ]
    nodes[0].results(nodes[0].begin(starts))
    ends = [
        {'name': 'cancel', CANCEL: {'jobs': 'endless'}, **only},
        {'name': 'open', 'ansible.builtin.file': {'path': gate, 'state': 'touch'}, **only},
        {'name': 'wait', WAIT: {'jobs': 'upgrade'}, **only},
    ]
    results = nodes[1].results(nodes[1].begin(ends))
    assert [job['state'] for job in results['cancel']['jobs']] == ['cancelled'], results['cancel']
    assert results['wait']['jobs'][0]['stdout'] == 'done'


@pytest.mark.any_core
def test_a_worker_that_is_killed_leaves_jobs_which_the_next_run_attaches_to(
    nodes: list[Node], hosts: list[Target], gate: str
) -> None:
    job = {'ansible.builtin.shell': f'echo begun >> {gate}.begun; {until_there(gate)}; echo done'}
    only = {'when': 'inventory_hostname == "shared"'}
    work = {'name': 'work', RUN: {'name': 'upgrade', 'task': job}, 'async': LONG, 'poll': 1, **only}
    run = nodes[0].begin([work])
    try:
        eventually(lambda: nodes[0].events('runner_on_async_poll'), 'the job runs')
        for process in nodes[0].processes():
            if 'worker' in process.command:
                os.kill(process.pid, signal.SIGKILL)
        run.wait(LONG)
        assert not nodes[0].has_ended()
        assert 'play.yml' in nodes[0].shell(f'ls {nodes[0].work}/project'), 'what was sent is left'
        again = nodes[1].begin([work])
        eventually(lambda: nodes[1].events('runner_on_async_poll'), 'the other node waits for the job')
    finally:
        hosts[1].shell(f'touch {gate}')
        left = nodes[0].processes()
        for process in left:
            os.kill(process.pid, signal.SIGKILL)
    programs = ' '.join(word for process in left for word in process.command)
    assert 'ssh-agent' in programs, 'with the key'
    assert '/ansible-playbook' in programs
    assert nodes[1].results(again)['work']['stdout'] == 'done'
    assert hosts[1].shell(f'cat {gate}.begun') == 'begun\n'


@pytest.mark.any_core
@pytest.mark.skipif(not BUILDER.exists(), reason='ansible-builder is in the environment for tools only')
def test_an_execution_environment_needs_nothing_more(collections_path: Path) -> None:
    command = [str(BUILDER), 'introspect', str(collections_path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding='utf-8')
    assert yaml.safe_load(done.stdout) == {'python': [], 'system': []}
