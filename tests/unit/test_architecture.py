# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which package may import which, and that docs/architecture.md names every one of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs/architecture.md').read_text(encoding='utf-8')
RUNTIME = ROOT / 'plugins/module_utils/_runtime'
CONTROLLER = ROOT / 'plugins/plugin_utils'

RUNTIME_FLOORS = {
    'protocol': set(),
    'files': {'protocol'},
    'contain': {'protocol'},
    'output': {'protocol', 'files'},
    'schedule': {'protocol', 'files'},
    'supervise': {'protocol', 'files', 'contain', 'output', 'schedule'},
    'requests': {'protocol', 'files', 'contain', 'output', 'schedule', 'supervise'},
    'door': {'protocol', 'files', 'contain', 'output', 'schedule', 'supervise', 'requests'},
    'core': {'protocol', 'files', 'door'},
}
"""Package or module of the runtime -> what it may import of the others."""

CONTROLLER_FLOORS = {
    '_core_compat': set(),
    '_payload': {'_core_compat'},
    '_options': {'_core_compat', '_payload'},
    '_places': {'_core_compat', '_payload', '_options'},
    '_show': {'_core_compat'},
    '_waiting': {'_core_compat', '_payload', '_options', '_places', '_show'},
}
"""The same for the controller, whose packages may import the public part of the runtime as well."""


def _imports(path: Path, package: tuple[str, ...]) -> set[tuple[str, ...]]:
    """The full names, from below *package* on, of what the file *path* imports of it."""
    below = path.relative_to(ROOT / 'plugins').with_suffix('').parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if not isinstance(node, ast.ImportFrom):
            continue
        words = tuple((node.module or '').split('.')) if node.module else ()
        if node.level:
            words = below[: len(below) - node.level] + words
        elif words[:4] == ('ansible_collections', 'background', 'jobs', 'plugins'):
            words = words[4:]
        else:
            continue
        for name in node.names:
            whole = (*words, name.name)
            if whole[: len(package)] == package:
                found.add(whole[len(package) :])
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(folder.rglob('*.py'))


@pytest.mark.parametrize(
    ('folder', 'floors'),
    [(RUNTIME, RUNTIME_FLOORS), (CONTROLLER, CONTROLLER_FLOORS)],
    ids=['runtime', 'controller'],
)
def test_each_package_imports_only_what_it_may(folder: Path, floors: dict[str, set[str]]) -> None:
    package = folder.relative_to(ROOT / 'plugins').parts
    wrong = []
    for path in _files(folder):
        own = path.relative_to(folder).with_suffix('').parts[0]
        if own == '__init__':
            continue
        for words in _imports(path, package):
            if words[0] != own and words[0] not in floors[own]:
                wrong.append(f'{path.relative_to(ROOT)} imports {".".join(words)}')
    assert wrong == []


def test_the_runtime_imports_nothing_of_the_controller_or_of_ansible() -> None:
    for path in _files(RUNTIME):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            names = [node.module or ''] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.partition('.')[0].startswith('ansible')], path


def test_no_two_modules_import_each_other() -> None:
    folder = RUNTIME
    package = folder.relative_to(ROOT / 'plugins').parts
    names = {path.relative_to(folder).with_suffix('').parts: path for path in _files(folder)}
    imports = {
        name: {found for found in names for words in _imports(path, package) if words[: len(found)] == found}
        for name, path in names.items()
    }
    assert _circle(imports) == []


def _circle(imports: dict[tuple[str, ...], set[tuple[str, ...]]]) -> list[str]:
    """The modules that import each other, or one of them itself; none where all can be put into an order."""
    left = dict(imports)
    while True:
        free = [name for name, needed in left.items() if not (needed & left.keys())]
        if not free:
            return sorted('.'.join(name) for name in left)
        for name in free:
            del left[name]


@pytest.mark.parametrize('folder', [RUNTIME, CONTROLLER], ids=['runtime', 'controller'])
def test_every_package_says_what_it_is_for_and_the_page_names_it(folder: Path) -> None:
    for path in folder.glob('*/__init__.py'):
        assert ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))), path
        assert f'`{path.parent.name}/`' in TEXT, path.parent


@pytest.mark.parametrize('path', [*_files(CONTROLLER), *_files(ROOT / 'plugins/callback')], ids=lambda path: path.stem)
def test_an_import_does_nothing_but_define(path: Path) -> None:
    assert _calls(path) == []


@pytest.mark.parametrize('path', _files(ROOT / 'plugins/action'), ids=lambda path: path.stem)
def test_an_action_sets_up_the_main_process_and_nothing_else(path: Path) -> None:
    assert _calls(path) in ([], ['set_up_main_process()'])


def _calls(path: Path) -> list[str]:
    """The statements of *path* that an import executes and that define nothing."""
    statements = ast.parse(path.read_text(encoding='utf-8')).body
    definitions = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.ClassDef)
    found = []
    while statements:
        statement = statements.pop(0)
        if isinstance(statement, ast.Try):  # of an import that only some versions of ansible-core have
            statements += [*statement.body, *statement.orelse, *statement.finalbody]
            statements += [inner for handler in statement.handlers for inner in handler.body]
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            pass  # a docstring
        elif not isinstance(statement, definitions):
            found.append(ast.unparse(statement))
    return found
