# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever comes in or lies about, broken, cut off or hostile: the runtime answers, and no job that lives is harmed."""

import json
import os
import select
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    ENDED,
    HUNG,
    Order,
    Target,
    blocked,
    result,
    start_request,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_FUZZ = settings(
    max_examples=150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

_ALL = {'op': 'list', 'states': None, 'names': None, 'queues': None}
_PRUNE = {'op': 'prune', 'older_than': 0, 'states': list(ENDED), 'keep': 0, 'check': False}

_numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([-1, 0, 1, 2**31, 2**63, 2**64, 10**400, 1e308, float('inf'), float('-inf'), float('nan')]),
)
_texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(['', '.', '..', '\0', '\ud800', 'j1.1', '~', '~nobody/x', 'x' * 5000, '%s%n', '{job}', 'start']),
)
_junk = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_texts, inner, max_size=4)),
    max_leaves=8,
)
_RELATIVE = _texts.filter(lambda text: text[:1] not in ('/', '~') and '..' not in text)


class _World:
    """A target with two jobs that must come to no harm, one that may, and a process that answers requests."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._gate = target.gate()
        self._running = blocked(self._gate, name='running', queue='q')
        self._waiting = Order(result(), name='waiting', queue='q')
        ended = Order(result(changed=True), name='ended')
        target.start(self._running, self._waiting, ended)
        target.end(ended.id)
        self.ended = ended.id
        self._spec = target.note(self._running.id, 'spec.json')
        self._processes = target.processes()
        self._driver = target.driver(cwd=str(target.directory))

    def respond(self, request: Any) -> Dict[str, Any]:
        """The response, which must come in time and be one of the two kinds."""
        assert self._driver.stdin
        assert self._driver.stdout
        if isinstance(request, dict):
            request.setdefault('version', VERSION)
        self._driver.stdin.write(json.dumps(request).encode() + b'\n')
        self._driver.stdin.flush()
        assert select.select([self._driver.stdout], [], [], HUNG)[0], 'it hangs'
        response = json.loads(self._driver.stdout.readline().decode())
        assert list(response) in (['version', 'error'], ['version', 'jobs'])
        assert response.get('error') != ''
        return dict(response)

    def check(self) -> None:
        """The jobs live as before."""
        found = self.target.ask('status', ids=[self._running.id, self._waiting.id])
        assert [look['job']['state'] for look in found] == ['running', 'queued']
        assert self.target.note(self._running.id, 'spec.json') == self._spec
        assert self._processes <= self.target.processes()

    def close(self) -> None:
        self.check()
        assert self._driver.stdin
        self._driver.stdin.close()
        assert self._driver.wait(HUNG) == 0
        assert self._driver.stdout
        self._driver.stdout.close()
        self._gate.open()
        found = self.target.end(self._running.id, self._waiting.id)
        assert [look['job']['state'] for look in found] == ['succeeded', 'succeeded']


@pytest.fixture
def world(newest_target: Target) -> Iterator[_World]:
    world = _World(newest_target)
    yield world
    world.close()


def _valid(world: _World) -> List[Dict[str, Any]]:
    """One request of each kind, none of which does any harm."""
    order = Order('exit 1', argv=['/no/such/interpreter'], name='fuzz', queue='fuzz')
    return [
        start_request(order),
        {'op': 'wait', 'ids': [world.ended], 'seconds': 0, 'offsets': [0]},
        {'op': 'status', 'ids': [world.ended], 'offsets': [5]},
        {'op': 'collect', 'ids': [{'name': 'ended'}]},
        {'op': 'cancel', 'ids': [world.ended], 'grace': 0, 'check': False},
        {'op': 'list', 'states': ['running'], 'names': None, 'queues': ['q']},
        {'op': 'prune', 'older_than': 3600, 'states': list(ENDED), 'keep': 1, 'check': True},
        {'op': 'remove', 'ids': ['j1.1']},
    ]


@_FUZZ
@given(request=_junk)
def test_any_json_is_answered(world: _World, request: Any) -> None:
    assert 'error' in world.respond(request)


@_FUZZ
@given(data=st.data())
def test_a_request_with_one_thing_wrong_is_answered(world: _World, data: Any) -> None:
    request = {'async_dir': str(world.target.async_dir), **data.draw(st.sampled_from(_valid(world)))}
    place, op = request, request['op']
    if op == 'start' and data.draw(st.booleans()):
        place = request['jobs'][0]
        if data.draw(st.booleans()):
            place = place['payload']
    key = data.draw(st.sampled_from(sorted(place)))
    if key == 'async_dir':
        place[key] = data.draw(st.one_of(_RELATIVE, st.integers(), st.none(), st.lists(st.text())))
    elif key == 'argv':
        place[key] = data.draw(st.one_of(_numbers, st.lists(st.one_of(_numbers, st.none(), st.just('/no/such/\0')))))
    elif data.draw(st.booleans()):
        place[key] = data.draw(_junk)
    else:
        del place[key]
    if op == 'wait':
        request['ids'] = [world.ended]  # or it would wait for as long as it was asked to

    world.respond(request)


_CONTENTS = st.one_of(
    st.binary(max_size=200),
    _junk.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [
            b'',
            b'{',
            b'{}',
            b'[]',
            b'null',
            b'"text"',
            b'{"a":' * 50000,
            b'\xff\xfe',
            b'\0' * 5000,
            b'cut 9 b',
            b'cut x\nout y\n',
            b'cut -5\nout y\n',
        ]
    ),
)
_FILES = [
    'spec.json',
    'run.json',
    'end.json',
    'stop.json',
    'launch.json',
    'stdout',
    'stderr',
    'output',
    'output.old',
    'lock',
    'base',
    'collected',
]


_DAMAGES = st.tuples(
    st.sampled_from(['contents', 'one value', 'cut', 'gone', 'directory', 'link', 'pipe', 'unreadable']),
    _CONTENTS,
    _junk,
    st.integers(0, 400),
    st.sampled_from(['/etc/passwd', '/no/such', 'lock', '/dev/zero', '.']),
)


def _damage(path: Path, damage: Any) -> None:
    """Make something else of a file, whether or not it is there."""
    how, contents, value, number, goal = damage
    before = path.read_bytes() if path.is_file() else b''
    _remove(path)
    if how == 'contents':
        path.write_bytes(contents)
    elif how == 'one value' and before[:1] == b'{':
        values = json.loads(before.decode())
        values[number if isinstance(number, str) else sorted(values)[number % len(values)]] = value
        path.write_bytes(json.dumps(values).encode())
    elif how == 'cut':
        path.write_bytes(before[:number])
    elif how == 'directory':
        path.mkdir()
    elif how == 'link':
        path.symlink_to(goal)
    elif how == 'pipe':
        os.mkfifo(str(path))
    elif how == 'unreadable':
        path.write_bytes(before)
        path.chmod(0)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(str(path))
    elif path.is_symlink() or path.exists():
        path.unlink()


@pytest.mark.long
@_FUZZ
@given(has_ended=st.booleans(), damages=st.dictionaries(st.sampled_from(_FILES), _DAMAGES, min_size=1, max_size=3))
def test_job_files_are_damaged(world: _World, has_ended: bool, damages: Dict[str, Any]) -> None:
    """Every look at the damaged job is answered, and so are those at all others, which are not harmed."""
    _look_at_damaged(world, has_ended, damages)


_NONSENSE = [
    ('spec.json', 'queue', '..'),
    ('spec.json', 'queue', 'no such queue'),
    ('spec.json', 'name', ''),
    ('spec.json', 'boot', ''),
    ('run.json', 'monotonic', 10**400),
    ('run.json', 'monotonic', float('nan')),
    ('run.json', 'pid', 1),
    ('run.json', 'pid', -1),
    ('run.json', 'supervisor', 2**40),
    ('end.json', 'ended', 'yesterday'),
    ('end.json', 'ended', '9999999-01-01T00:00:00.0Z'),
    ('end.json', 'state', 'running'),
    ('end.json', 'rc', 10**400),
]


def test_one_value_makes_no_sense(world: _World) -> None:
    for name, key, value in _NONSENSE:
        _look_at_damaged(world, name == 'end.json', {name: ('one value', b'', value, key, '.')})


def _look_at_damaged(world: _World, has_ended: bool, damages: Dict[str, Any]) -> None:
    root = str(world.target.async_dir)
    damaged = world.target.files('j9.9')
    shutil.copytree(str(world.target.files(world.ended)), str(damaged))
    if not has_ended:
        (damaged / 'end.json').unlink()
    for name, damage in damages.items():
        _damage(damaged / name, damage)
    try:
        for request in _valid(world):
            if 'ids' in request:
                response = world.respond({'async_dir': root, **request, 'ids': ['j9.9']})
                assert 'jobs' in response, response
        response = world.respond({'async_dir': root, **_ALL})
        assert {look['id'] for look in response['jobs']} >= {world.ended}
        assert 'jobs' in world.respond({'async_dir': root, **_PRUNE, 'older_than': 1e9})
    finally:
        _remove(damaged)


_PLACES = [
    '.names/fuzz',
    '.names/x y',
    '.jobs/j1.1',
    '.jobs/x',
    '.jobs/.new-x',
    'j1.1',
    '.queues/fuzz/state.json',
    '.queues/fuzz/waiting/1-j1.1',
    '.queues/fuzz/waiting/x',
    '.queues/fuzz/running/x',
    '.queues/fuzz/running/j1.1',
]


@pytest.mark.long
@_FUZZ
@given(damages=st.dictionaries(st.sampled_from(_PLACES), _DAMAGES, min_size=1, max_size=3))
def test_shared_files_are_damaged(world: _World, damages: Dict[str, Any]) -> None:
    """Those of one name and one queue, and what lies about: no other job, name or queue is the worse for it."""
    root = world.target.async_dir
    for name in ('waiting', 'running'):
        (root / '.queues/fuzz' / name).mkdir(
            parents=True, exist_ok=True, mode=0o700
        )  # a supervisor of before may just be leaving its queue
    for place, damage in damages.items():
        _damage(root / place, damage)
    try:
        for request in _valid(world):
            world.respond({'async_dir': str(root), **request})
        listed = world.respond({'async_dir': str(root), **_ALL, 'names': ['running']})
        assert 'jobs' in listed, listed
        assert [look['job']['state'] for look in listed['jobs']] == ['running']
        healthy = Order('exit 1', argv=['/no/such/interpreter'], name='healthy', queue='healthy')
        started = world.respond({'async_dir': str(root), **start_request(healthy)})
        assert started.get('jobs', [{}])[0].get('ended'), started
    finally:
        for place in [*damages, '.queues/fuzz']:
            _remove(root / place)
        world.respond({'async_dir': str(root), **_PRUNE})
