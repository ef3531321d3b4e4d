# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every block of YAML in the README and in docs runs on a booted host as it stands there.

A playbook runs alone, and tasks run in a play around them. A block that names its file in its first comment is a part
of a project: all those of a page are laid out, and its playbooks run from there, in the order of the page.

What stands in for something that a test host does not have is listed in PROGRAMS and STAND_INS, and nothing else is.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import re
import shlex
import textwrap
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._targets import Target

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
_FENCED = re.compile(r'^```yaml\n(.*?)^```$', re.DOTALL | re.MULTILINE)
_FILE = re.compile(r'---\n# ([\w./-]+\.yml)\n')

# What the pages run on hosts of their readers, and a Debian with nothing on it does not have.
PROGRAMS = {
    '/usr/local/bin/backup': 'sleep 1; echo backup written',
    '/usr/local/bin/chat': 'cat > /dev/null',
    '/usr/local/bin/make': 'echo "compiling $@"; sleep 1; echo "unused variable" >&2; sleep 1; echo "linking $@"',
}

# The test hosts have no package mirror, and not the bindings that the modules for packages need: an upgrade cannot be
# had. Nor can downloads, and the services of others. The module that stands in for them takes any arguments, and changes
# nothing. The hosts share the kernel of this machine, whose controllers may belong to cgroup v1: test_resources.py tries
# limits that need them.
STAND_INS = {
    **{f'ansible.builtin.{name}:': 'upgraded:' for name in ('apt', 'dnf', 'get_url', 'service')},
    'memory: 2G, cpu: 50%, tasks: 200, ': '',
}


@dataclasses.dataclass(frozen=True)
class Block:
    """One block of YAML in a page."""

    page: Path
    line: int
    text: str

    @property
    def id(self) -> str:
        return f'{self.page.stem}-{self.line}'

    @property
    def file(self) -> str | None:
        """The file of a project that it is, if it says so."""
        named = _FILE.match(self.text)
        return named[1] if named else None

    def content(self) -> t.Any:
        return yaml.safe_load(self.text)

    def is_playbook(self) -> bool:
        return self._begins_with('hosts')

    def is_tasks(self) -> bool:
        return not self.is_playbook() and self._begins_with('name')

    def _begins_with(self, key: str) -> bool:
        content = self.content()
        return isinstance(content, list) and isinstance(content[0], dict) and key in content[0]


def _blocks() -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding='utf-8')
        for match in _FENCED.finditer(text):
            found.append(Block(page, text.count('\n', 0, match.start()) + 1, match[1]))
    return found


BLOCKS = _blocks()
ALONE = [block for block in BLOCKS if not block.file and (block.is_playbook() or block.is_tasks())]
PROJECTS = sorted({block.page for block in BLOCKS if block.file})


@pytest.fixture(scope='module')
def host(hosts: list[Target]) -> Target:
    """A host with the programs that the pages use."""
    for path, script in PROGRAMS.items():
        install = f'printf %s {shlex.quote(f"#!/bin/sh{chr(10)}{script}{chr(10)}")} >{path} && chmod 755 {path}'
        hosts[0].shell(install, user='root')
    return hosts[0]


def _task_names(content: list[dict[str, t.Any]]) -> c.Iterator[str]:
    """The names of all tasks of a playbook or of a list of tasks."""
    for entry in content:
        inner = [entry[key] for key in ('tasks', 'block', 'rescue', 'always') if key in entry]
        for tasks in inner:
            yield from _task_names(tasks)
        if not inner:
            yield entry['name']


def _runnable(block: Block) -> str:
    """The block as a playbook."""
    text = block.text
    if block.is_tasks():
        text = f'- hosts: all\n  gather_facts: false\n  tasks:\n{textwrap.indent(text, "    ")}'
    for original, stand_in in STAND_INS.items():
        text = text.replace(original, stand_in)
    return text


@pytest.mark.any_core
@pytest.mark.hosts
@pytest.mark.parametrize('block', ALONE, ids=lambda block: block.id)
def test_what_a_page_shows_runs(block: Block, controller: Controller, host: Target, tmp_path: Path) -> None:
    """All its tasks do. Each has job files of its own, so that no name or queue is in the way of another's."""
    target = host.also(host.name, ansible_async_dir=f'~/.docs/{block.id}')
    book = tmp_path / 'book.yml'
    book.write_text(_runnable(block), encoding='utf-8')
    run = controller.book([target], book)
    assert run.rc == 0, run.output
    shown = set(_task_names(block.content()))
    assert shown == {event.task for event in run.events}, run.output


@pytest.mark.any_core
@pytest.mark.hosts
@pytest.mark.parametrize('page', PROJECTS, ids=lambda page: page.stem)
def test_the_project_of_a_page_runs(
    page: Path, controller: Controller, host: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As molecule runs it: the project is a role, which its playbooks find by this variable."""
    monkeypatch.setenv('MOLECULE_PROJECT_DIRECTORY', str(tmp_path / 'project'))
    target = host.also(host.name, ansible_async_dir=f'~/.docs/{page.stem}')
    books = []
    for part in [block for block in BLOCKS if block.page == page and block.file]:
        path = tmp_path / 'project' / str(part.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(part.text, encoding='utf-8')
        books += [path] if part.is_playbook() else []
    assert books
    for book in books:
        run = controller.book([target], book)
        assert run.rc == 0, run.output
