# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which package may import which, and that docs/architecture.md names every one of them."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from pathlib import Path

import pytest
from ansible.executor.process.worker import WorkerProcess
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible.plugins.connection import ConnectionBase

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs/architecture.md').read_text(encoding='utf-8')
RUNTIME = ROOT / 'plugins/module_utils/_runtime'
CONTROLLER = ROOT / 'plugins/plugin_utils'

RUNTIME_FLOORS = {
    'protocol': set(),
    'files': {'protocol'},
    'contain': {'protocol', 'files'},
    'output': {'protocol', 'files'},
    'schedule': {'protocol', 'files'},
    'supervise': {'protocol', 'files', 'contain', 'output', 'schedule'},
    'requests': {'protocol', 'files', 'contain', 'output', 'schedule', 'supervise'},
    'door': {'protocol', 'files', 'contain', 'output', 'schedule', 'supervise', 'requests'},
    'core': {'protocol', 'files', 'output', 'door'},
}
"""Package or module of the runtime -> what it may import of the others."""

CONTROLLER_FLOORS = {
    '_core_compat': set(),
    '_payload': {'_core_compat'},
    '_options': {'_core_compat', '_payload', '_branch'},
    '_show': {'_core_compat'},
    '_branch': {'_core_compat', '_payload', '_show'},
    '_places': {'_core_compat', '_options', '_show'},
    '_waiting': {'_core_compat', '_payload', '_branch', '_options', '_places', '_show'},
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


@pytest.mark.parametrize('folder', [RUNTIME, CONTROLLER], ids=['runtime', 'controller'])
def test_no_two_modules_import_each_other(folder: Path) -> None:
    package = folder.relative_to(ROOT / 'plugins').parts
    names = {path.relative_to(folder).with_suffix('').parts: path for path in _files(folder)}
    imported = {name: list(_imports(path, package)) for name, path in names.items()}
    imports = {
        name: {found for found in names for words in all_words if words[: len(found)] == found}
        for name, all_words in imported.items()
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


DOCUMENTED = {
    '_task',
    '_connection',
    '_play_context',
    '_loader',
    '_templar',
    '_shared_loader_obj',
    '_execute_module',
    '_low_level_execute_command',
    '_supports_async',
    '_supports_check_mode',
    '_display',
}
"""Private names that Ansible's developer guide has plugins use on `self`: there is no other way to write a plugin."""

PYTHON = {('os', '_exit'), ('sys', '_getframe')}
NAMEDTUPLE = {'_replace', '_asdict', '_fields', '_make'}
"""Public, though they begin with an underscore."""


def _is_private(name: str) -> bool:
    return name.startswith('_') and not name.startswith('__')


def _private_names(path: Path) -> list[str]:
    """Where *path* uses a private name of something that it does not define itself."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    plugin = path.parent.name in ('action', 'callback')
    found = []
    from_ansible = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or '').partition('.')[0] == 'ansible':
            words = [*(node.module or '').split('.'), *(alias.name for alias in node.names)]
            found += [f'imports {word}' for word in words if _is_private(word)]
            from_ansible |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, 'id', '') in ('getattr', 'setattr', 'hasattr'):
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ''
            found += [f'{ast.unparse(node)}'] if _is_private(str(name)) else []
        elif isinstance(node, ast.Attribute) and _is_private(node.attr):
            owner = ast.unparse(node.value)
            own = owner in ('self', 'cls') or (owner, node.attr) in PYTHON or node.attr in NAMEDTUPLE
            found += [] if own else [ast.unparse(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and from_ansible & {ast.unparse(base) for base in node.bases}:
            names = {
                inner.attr
                for inner in ast.walk(node)
                if isinstance(inner, ast.Attribute) and ast.unparse(inner.value) in ('self', 'super()')
            }
            names |= {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
            inherited = names & _of_ansible() - (DOCUMENTED if plugin else set())
            found += [f'{node.name} uses self.{name}' for name in inherited]
    return found


@functools.cache
def _of_ansible() -> set[str]:
    """The private names of the classes of ansible-core that plugins and workers are made of."""
    names = set()
    for parent in (ActionBase, CallbackBase, ConnectionBase, WorkerProcess):
        names |= set(dir(parent))
        names |= {
            node.attr
            for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(parent))))
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == 'self'
        }
    return {name for name in names if _is_private(name)}


def test_private_names_of_ansible_core_are_in_one_place() -> None:
    """In `_core_compat` only, each beside the versions that have it. In plugins, `self` has a few that are documented."""
    folders = [CONTROLLER, ROOT / 'plugins/action', ROOT / 'plugins/callback']
    files = [path for folder in folders for path in _files(folder) if path.parent.name != '_core_compat']
    wrong = {str(path.relative_to(ROOT)): _private_names(path) for path in files}
    assert {path: names for path, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    'line',
    [
        'from ansible.executor.module_common import _get_shebang',
        'from ansible._internal._task import UnifiedTaskResult',
        'def of(action): return action._task',
        'def of(display): return getattr(display, "_lock", None)',
        'class Reader(ActionBase):\n    def _configure_module(self): pass',
        'class Reader(ActionBase):\n    def run(self): return self._compute_environment_string',
    ],
)
def test_a_private_name_is_noticed(line: str, tmp_path: Path) -> None:
    path = tmp_path / 'reader.py'
    path.write_text(f'from ansible.plugins.action import ActionBase\n{line}\n', encoding='utf-8')
    assert _private_names(path)
