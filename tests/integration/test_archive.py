# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users get is the archive: its playbooks are called by their full names, from where ansible-galaxy puts them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._playing import RUN, until_there
from ansible_collections.background.jobs.tests.integration._targets import Target

ROOT = Path(__file__).resolve().parents[2]
GALAXY = Path(sys.executable).parent / 'ansible-galaxy'
_BOOKS = ('cancel.yml', 'follow.yml', 'jobs.yml', 'prune.yml')


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A path of collections that has nothing but the archive of this checkout."""
    environment = {'HOME': str(tmp_path), 'PATH': '/usr/bin:/bin', 'LC_ALL': 'C.UTF-8'}

    def galaxy(*arguments: str) -> None:
        done = subprocess.run(
            [str(GALAXY), 'collection', *arguments],
            check=False,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding='utf-8',
        )
        assert done.returncode == 0, done.stdout

    galaxy('build', '--output-path', str(tmp_path / 'archive'))
    (archive,) = (tmp_path / 'archive').glob('*.tar.gz')
    galaxy('install', str(archive), '--offline', '--collections-path', str(tmp_path / 'installed'))
    return tmp_path / 'installed'


@pytest.mark.any_core
def test_the_playbooks_of_the_archive(installed: Path, tmp_path: Path, local: Target) -> None:
    collection = installed / 'ansible_collections/background/jobs'
    assert sorted(path.name for path in (collection / 'playbooks').iterdir()) == sorted(_BOOKS)
    controller = Controller(tmp_path, installed)
    gate = tmp_path / 'gate'
    task = {'ansible.builtin.shell': f'echo begun; {until_there(gate)}'}
    start = {RUN: {'name': 'upgrade', 'task': task}, 'async': 600, 'poll': 0}
    assert controller.play([local], {'tasks': [start]}).rc == 0

    def shown(book: str, *options: str) -> str:
        run = controller.book([local], f'background.jobs.{book}', '--extra-vars', ' '.join(('columns=0', *options)))
        assert run.rc == 0, run.output
        return run.output

    try:
        assert re.search(r'^local +upgrade +running .*begun$', shown('jobs'), re.MULTILINE)
        shown('cancel', 'name=upgrade', 'confirm=yes')
    finally:
        gate.touch()
    assert re.search(r'^local +upgrade +cancelled ', shown('follow', 'name=upgrade'), re.MULTILINE)
    shown('prune', 'older_than=0', 'confirm=yes')
    assert local.jobs() == []
