# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Execution nodes: booted hosts where ansible-runner works on a part of the inventory, as this machine sends it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import sysconfig
import typing as t
from pathlib import Path

from ansible_collections.background.jobs.tests.integration._playing import Process, processes
from ansible_collections.background.jobs.tests.integration._targets import Target
from hosts import DEPLOY, Fleet

_PYTHON = '/opt/python/{}.{}'.format(*sys.version_info)
_ENVIRONMENT, _COLLECTIONS = '/opt/ansible', '/opt/collections'
_COLLECTION = f'{_COLLECTIONS}/ansible_collections/background/jobs'
NODE_DIRECTORIES = {
    _ENVIRONMENT: str(Path(sys.prefix).resolve()),
    _COLLECTION: str(Path(__file__).resolve().parents[2]),
}
"""What a host needs to be a node, beside the Python of the environment that these tests run in."""
_HOME = f'/home/{DEPLOY}'
_PATH = f'{_HOME}/ansible/bin'
_INSTALL = f"""
    test ! -e {_PATH}/ansible-runner || exit 0
    {_PYTHON}/bin/python3 -m venv --without-pip {_HOME}/ansible
    echo {_ENVIRONMENT}/{Path(sysconfig.get_path('purelib')).relative_to(sys.prefix)} \\
      >"$({_PATH}/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible.pth"
    for program in ansible-playbook ansible-runner; do
      sed '1s|.*|#!{_PATH}/python|' {_ENVIRONMENT}/bin/$program >{_PATH}/$program
      chmod +x {_PATH}/$program
    done
"""
_RUNNER = Path(sys.executable).parent / 'ansible-runner'
_DROP_IN = {
    'ANSIBLE_LIBRARY': f'{_COLLECTION}/plugins/modules',
    'ANSIBLE_ACTION_PLUGINS': f'{_COLLECTION}/plugins/action',
}
_LONG = 600
"""Seconds; longer than any of these runs."""


class Node:
    """A booted host with ansible-core, ansible-runner and the collection, and a part of the inventory."""

    def __init__(self, fleet: Fleet, host: str, directory: Path, targets: list[Target]) -> None:
        self._fleet = fleet
        self._host = host
        self._directory = directory
        self._targets = targets
        self.work = f'{_HOME}/{directory.parent.name}'
        """The directory of the run, on the node."""
        fleet.ssh(host, _INSTALL)

    def begin(self, tasks: list[dict[str, t.Any]], *, drop_in: bool = False) -> subprocess.Popen[bytes]:
        """Send the node *tasks*. The process is the one that takes the events; its end is the end of the run."""
        environment = {
            'PATH': f'{_PATH}:/usr/bin:/bin',
            'ANSIBLE_COLLECTIONS_PATH': _COLLECTIONS,
            'ANSIBLE_HOST_KEY_CHECKING': '0',
            **(_DROP_IN if drop_in else {}),
        }
        files = {
            'env/envvars': json.dumps(environment),
            'env/ssh_key': (self._fleet.state / 'id_ed25519').read_text(encoding='ascii'),
            'inventory/hosts.json': json.dumps({'all': {'hosts': {one.name: one.variables for one in self._targets}}}),
            'project/play.yml': json.dumps([{'hosts': 'all', 'gather_facts': False, 'tasks': tasks}]),
        }
        for name, content in files.items():
            path = self._directory / 'sent' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding='utf-8')
        worker = f'env {self._mark} {_PATH}/ansible-runner worker --private-data-dir {self.work}'
        command = (
            f'{_RUNNER} transmit {self._directory}/sent -p play.yml '
            f'| ssh -F {self._fleet.ssh_config} {DEPLOY}@{self._host} {shlex.quote(worker)} '
            f'| {_RUNNER} process {self._directory}/back >{self._directory}/output 2>&1'
        )
        return subprocess.Popen(
            ['sh', '-c', command], env={**os.environ, 'PATH': f'{_RUNNER.parent}:{os.environ["PATH"]}'}
        )

    @property
    def _mark(self) -> str:
        return f'NODE={self._fleet.id}-{self._host}{self.work}'

    def shell(self, command: str) -> str:
        """Run a command line on the node, without Ansible; what it prints."""
        return self._fleet.ssh(self._host, command).stdout

    def processes(self) -> list[Process]:
        """What runs on the node, as this machine sees it: the worker, its ansible, and the ssh-agent around it."""

        def may_be(command: list[str]) -> bool:
            return 'worker' in command or any(word.endswith(('/ansible-playbook', 'ssh-agent')) for word in command)

        return [process for process in processes(may_be) if process.has(self._mark)]

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
        """Task -> its result, after the end of the run; of several hosts, the last one's that did not skip it."""
        process.wait(_LONG)
        output = (self._directory / 'output').read_text(encoding='utf-8')
        assert self.has_ended(), output
        ends = [*self.events('runner_on_ok'), *self.events('runner_on_failed')]
        assert ends, output
        return {data['task']: data['res'] for data in ends}
