# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that ansible-core has built, shared by the branches of a run."""

from __future__ import annotations

import atexit
import collections.abc as c
import fcntl
import os
import shutil
import threading
import typing as t
from pathlib import Path

import pytest
from ansible import constants as C
from ansible.plugins import action as action_module
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat import module_cache

CACHE = 'ansiballz_cache'


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run that shares its modules. What was really built: in the temporary directory of whoever builds."""
    found: list[str] = []

    def build(*, module_name: str) -> str:
        cache = Path(C.DEFAULT_LOCAL_TMP, CACHE)
        (cache / f'{module_name}.lock').touch()
        file = cache / f'{module_name}-ZIP'
        if not file.exists():
            found.append(module_name)
            file.write_text('built')
        return file.read_text()

    monkeypatch.setattr(action_module, 'modify_module', build)
    monkeypatch.setattr(module_cache, '_of_run', None)
    monkeypatch.setattr(atexit, 'register', lambda *_args: None)
    run = tmp_path / 'run'
    monkeypatch.setattr(C, 'DEFAULT_LOCAL_TMP', str(run))
    module_cache.share_built_modules()
    return found


def begin_branch(path: Path, monkeypatch: pytest.MonkeyPatch) -> c.Callable[..., str]:
    """Be the process of a branch from now on: what builds a module there."""
    path.mkdir()
    monkeypatch.setattr(C, 'DEFAULT_LOCAL_TMP', str(path))
    module_cache.use_shared_modules(str(path))
    return t.cast('c.Callable[..., str]', action_module.modify_module)


def test_each_module_is_built_once(built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'run' / CACHE / 'of_the_play-ZIP').write_text('by the play')
    build = begin_branch(tmp_path / 'one', monkeypatch)
    assert build(module_name='of_the_play') == 'by the play'
    assert build(module_name='copy') == 'built'
    build = begin_branch(tmp_path / 'two', monkeypatch)
    assert build(module_name='copy') == 'built'
    assert built == ['copy']


def test_the_end_of_the_play_leaves_the_branch_its_modules(
    built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = begin_branch(tmp_path / 'one', monkeypatch)
    build(module_name='copy')
    run = tmp_path / 'run'
    module_cache._close(os.getpid() + 1, str(run / CACHE))
    assert (run / CACHE).exists(), 'another process than the one of the run ends'
    module_cache._close(os.getpid(), str(run / CACHE))
    build(module_name='stat')
    assert not list(run.glob('*/stat*')), 'nothing is added while ansible-core removes the directory'
    shutil.rmtree(run)
    assert [build(module_name=name) for name in ('copy', 'file')] == ['built', 'built']
    assert built == ['copy', 'stat', 'file']
    assert not run.exists()


def test_what_another_branch_builds_is_waited_for(
    built: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = begin_branch(tmp_path / 'one', monkeypatch)
    shared = tmp_path / 'run' / CACHE
    with open(shared / 'copy.branches', 'wb') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        thread = threading.Thread(target=build, kwargs={'module_name': 'copy'})
        thread.start()
        assert build(module_name='stat') == 'built', 'only the same module is waited for'
        (shared / 'copy-ZIP').write_text('by the other')
    thread.join()
    assert built == ['stat']
    assert (tmp_path / 'one' / CACHE / 'copy-ZIP').read_text() == 'by the other'
