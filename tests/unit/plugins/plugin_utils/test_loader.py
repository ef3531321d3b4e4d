# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a command begins with on the target: it runs the runtime that was sent, and nothing that somebody else has put there.

The loader runs as on a target, under the oldest and the newest Python, without a connection.
"""

from __future__ import annotations

import base64
import collections.abc as c
import json
import os
import subprocess
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.background.jobs.plugins.module_utils._loader import MARK
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION
from ansible_collections.background.jobs.plugins.plugin_utils._places.loader import (
    command,
    digest,
    runtime_files,
    source,
)
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.tools.pythons import interpreters

PYTHONS = interpreters()
SOMEBODY = 54321
EVIL = {'__init__.py': '', 'door.py': 'open("%s", "w").close()\ndef respond(request): return {"evil": True}\n'}


@pytest.fixture(params=PYTHONS[:: max(1, len(PYTHONS) - 1)], ids=lambda found: 'python%d.%d' % found.version)
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param.path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that is safe from others, and all above it."""
    return tmp_path


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        left_out('files of another user: only root can make them')


class Loader:
    """The loader under one interpreter."""

    def __init__(self, python: str, evil: Path) -> None:
        self.python = python
        self.evil = evil
        """Exists if code ran that somebody has planted."""

    def ask(self, async_dir: Path, *, bring: bool = True, prefix: c.Sequence[str] = ()) -> dict[str, t.Any]:
        """What the loader answers to a list of jobs; *bring*: the runtime comes with the request."""
        request = {'version': VERSION, 'op': 'list', 'async_dir': str(async_dir)}
        call = {'request': {**request, 'states': None, 'names': None, 'queues': None}}
        data = zlib.compress(json.dumps({**call, 'files': runtime_files()} if bring else call).encode())
        words = [*prefix, self.python, '-I', '-S', '-c', *command(), digest(), '-']
        done = subprocess.run(words, input=base64.encodebytes(data), stdout=subprocess.PIPE, check=True)
        (line,) = (line for line in done.stdout.decode().splitlines() if line.startswith(MARK))
        return t.cast('dict[str, t.Any]', json.loads(line[len(MARK) :]))

    def run(self, script: str, *arguments: object) -> str:
        """Run *script* after the definitions of the loader."""
        words = [self.python, '-I', '-S', '-c', f'{source()}\n{script}', *map(str, arguments)]
        return subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout.decode()

    def plant(self, async_dir: Path) -> None:
        """Make a runtime that is whole in all but whose it is."""
        files = {name: text.replace('%s', str(self.evil)) for name, text in EVIL.items()}
        self.run(
            'os.umask(0o77);find(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))',
            async_dir,
            digest(),
            json.dumps(files),
        )


@pytest.fixture
def loader(python: str, tmp_path: Path) -> c.Iterator[Loader]:
    found = Loader(python, tmp_path / 'evil')
    yield found
    assert not found.evil.exists(), 'planted code was run'


def runtime(async_dir: Path) -> Path:
    (path,) = (async_dir / '.runtime').iterdir()
    return path


def is_answer(answer: dict[str, t.Any]) -> bool:
    return answer == {'response': {'version': VERSION, 'jobs': []}}


def test_the_runtime_is_sent_once(loader: Loader, folder: Path) -> None:
    async_dir = folder / 'a/b'
    assert loader.ask(async_dir, bring=False) == {'missing': True}
    assert not async_dir.exists()
    assert is_answer(loader.ask(async_dir))
    assert is_answer(loader.ask(async_dir, bring=False))
    for path in (async_dir.parent, async_dir, async_dir / '.runtime'):
        assert path.stat().st_mode & 0o777 == 0o700
    assert runtime(async_dir).stat().st_mode & 0o777 == 0o600


def test_each_python_has_a_runtime_of_its_own(tmp_path: Path, folder: Path) -> None:
    for python in PYTHONS:
        loader = Loader(python.path, tmp_path / 'evil')
        assert loader.ask(folder, bring=False) == {'missing': True}
        assert is_answer(loader.ask(folder))
    assert len(list((folder / '.runtime').iterdir())) == len(PYTHONS)


def test_planted_code_would_run(python: str, folder: Path, tmp_path: Path) -> None:
    """If this fails, the tests below show nothing: the runtime of the same user is trusted, and runs."""
    loader = Loader(python, tmp_path / 'evil')
    loader.plant(folder)
    assert loader.ask(folder, bring=False) == {'response': {'evil': True}}
    assert loader.evil.exists()


@pytest.mark.parametrize(
    'damage',
    [
        lambda path: path.write_bytes(b''),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b'\0'),
        lambda path: path.write_bytes(path.read_bytes().replace(b'respond', b'respund')),
        lambda path: path.unlink(),
    ],
    ids=['empty', 'cut', 'longer', 'changed', 'removed'],
)
def test_a_runtime_that_is_not_whole_is_sent_again(loader: Loader, folder: Path, damage: t.Any) -> None:
    loader.ask(folder)
    damage(runtime(folder))
    assert loader.ask(folder, bring=False) == {'missing': True}
    assert is_answer(loader.ask(folder))
    assert is_answer(loader.ask(folder, bring=False))


def test_what_was_checked_is_what_is_imported(loader: Loader, folder: Path) -> None:
    """Everything is replaced between the check and the first import."""
    loader.ask(folder / 'good')
    loader.plant(folder / 'bad')
    script = """
import shutil
runtime = find(sys.argv[1], sys.argv[3], None)
shutil.rmtree(sys.argv[1])
shutil.move(sys.argv[2], sys.argv[1])
sys.meta_path.insert(0, runtime)
print(__import__(PACKAGE + '.door', fromlist=['respond']).respond({}))
"""
    assert 'speaks version' in loader.run(script, folder / 'good', folder / 'bad', digest())


@pytest.mark.parametrize('bring', [True, False], ids=['first contact', 'later'])
@pytest.mark.parametrize(
    ('plant', 'reason'),
    [
        (lambda top: _give_to_group(top, 0o770), 'private'),
        (lambda top: os.chmod(top / '.runtime', 0o707 | 0o20), 'private'),
        (lambda top: _give_to_group(runtime(top), 0o620), 'private'),
        (lambda top: os.chown(top, SOMEBODY, 0), 'private'),
        (lambda top: os.chown(top / '.runtime', SOMEBODY, 0), 'private'),
        (lambda top: os.chown(runtime(top), SOMEBODY, 0), 'private'),
        (lambda top: _through_link(top / '.runtime'), 'is a link'),
        (lambda top: _through_link(runtime(top)), 'is a link'),
    ],
    ids=[
        'directory of a group',
        'runtimes of everybody',
        'runtime of a group',
        'directory of somebody',
        'runtimes of somebody',
        'runtime of somebody',
        'link to runtimes',
        'link to a runtime',
    ],
)
def test_what_others_could_have_put_there_is_refused(
    loader: Loader, folder: Path, as_root: None, plant: t.Any, reason: str, bring: bool
) -> None:
    async_dir = folder / 'home/async'
    loader.plant(async_dir)
    plant(async_dir)
    assert reason in loader.ask(async_dir, bring=bring)['refused']


def _give_to_group(path: Path, mode: int) -> None:
    """*path* is of a group that somebody may be in."""
    os.chown(path, -1, SOMEBODY)
    path.chmod(mode)


def _through_link(path: Path) -> None:
    """*path* becomes a link of somebody to itself, so to speak."""
    path.rename(path.parent / 'moved')
    path.symlink_to('moved')
    os.chown(path, SOMEBODY, 0, follow_symlinks=False)


def test_nothing_is_made_where_a_planted_link_leads(loader: Loader, folder: Path, as_root: None) -> None:
    """Somebody owns the home directory, or may make entries beside others', as in /tmp."""
    precious = folder / 'precious'
    precious.mkdir()
    for number, (owner, mode) in enumerate([(SOMEBODY, 0o755), (0, 0o1777), (0, 0o777)]):
        home = folder / f'home{number}'
        home.mkdir()
        (home / 'link').symlink_to(precious)
        os.chown(home / 'link', SOMEBODY, 0, follow_symlinks=False)
        os.chown(home, owner, 0)
        home.chmod(mode)
        assert 'another user' in loader.ask(home / 'link/async')['refused']
        assert 'another user' in loader.ask(home / 'link')['refused']
    assert list(precious.iterdir()) == []


def test_links_of_the_user_and_sticky_directories_are_fine(loader: Loader, folder: Path) -> None:
    (folder / 'disk').mkdir(0o755)
    (folder / 'home').mkdir()
    (folder / 'home/disk').symlink_to('../disk')
    (folder / 'home/async').symlink_to(folder / 'home/disk/./async')
    (folder / 'disk/async').mkdir(0o700)
    os.chmod(folder / 'disk', 0o1777)
    assert is_answer(loader.ask(folder / 'home/async'))
    assert runtime(folder / 'disk/async').is_file()
    (folder / 'home/loop').symlink_to('loop')
    assert 'too many links' in loader.ask(folder / 'home/loop/async')['refused']


def test_a_full_disk_does_not_stop_a_request(loader: Loader, folder: Path) -> None:
    """The limit for the size of files is one kibibyte or less, so that no runtime can be written."""
    (folder / '.runtime').mkdir(0o700)
    assert is_answer(loader.ask(folder, prefix=['sh', '-c', 'ulimit -f 1; exec "$@"', 'sh']))
    assert list((folder / '.runtime').iterdir()) == []


def test_a_look_at_a_filesystem_that_is_read_only(loader: Loader, folder: Path, as_root: None) -> None:
    loader.ask(folder)
    mount = f'mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && exec "$@"'
    assert is_answer(loader.ask(folder, bring=False, prefix=['unshare', '--mount', 'sh', '-c', mount, 'sh']))


def test_modules_serve_what_the_supervisor_needs(loader: Loader, folder: Path) -> None:
    script = """
runtime = find(sys.argv[1], sys.argv[2], json.loads(sys.stdin.read()) if len(sys.argv) > 3 else None)
sys.meta_path.insert(0, runtime)
__import__(PACKAGE + '.supervise.supervisor')
for name, module in sys.modules.items():
    if (name + '.').startswith(PACKAGE + '.'):
        loader = module.__spec__.loader
        text = loader.get_source(name)
        assert loader.get_data(module.__file__) == text.encode()
        assert loader.get_code(name).co_names == compile(text, '', 'exec', 0, True, 2).co_names
        assert loader.is_package(name) == hasattr(module, '__path__')
        print(name)
"""
    loader.ask(folder)
    assert 'background_jobs.output.tap' in loader.run(script, folder, digest()).split()


def test_a_look_loads_neither_other_operations_nor_the_supervisor(loader: Loader, folder: Path) -> None:
    """To load them takes longer than the look itself."""
    script = """
sys.meta_path.insert(0, find(sys.argv[1], sys.argv[2], None))
door = __import__(PACKAGE + '.door', fromlist=['respond'])
response = door.respond({'version': int(sys.argv[3]), 'op': 'status', 'async_dir': sys.argv[1], 'ids': ['1.1']})
assert response['jobs'][0]['known'] is False, response
print(*(name for name in sys.modules if name.startswith(PACKAGE + '.')))
"""
    loader.ask(folder)
    loaded = {name.partition('.')[2] for name in loader.run(script, folder, digest(), VERSION).split()}
    assert 'requests.status' in loaded
    assert not loaded & {'requests.start', 'requests.wait', 'requests.cancel', 'supervise.supervisor', 'output.tap'}
