# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-runner in its three parts: what one machine sends, workers run, each with a part of the inventory."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.background.jobs.tests.integration._engines import DROP_IN
from ansible_collections.background.jobs.tests.integration._playing import (
    RUN,
    Process,
    eventually,
    processes,
    until_there,
)
from ansible_collections.background.jobs.tests.integration._targets import Target, local_target

LONG = 600
"""Seconds; longer than any of these runs."""
WAIT, CANCEL = 'background.jobs.async_wait', 'background.jobs.async_cancel'
BUILDER = Path(__file__).resolve().parents[2] / '.venv/tools/bin/ansible-builder'
RUNNER = Path(sys.executable).parent / 'ansible-runner'


class Node:
    """A worker with a directory of its own, and what it is sent."""

    def __init__(self, directory: Path, collections: Path, targets: list[Target]) -> None:
        self._directory = directory
        self._hosts = {target.name: target.variables for target in targets}
        self._environment = {
            'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
            'ANSIBLE_COLLECTIONS_PATH': str(collections),
            'ANSIBLE_HOME': str(directory / 'home'),
        }

    def begin(self, tasks: list[dict[str, t.Any]], **settings: str) -> subprocess.Popen[bytes]:
        """Send the worker *tasks*. The process is the one that takes the events; its end is the end of the run."""
        environment = {**self._environment, **{f'ANSIBLE_{name}': value for name, value in settings.items()}}
        files = {
            'env/envvars': environment,
            'inventory/hosts.json': {'all': {'hosts': self._hosts}},
            'project/play.yml': [{'hosts': 'all', 'gather_facts': False, 'tasks': tasks}],
        }
        for name, content in files.items():
            path = self._directory / 'sent' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content), encoding='utf-8')
        sent, back = self._directory / 'sent', self._directory / 'back'
        command = (
            f'{RUNNER} transmit {sent} -p play.yml | {RUNNER} worker --private-data-dir {self._directory}/work '
            f'| {RUNNER} process {back} >{self._directory}/output 2>&1'
        )
        return subprocess.Popen(['sh', '-c', command], env={**os.environ, **environment})

    def processes(self) -> list[Process]:
        """What runs on the node: the worker, and its ansible."""
        mark = f'ANSIBLE_HOME={self._environment["ANSIBLE_HOME"]}'

        def may_be(command: list[str]) -> bool:
            return 'worker' in command or any(word.endswith('/ansible-playbook') for word in command)

        return [process for process in processes(may_be) if process.has(mark)]

    def events(self, kind: str) -> list[dict[str, t.Any]]:
        """What has come back so far of the events of one *kind*, in order."""
        found = []
        for path in (self._directory / 'back').glob('artifacts/job_events/*[0-9a-f].json'):
            with contextlib.suppress(json.JSONDecodeError):  # it is being written
                event = json.loads(path.read_text(encoding='utf-8'))
                if event['event'] == kind:
                    found.append(event)
        return [event['event_data'] for event in sorted(found, key=lambda event: event['counter'])]

    def has_ended(self) -> bool:
        """Whether the worker has told how its run ended."""
        return (self._directory / 'back/artifacts/rc').exists()

    def results(self, process: subprocess.Popen[bytes]) -> dict[str, dict[str, t.Any]]:
        """Task -> its result, after the end of the run."""
        process.wait(LONG)
        output = (self._directory / 'output').read_text(encoding='utf-8')
        assert self.has_ended(), output
        ends = [*self.events('runner_on_ok'), *self.events('runner_on_failed')]
        assert ends, output
        return {data['task']: data['res'] for data in ends}


@pytest.fixture
def nodes(tmp_path: Path, collections_path: Path) -> list[Node]:
    """Two workers, of which each has a host of its own, and both have `shared`."""
    shared = local_target('shared', tmp_path / 'shared', sys.executable)
    found = []
    for number in (1, 2):
        own = local_target(f'h{number}', tmp_path / f'h{number}', sys.executable)
        found.append(Node(tmp_path / f'node{number}', collections_path, [own, shared]))
    return found


@pytest.mark.any_core
@pytest.mark.parametrize('settings', [{}, DROP_IN], ids=['by name', 'drop-in'])
def test_each_node_has_a_part_of_the_inventory(nodes: list[Node], tmp_path: Path, settings: dict[str, str]) -> None:
    command = {'ansible.builtin.shell': f'{until_there(tmp_path / "gate")}; echo {{{{ inventory_hostname }}}}'}
    work = command if settings else {RUN: {'task': command}}
    task = {'name': 'work', **work, 'async': LONG, 'poll': 1, 'when': 'inventory_hostname != "shared"'}
    runs = [node.begin([task], **settings) for node in nodes]
    try:
        for node in nodes:
            eventually(functools.partial(node.events, 'runner_on_async_poll'), 'events come while the job runs')
    finally:
        (tmp_path / 'gate').touch()
    for number, (node, run) in enumerate(zip(nodes, runs, strict=True), start=1):
        result = node.results(run)['work']
        assert result['stdout'] == f'h{number}'
        jids = {event['jid'] for event in node.events('runner_on_async_poll')}
        assert jids == {result['ansible_job_id']}


@pytest.mark.any_core
def test_a_node_waits_for_and_cancels_what_another_has_started(nodes: list[Node], tmp_path: Path) -> None:
    only = {'when': 'inventory_hostname == "shared"'}
    first = {'ansible.builtin.shell': f'{until_there(tmp_path / "gate")}; echo done'}
    starts = [
        {'name': 'upgrade', RUN: {'name': 'upgrade', 'task': first}, 'async': LONG, 'poll': 0, **only},
        {'name': 'endless', RUN: {'name': 'endless', 'cmd': f'sleep {LONG}'}, 'async': LONG, 'poll': 0, **only},
    ]
    nodes[0].results(nodes[0].begin(starts))
    (tmp_path / 'gate').touch()
    ends = [
        {'name': 'wait', WAIT: {'jobs': 'upgrade'}, **only},
        {'name': 'cancel', CANCEL: {'jobs': 'endless'}, **only},
    ]
    results = nodes[1].results(nodes[1].begin(ends))
    assert results['wait']['jobs'][0]['stdout'] == 'done'
    assert [job['state'] for job in results['cancel']['jobs']] == ['cancelled'], results['cancel']


@pytest.mark.any_core
def test_a_worker_that_is_killed_leaves_jobs_which_the_next_run_attaches_to(nodes: list[Node], tmp_path: Path) -> None:
    job = {'ansible.builtin.shell': f'echo begun >> {tmp_path}/begun; {until_there(tmp_path / "gate")}; echo done'}
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
        again = nodes[1].begin([work])
        eventually(lambda: nodes[1].events('runner_on_async_poll'), 'another node waits for the job')
    finally:
        (tmp_path / 'gate').touch()
        left = nodes[0].processes()
        for process in left:
            os.kill(process.pid, signal.SIGKILL)
    assert left, 'the ansible of the worker is left'
    assert nodes[1].results(again)['work']['stdout'] == 'done'
    assert (tmp_path / 'begun').read_text(encoding='utf-8') == 'begun\n'


@pytest.mark.any_core
@pytest.mark.skipif(not BUILDER.exists(), reason='ansible-builder is in the environment for tools only')
def test_an_execution_environment_needs_nothing_more(collections_path: Path) -> None:
    command = [str(BUILDER), 'introspect', str(collections_path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding='utf-8')
    assert yaml.safe_load(done.stdout) == {'python': [], 'system': []}
