# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a request by command sends to the target: the loader (module_utils/_loader.py), and the runtime if need be.

Private to this collection.
"""

from __future__ import annotations

import ast
import base64
import functools
import hashlib
import inspect
import pathlib
import types
import zlib

from ansible_collections.background.jobs.plugins.module_utils import _loader, _runtime
from ansible_collections.background.jobs.plugins.module_utils._runtime.files import async_dir


@functools.cache
def command() -> tuple[str, str]:
    """The arguments of `python -c`; the hash of the runtime and the request follow.

    The first is one line that every login shell can quote, the second the compressed source of the loader.
    """
    program = f'{source()}\n{_loader.main.__name__}()'
    return (
        'import sys,zlib,binascii;exec(zlib.decompress(binascii.a2b_base64(sys.argv.pop(1))))',
        base64.b64encode(zlib.compress(program.encode(), 9)).decode(),
    )


def source() -> str:
    """The definitions of the loader."""
    return f'{_bare_source(async_dir)}\n{_bare_source(_loader)}'


def _bare_source(module: types.ModuleType) -> str:
    """The source of *module* without comments, docstrings and imports of its neighbours."""
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            node.body = [child for child in node.body if not _is_needless(child)] or [ast.Pass()]
    return ast.unparse(tree)


def _is_needless(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.level > 0
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@functools.cache
def runtime_files() -> dict[str, str]:
    """The runtime's files: path below its package -> text."""
    folder = pathlib.Path(_runtime.__path__[0])
    return {path.relative_to(folder).as_posix(): path.read_text('utf-8') for path in sorted(folder.rglob('*.py'))}


@functools.cache
def digest() -> str:
    """The name of this version of the runtime: a hash of its files."""
    names = hashlib.sha256()
    for name, text in sorted(runtime_files().items()):
        names.update(f'{name}={text}'.encode())
    return names.hexdigest()
