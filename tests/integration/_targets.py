# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What jobs run on: booted hosts, this machine, and the Pythons that they have."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import subprocess
import typing as t
from pathlib import Path

import ansible.release
import yaml
from ansible_collections.background.jobs.tests.tools.pythons import interpreters
from hosts import DEPLOY, Fleet, HostsError

CORE = tuple(int(number) for number in ansible.release.__version__.split('.')[:2])

# The oldest and the newest Python of a target, as the support matrix of ansible-core has them.
_SUPPORTED: dict[tuple[int, ...], tuple[tuple[int, ...], tuple[int, ...]]] = {
    (2, 16): ((3, 6), (3, 12)),
    (2, 17): ((3, 7), (3, 12)),
    (2, 18): ((3, 8), (3, 13)),
    (2, 19): ((3, 8), (3, 13)),
    (2, 20): ((3, 9), (3, 14)),
    (2, 21): ((3, 9), (3, 14)),
    (2, 22): ((3, 9), (3, 15)),
}


@dataclasses.dataclass(frozen=True)
class Target:
    """A host of the inventory."""

    name: str
    variables: dict[str, t.Any]
    """Its own, beside those of the fleet that it belongs to."""
    shell: c.Callable[..., str]
    """A command line -> what it prints there, without Ansible; for a fleet's host also `user`."""
    async_dir: str = '~/.ansible_async'

    def jobs(self) -> list[str]:
        """The ids of the jobs that there are files of."""
        return self.shell(
            f"find {self.async_dir}/.jobs -maxdepth 1 -name 'j[0-9]*' -printf '%f\\n' 2>/dev/null || true"
        ).split()

    def reached(self) -> bool:
        """Whether the host answers at all."""
        try:
            self.shell('true')
        except HostsError:
            return False
        return True

    def also(self, name: str, **variables: t.Any) -> Target:
        """The same host under another name, with more variables."""
        return dataclasses.replace(self, name=name, variables={**self.variables, **variables})


@functools.cache
def target_pythons() -> dict[str, str]:
    """Version -> installation prefix of this machine's Pythons that this ansible-core supports on targets."""
    oldest, newest = _SUPPORTED[CORE]
    return {
        '.'.join(map(str, found.version)): found.prefix for found in interpreters() if oldest <= found.version <= newest
    }


def fleet_targets(fleet: Fleet) -> list[Target]:
    """The hosts of a fleet that is up, reached over ssh as an ordinary user who may use sudo."""
    inventory = yaml.safe_load(fleet.inventory.read_text(encoding='utf-8'))
    machines = inventory['all']['children']['machines']['hosts']
    return [Target(name, variables, functools.partial(_remote, fleet, name)) for name, variables in machines.items()]


def _remote(fleet: Fleet, name: str, command: str, user: str = DEPLOY) -> str:
    return fleet.ssh(name, command, user=user).stdout


def local_target(name: str, directory: Path, python: str) -> Target:
    """This machine by the local connection, as a target that leaves nothing outside *directory*."""
    variables = {
        'ansible_connection': 'local',
        'ansible_python_interpreter': python,
        'ansible_async_dir': str(directory / 'async'),
        'ansible_remote_tmp': str(directory / 'remote'),
    }
    return Target(name, variables, _local, str(directory / 'async'))


def _local(command: str) -> str:
    return subprocess.run(['sh', '-c', command], check=True, stdout=subprocess.PIPE, encoding='utf-8').stdout
