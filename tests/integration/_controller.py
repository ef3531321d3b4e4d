# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the Ansible of the environment that the tests run in, and brings back what it did."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml
from ansible_collections.background.jobs.tests.integration._targets import Target
from ansible_collections.background.jobs.tests.tools.screen import Screen

HERE = Path(__file__).resolve().parent
LIBRARY = f'{HERE}/targets/jobs/library:{HERE}/targets/jobs/shell_library'
"""Modules of every style; ansible-test wants those that are no Python in a folder of another name."""
CALM = '[defaults]\ninternal_poll_interval = 0.01\n'
"""The configuration of a controller: ansible-core looks for results 100 times a second instead of 1,000 times, which saves
up to a twentieth of a processor."""


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that was reported of a task: `ok`, `failed`, `retry`, `item_ok`, `async_poll`, ..."""

    kind: str
    host: str
    task: str
    result: dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that has ended."""

    rc: int
    output: str
    events: list[Event]
    registered: dict[str, dict[str, t.Any]]
    """Host -> variable -> what the task had registered in the end."""
    starts: list[str]
    """The host of each v2_runner_on_start."""

    def __getitem__(self, variable: str) -> dict[str, t.Any]:
        """What the only host that registered *variable* has in it."""
        found = [variables[variable] for variables in self.registered.values() if variable in variables]
        if len(found) != 1:
            raise KeyError(f'{variable!r} is registered by {len(found)} hosts:\n{self.output}')
        return found[0]

    def of(self, task: str, host: str | None = None) -> list[Event]:
        """The events of one task, in order, but for those of its polling."""
        return [event for event in self.results if event.task == task and host in (None, event.host)]

    @property
    def results(self) -> list[Event]:
        """The events but for those of polling."""
        return [event for event in self.events if not event.kind.startswith('async')]


class _Dumper(yaml.SafeDumper):
    """Writes playbooks as people do: what is used twice stands there twice."""

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


class Controller:
    """One controller with a home of its own; nothing of the user's Ansible settings is seen."""

    def __init__(
        self,
        directory: Path,
        collections: Path,
        inventory: Path | None = None,
        patience: float = 560,
        screen: Screen | None = None,
        configuration: str = CALM,
    ) -> None:
        self._directory = directory
        self._collections = collections
        self._inventory = inventory
        self._patience = patience  # seconds; less than pytest's, so that a run that hangs shows its output so far
        self._screen = screen  # of a person who has called Ansible there; what it says is then on the screen only
        self._configuration = directory / 'ansible.cfg'
        self._configuration.write_text(configuration, encoding='utf-8')

    def play(self, targets: c.Iterable[Target], *plays: dict[str, t.Any], **settings: str) -> Run:
        """Run *plays*, each on all *targets* unless it says otherwise; *settings* are ANSIBLE_ variables."""
        book = self.write('playbook.yml', [{'hosts': 'all', 'gather_facts': False, **play} for play in plays])
        return self._run('ansible-playbook', targets, [str(book)], settings)

    def write(self, name: str, content: list[dict[str, t.Any]]) -> Path:
        """Write a file beside the playbook, one of tasks say."""
        path = self._directory / name
        path.write_text(
            yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000), encoding='utf-8'
        )
        return path

    def streams(self, targets: c.Iterable[Target], play: dict[str, t.Any], **settings: str) -> tuple[str, str]:
        """Run *play* on all *targets*: its standard output and its standard error, each by itself."""
        book = self.write('playbook.yml', [{'hosts': 'all', 'gather_facts': False, **play}])
        hosts = {target.name: target.variables for target in targets}
        inventory = self._directory / 'inventory.yml'
        inventory.write_text(yaml.safe_dump(self._inventory_of(hosts)), encoding='utf-8')
        done = subprocess.run(
            [str(Path(sys.executable).parent / 'ansible-playbook'), str(book), '--inventory', str(inventory)],
            check=True,
            cwd=self._directory,
            env=self._environment(self._directory / 'record.json', settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding='utf-8',
            timeout=self._patience,
        )
        return done.stdout, done.stderr

    def adhoc(self, target: Target, *arguments: str, **settings: str) -> Run:
        """Run `ansible` on one target."""
        return self._run('ansible', [target], [target.name, *arguments], settings)

    def book(self, targets: c.Iterable[Target], book: Path | str, *arguments: str, **settings: str) -> Run:
        """Run a playbook that somebody else has written: a path, or the full name of one in a collection."""
        return self._run('ansible-playbook', targets, [str(book), *arguments], settings)

    def _run(self, program: str, targets: c.Iterable[Target], arguments: list[str], settings: dict[str, str]) -> Run:
        own = self._directory / 'inventory.yml'
        hosts = {target.name: target.variables for target in targets}
        own.write_text(yaml.safe_dump(self._inventory_of(hosts), sort_keys=False), encoding='utf-8')
        inventories = [str(path) for path in (self._inventory, own) if path]
        record = self._directory / 'record.json'
        record.unlink(missing_ok=True)
        command = [str(Path(sys.executable).parent / program), *arguments, '--limit', ','.join(hosts)]
        for path in inventories:
            command += ['--inventory', path]
        said = self._directory / 'output.txt'
        if self._screen:
            # A hang-up has to reach Ansible, also where these tests run under nohup.
            command = ['env', '--default-signal=HUP', 'setsid', '--ctty', '--wait', *command]
        with open(said, 'wb') as stream:
            done = subprocess.Popen(
                command,
                cwd=self._directory,
                env=self._environment(record, settings),
                stdin=self._screen.slave if self._screen else subprocess.DEVNULL,
                stdout=self._screen.slave if self._screen else stream,
                stderr=subprocess.STDOUT,
            )
            try:
                rc = done.wait(self._patience)
            except subprocess.TimeoutExpired:
                done.kill()
                rc = None
        output = said.read_text(encoding='utf-8', errors='replace')
        assert rc is not None, f'{program} hung:\n{output}'
        assert record.exists(), f'{program} did not come to its end:\n{output}'
        recorded = json.loads(record.read_text(encoding='ascii'))
        events = [Event(**event) for event in recorded['events']]
        return Run(rc, output, events, recorded['registered'], recorded['starts'])

    @property
    def branches(self) -> Path:
        """Where the jobs of this controller have their files."""
        return self._directory / 'branches'

    def _inventory_of(self, hosts: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
        return {'all': {'hosts': hosts, 'vars': {'background_jobs_controller_dir': str(self.branches)}}}

    def _environment(self, record: Path, settings: dict[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(('ANSIBLE_', 'PYTHON'))}
        own = {
            'COLLECTIONS_PATH': self._collections,
            'HOME': self._directory / 'home',
            'CONFIG': self._configuration,
            'LIBRARY': LIBRARY,
            'CALLBACK_PLUGINS': HERE / 'callback_plugins',
            'CONNECTION_PLUGINS': HERE / 'connection_plugins',
            'DOC_FRAGMENT_PLUGINS': HERE / 'doc_fragments',
            'CALLBACKS_ENABLED': 'recorder',
            'LOAD_CALLBACK_PLUGINS': '1',
            'NOCOLOR': '1',
            'LOCALHOST_WARNING': '0',
            'DEVEL_WARNING': '0',
            **settings,
        }
        return {
            **inherited,
            'LC_ALL': 'C.UTF-8',
            'TERM': 'xterm-256color',
            'BACKGROUND_JOBS_RECORD': str(record),
            **{f'ANSIBLE_{name}': str(value) for name, value in own.items()},
        }
