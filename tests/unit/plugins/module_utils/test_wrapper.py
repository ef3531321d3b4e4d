# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every shape in which ansible-core calls its async_wrapper."""

import base64
import os
from pathlib import Path
from typing import List

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.core.wrapper import Call, answer

PYTHON, SHELL, BINARY = b'#!/usr/bin/python3\nprint(1)\n', b'#!/bin/sh -e\necho 1\n', b'\x7fELF'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """ansible-core's temporary directory."""
    folder = tmp_path / 'ansible-tmp-1'
    folder.mkdir()
    return folder


def _words(folder: Path, module: bytes, new: bool, args: bool, preserve: bool) -> List[str]:
    path, file = folder / 'AnsiballZ_thing.py', folder / 'args'
    path.write_bytes(module)
    file.write_bytes(b'{"a": 1}')
    if new:
        first = module.partition(b'\n')[0]
        interpreter = [first[2:].decode()] if module.startswith(b'#!') else []
        command = [*interpreter, str(path), *([str(file)] if args else [])]
        return ['j12', '30', 'true' if preserve else 'false', str(path), *command]
    return ['j12', '30', str(path), str(file) if args else '_', *(['-preserve_tmp'] if preserve else [])]


@pytest.mark.parametrize('preserve', [False, True])
@pytest.mark.parametrize('new', [False, True], ids=['until 2.20', 'from 2.21'])
@pytest.mark.parametrize(
    ('module', 'args', 'argv', 'stdin'),
    [
        (PYTHON, False, ['/usr/bin/python3'], True),
        (PYTHON, True, ['/usr/bin/python3', '{job}/payload', '{job}/args'], False),
        (SHELL, False, ['/bin/sh', '-e', '{job}/payload'], False),
        (BINARY, True, ['{job}/payload', '{job}/args'], False),
    ],
    ids=['AnsiballZ', 'arguments in a file', 'arguments in a shell module', 'binary'],
)
def test_a_call(
    folder: Path, module: bytes, new: bool, args: bool, preserve: bool, argv: List[str], stdin: bool
) -> None:
    call = Call(_words(folder, module, new, args, preserve), '2.21.0')
    request = call.request()
    (job,) = request['jobs']
    assert job['id'] == 'j12.%d' % os.getpid()
    assert (job['module'], job['limit'], job['leeway'], job['stdin']) == ('thing', 30, 0, stdin)
    assert ' '.join(job['argv']) == ' '.join(argv)
    assert base64.b64decode(request['bases'][job['payload']['base']]) == module
    assert job['args'] == (base64.b64encode(b'{"a": 1}').decode() if args else None)
    assert job['tmpdir'] == (None if preserve else str(folder))
    call.forget(started=True)
    assert {path.name for path in folder.iterdir()} == (
        {'AnsiballZ_thing.py', 'args'} if preserve else set() if args else {'args'}
    )


def test_a_folder_that_is_not_of_ansible_is_kept(tmp_path: Path) -> None:
    """Until 2.20 the wrapper has to find that out by itself."""
    assert Call(_words(tmp_path, PYTHON, new=False, args=False, preserve=False), '2.16.0').preserve


@pytest.mark.parametrize('limit', ['0', '-1'])
def test_no_limit(folder: Path, limit: str) -> None:
    words = _words(folder, PYTHON, new=True, args=False, preserve=False)
    assert Call([words[0], limit, *words[2:]], '2.21.0').request()['jobs'][0]['limit'] is None


@pytest.mark.parametrize(
    ('version', 'limit', 'stopped_after'),
    [
        ('2.16.14', 1, 10),
        ('2.16.14', 5, 10),
        ('2.17.0', 6, 15),
        ('2.17.0', 60, 65),
        ('2.18.0', 1, 1),
        ('2.18.0', 5, 5),
        ('2.21.0', 6, 10),
        ('2.21.0', 60, 60),
    ],
)
def test_a_limit_is_not_shorter_than_ansible_core_makes_it(
    folder: Path, version: str, limit: int, stopped_after: int
) -> None:
    words = _words(folder, PYTHON, new=version >= '2.21', args=False, preserve=False)
    (job,) = Call([words[0], str(limit), *words[2:]], version).request()['jobs']
    assert (job['limit'], job['limit'] + job['leeway']) == (limit, stopped_after)


@pytest.mark.parametrize(
    ('version', 'written'),
    [
        ('2.16.14', '{"started": 1, "finished": 0,'),
        ('2.18.0', '{"started": 1, "finished": 0,'),
        ('2.19.0', '{"started": true, "finished": false,'),
        ('2.21.0', '{"started": true, "finished": false,'),
    ],
)
def test_the_job_file_has_the_types_of_ansible_core(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, written: str
) -> None:
    async_dir = tmp_path / 'async'
    monkeypatch.setenv('ANSIBLE_ASYNC_DIR', str(async_dir))
    gate = tmp_path / 'gate'
    os.mkfifo(str(gate))
    module = '#!/bin/sh\nread line <%s; echo "{}"\n' % gate
    told = answer(_words(folder, module.encode(), version >= '2.21', args=False, preserve=False), version)
    assert not told['failed'], told
    result_file = async_dir / told['ansible_job_id']
    assert result_file.read_text(encoding='utf-8').startswith(written)
    gate.write_text('go\n', encoding='utf-8')


def test_a_start_that_fails(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'file').touch()
    monkeypatch.setenv('ANSIBLE_ASYNC_DIR', str(tmp_path / 'file'))
    told = answer(_words(folder, PYTHON, new=True, args=False, preserve=False), '2.21.0')
    assert told['failed']
    assert 'is not a directory' in told['msg']
    assert not folder.exists()
