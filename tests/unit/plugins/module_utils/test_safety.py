# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the files of jobs belong to, who may read them, and what a hostile id, link or directory comes to."""

import grp
import os
import pwd
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    ENDED,
    Order,
    Said,
    Target,
    mode,
    result,
    until,
)

_HOMES = ['~/{dir}', '$HOME/{dir}', '${{HOME}}/{dir}', '~{user}/{dir}', '{home}/{dir}', '$BACKGROUND_JOBS_TEST']


@pytest.mark.parametrize('written', _HOMES)
def test_what_the_async_directory_may_begin_with(some_target: Target, written: str) -> None:
    own = pwd.getpwuid(os.geteuid())
    some_target.environment['HOME'] = '/nowhere'  # the password database knows better
    names = {'dir': '.background-jobs-test', 'user': own.pw_name, 'home': own.pw_dir}
    response = some_target.respond(op='status', async_dir=written.format(**names), ids=['j1.1'])
    expected = str(some_target.directory) if written.startswith('$B') else '%s/.background-jobs-test' % own.pw_dir
    assert response['jobs'][0]['looked_in'] == expected


@pytest.mark.parametrize(
    ('written', 'reason'),
    [
        ('~no_such_user/x', 'has no such user'),
        ('$NO_SUCH_VARIABLE/x', 'no such variable'),
        ('/tmp/${NO_SUCH_VARIABLE}', 'no such variable'),
    ],
)
def test_what_cannot_be_expanded_is_refused(some_target: Target, written: str, reason: str) -> None:
    for op in ('start', 'status'):
        request = {'jobs': [], 'bases': {}, 'retention': 1} if op == 'start' else {'ids': ['j1.1']}
        error = some_target.respond(op=op, async_dir=written, **request)['error']
        assert reason in error
        assert written in error


_SECRET = 'hunter2hunter2'

# Every request that can be made of what is there already.
_LATER: Dict[str, Dict[str, Any]] = {
    'wait': {'ids': ['{id}'], 'seconds': 0},
    'status': {'ids': ['{id}']},
    'collect': {'ids': ['{id}']},
    'cancel': {'ids': ['{id}'], 'grace': 0, 'check': False},
    'list': {'states': None, 'names': None, 'queues': None},
    'prune': {'older_than': 0, 'states': ENDED, 'keep': 0, 'check': False},
    'remove': {'ids': ['{id}']},
}

_BAD_IDS = [
    '',
    '.',
    '..',
    '../j1.1',
    '/etc/passwd',
    'j1.1/../../x',
    'j1.1/',
    'j1.1\n',
    '\nj1.1',
    'j1.1\0',
    ' j1.1',
    'j1',
    'j.1',
    'j1.',
    'jj1.1',
    'J1.1',
    'j1.1.1',
    'j-1.1',
    'j1e5.1',
    'j\u0661.1',
    'j\u00b2.1',
    'j\uff11.\uff11',
    'j1.1\u202e',
    'j1.1\ud800',
    '.jobs',
    '.runtime',
    '~',
    '$(touch x)',
    'j' + '1' * 41 + '.1',
    'j1.' + '1' * 21,
    'j1.1' * 1000,
    None,
    1.5,
    7,
    True,
    ['j1.1'],
    [],
]


def _ask_all(target: Target, job_id: Any) -> Iterator[str]:
    """What each later operation says is wrong."""
    for op, details in _LATER.items():
        filled = {key: [job_id] if key == 'ids' else value for key, value in details.items()}
        try:
            target.ask(op, **filled)
        except Said as error:
            yield str(error)
        else:
            yield ''


def _tree(directory: Path) -> List[str]:
    return sorted(str(path) for path in directory.rglob('*'))


def test_what_is_no_job_id(some_target: Target) -> None:
    """One request for each bad id and operation would take minutes."""
    job_id = some_target.run(result())
    some_target.end(job_id)
    (some_target.directory / 'x').mkdir()
    before = _tree(some_target.directory)

    for bad in _BAD_IDS:
        with pytest.raises(Said, match='is not a job id: expected something like j2026'):
            some_target.ask('remove', ids=[bad])
    for op in ('wait', 'status', 'collect', 'cancel'):
        for bad in ('../j1.1', 'j1.1\n', 'j\u0661.1', None):
            with pytest.raises(Said, match='is not a job id'):
                some_target.ask(op, **dict(_LATER[op], ids=[job_id, bad]))
    assert _tree(some_target.directory) == before


def test_a_start_takes_no_other_ids(some_target: Target) -> None:
    some_target.start()
    before = _tree(some_target.directory)

    orders = [Order(result(), id=bad) for bad in _BAD_IDS]
    for look in some_target.start(*orders):
        assert 'is not a job id' in look['error']
    assert _tree(some_target.directory) == before


@pytest.mark.parametrize('umask', [0o000, 0o022, 0o077, 0o777])
@pytest.mark.parametrize('async_dir', ['async', 'deep/down/async'])
def test_everything_is_private_under_every_umask(target: Target, umask: int, async_dir: str) -> None:
    """While it waits, while it runs and when it has ended; the module gets the umask of the request."""
    if umask == 0o777 and os.geteuid() != 0:
        left_out('the umask 777: only root can use a directory of its own without permissions')
    target.prefix = ['sh', '-c', 'umask %03o; exec "$@"' % umask, 'sh']
    target.async_dir = target.directory / async_dir
    gate, made = target.gate(), target.directory / 'made'
    orders = [
        Order('touch %s; : < %s; %s' % (made, gate, result()), queue='q'),
        Order('', argv=['{job}/payload'], stdin=False, queue='q', name='n', args='c2VjcmV0'),
        Order(result(), queue='q'),
    ]
    orders[1].script = ('#!/bin/sh\n%s' % result()).encode()
    target.start(*orders)

    _check_private(target.directory / async_dir.partition('/')[0])
    gate.open()
    assert set(target.end_states(*orders)) == {'succeeded'}
    target.look(orders[0].id)
    _check_private(target.directory / async_dir.partition('/')[0])
    assert mode(made) == '%04o' % (0o666 & ~umask)


def _check_private(directory: Path) -> None:
    modes = {str(path): mode(path) for path in [directory, *directory.rglob('*')]}
    assert len(modes) > 10
    for path, found in modes.items():
        kind = ('0700',) if os.path.isdir(path) or path.endswith('/payload') else ('0600',)
        assert found in kind, (path, found)


def test_a_running_binary_module_is_private_too(some_target: Target) -> None:
    read, gate = some_target.message(), some_target.gate()
    order = Order('', argv=['{job}/payload', '{job}/args'], stdin=False, args='c2VjcmV0')
    order.script = ('#!/bin/sh\ncat "$1" > %s; : < %s; %s' % (read, gate, result())).encode()
    some_target.start(order)

    assert read.heard() == 'secret'
    assert mode(some_target.files(order.id) / 'payload') == '0700'
    assert mode(some_target.files(order.id) / 'args') == '0600'
    gate.open()
    some_target.end(order.id)
    until(lambda: not some_target.processes())
    assert not {'payload', 'args', 'base', 'launch.json'} & {
        path.name for path in some_target.files(order.id).iterdir()
    }


@pytest.mark.parametrize('how', ['running', 'queued', 'ended', 'not executed', 'cancelled in the queue', 'lost'])
def test_where_a_secret_can_be_read(some_target: Target, how: str) -> None:
    """In the module's own process, and in private files for as long as they are needed, but for nothing else."""
    gate = some_target.gate()
    blocker = Order('exec sleep 1000', queue='q')
    order = Order(
        'password=%s; : < %s; %s' % (_SECRET, gate, result()),
        environment={'PASSWORD': _SECRET},
        argv=['/no/such'] if how == 'not executed' else ['/bin/sh'],
        queue='q',
    )
    waits = how in ('queued', 'cancelled in the queue')
    some_target.start(*([blocker] if waits else []), order)
    if how == 'ended':
        gate.open()
        some_target.end(order.id)
    elif how == 'cancelled in the queue':
        some_target.ask('cancel', ids=[order.id], grace=0, check=False)
    elif how == 'lost':
        some_target.kill_supervisor(order.id)
        some_target.look(order.id)

    for pid in some_target.processes():
        assert _SECRET not in Path('/proc/%d/cmdline' % pid).read_text(encoding='utf-8', errors='replace')
    files = [
        path for path in some_target.async_dir.rglob('*') if path.is_file() and _SECRET.encode() in path.read_bytes()
    ]
    assert {path.name for path in files} <= ({'launch.json', 'base'} if how == 'queued' else set()), files


def test_links_in_the_way_of_a_start(some_target: Target) -> None:
    """Planted by whatever came before: nothing is written through them."""
    victim = some_target.directory / 'victim'
    victim.write_text('precious', encoding='ascii')
    some_target.start()
    for number, what in enumerate(('.names/{name}', '.jobs/{id}', '{id}', '.queues/{queue}')):
        order = Order(result(), name='n%d' % number, queue='q%d' % number)
        link = some_target.async_dir / what.format(**order)
        link.symlink_to(victim)

        (look,) = some_target.start(order)
        assert look['error'] or look['job'] is None or some_target.ended(order.id)['state'] == 'succeeded'
        assert victim.read_text(encoding='ascii') == 'precious'
        if link.is_symlink():
            link.unlink()


@pytest.mark.parametrize('name', ['stdout', 'stderr', 'lock', 'end.json', 'end.spare', 'stop.json', 'collected'])
def test_links_in_the_way_of_a_job(some_target: Target, name: str) -> None:
    victim, gate = some_target.directory / 'victim', some_target.gate()
    victim.write_text('precious', encoding='ascii')
    job_id = some_target.run(gate.before(result()))
    path = some_target.files(job_id) / name
    if path.exists():
        path.unlink()
    path.symlink_to(victim)
    gate.open()
    until(lambda: not some_target.processes())

    for op in ('status', 'collect'):
        (look,) = some_target.ask(op, ids=[job_id])
        assert 'precious' not in str(look)
    assert victim.read_text(encoding='ascii') == 'precious'


def test_the_jobs_of_a_planted_link_are_not_removed(some_target: Target) -> None:
    elsewhere = some_target.directory / 'elsewhere'
    elsewhere.mkdir()
    (elsewhere / 'precious').touch()
    some_target.start()
    (some_target.async_dir / '.jobs/j1.1').symlink_to(elsewhere)

    list(_ask_all(some_target, 'j1.1'))
    assert (elsewhere / 'precious').exists()


def _nobody() -> int:
    return pwd.getpwnam('nobody').pw_uid


def _nobodys_group() -> int:
    return pwd.getpwnam('nobody').pw_gid


def test_a_group_that_the_user_is_alone_in_may_write(some_target: Target) -> None:
    """With an umask of 0002, ansible-core makes the async directory so."""
    own = pwd.getpwuid(os.geteuid())
    group = grp.getgrgid(own.pw_gid)
    if group.gr_name != own.pw_name or group.gr_mem:
        left_out('a group of its own for each user: this user has none')
    some_target.async_dir.mkdir()
    os.chown(str(some_target.async_dir), -1, group.gr_gid)
    some_target.async_dir.chmod(0o775)
    job_id = some_target.run(result())
    assert some_target.ended(job_id)['state'] == 'succeeded'


@pytest.mark.parametrize('part', ['', '.jobs', '.names', '.queues'])
@pytest.mark.parametrize(
    'wrong',
    ['of another user', 'a link of another user', 'a link to what another user has', 'group', 'others', 'a file'],
)
def test_a_directory_that_others_could_have_prepared(some_target: Target, part: str, wrong: str) -> None:
    """It is refused by every operation, and what is said names it, whose it is, and what to set."""
    if os.geteuid() != 0:
        left_out('directories of other users: making them needs root')
    some_target.start()
    path = some_target.async_dir / part
    aside = some_target.directory / 'aside'
    if wrong == 'group':
        os.chown(str(path), -1, _nobodys_group())
        path.chmod(0o770)
    elif wrong == 'others':
        path.chmod(0o702)
    else:
        shutil.rmtree(str(path))
        if wrong == 'of another user':
            path.mkdir()
            os.chown(str(path), _nobody(), 0)
        elif wrong == 'a file':
            path.touch()
        else:
            aside.mkdir(mode=0o700)
            path.symlink_to(aside)
            owned = path if wrong == 'a link of another user' else aside
            os.lchown(str(owned), _nobody(), 0)
    before = _tree(some_target.directory)

    said = [*_ask_all(some_target, 'j1.1')]
    with pytest.raises(Said) as error:
        some_target.run(result())
    for text in [*said, str(error.value)]:
        assert str(path) in text
        assert 'ansible_async_dir' in text
        if 'user' in wrong:
            assert 'belongs to user nobody' in text
            assert 'works as user root' in text
            assert 'become' in text
    assert _tree(some_target.directory) == before


@pytest.mark.parametrize('owner', ['link', 'directory'])
def test_nothing_is_made_where_a_link_of_another_user_leads(some_target: Target, owner: str) -> None:
    """Above the async directory, too: who may change a link decides where root writes."""
    if os.geteuid() != 0:
        left_out('links of other users: making them needs root')
    home, precious = some_target.directory / 'home', some_target.directory / 'precious'
    home.mkdir()
    precious.mkdir()
    (home / 'link').symlink_to(precious)
    os.lchown(str(home / 'link' if owner == 'link' else home), _nobody(), 0)
    some_target.async_dir = home / 'link/async'

    with pytest.raises(Said, match=r"the link 'link', which another user has made or may replace.*become"):
        some_target.run(result())
    assert list(precious.iterdir()) == []
    (precious / 'async').mkdir(mode=0o700)
    for text in _ask_all(some_target, 'j1.1'):
        assert 'another user' in text
    assert list((precious / 'async').iterdir()) == []


def test_a_link_of_root_is_trusted(some_target: Target) -> None:
    """An administrator may put the jobs of all users on a larger disk."""
    aside = some_target.directory / 'aside'
    aside.mkdir(mode=0o700)
    some_target.async_dir.symlink_to(aside)

    assert some_target.ended(some_target.run(result()))['state'] == 'succeeded'


def test_secrets_that_no_log_hides(target: Target) -> None:
    """What a look may show to whom is the controller's to decide, so each look says it; words of the module stay out."""
    order = Order(result(failed=True, msg=_SECRET), no_log=True)
    target.start(order)

    target.end(order.id)
    for op in ('wait', 'status', 'collect', 'cancel', 'list', 'prune'):
        filled = {key: [order.id] if key == 'ids' else value for key, value in _LATER[op].items()}
        (look,) = target.ask(op, **filled)
        assert look['no_log'] is True
        assert _SECRET not in str(look['job'])
        assert 'no_log' in look['job']['reason']


def test_nothing_secret_is_in_an_answer_that_is_shown(some_target: Target) -> None:
    """With -vvv, a connection prints what comes over it; the controller asks again when it has told it not to."""
    secret, open_to_all = [Order(result(msg=_SECRET), no_log=no_log) for no_log in (True, False)]
    some_target.start(secret, open_to_all)
    ids = [secret.id, open_to_all.id]
    some_target.end(*ids)
    for op in ('wait', 'status', 'collect'):
        asked = dict(_LATER[op], ids=ids)
        hidden, shown = some_target.ask(op, shown=True, **asked)
        assert _SECRET not in str(hidden)
        assert hidden['withheld'] is True
        whole = some_target.ask(op, **asked)
        assert _SECRET in str(whole[0])
        assert shown == whole[1]


def test_what_the_shell_of_a_module_inherits(target: Target) -> None:
    """No descriptor of ours, no signal blocked or ignored, a session of its own, nothing of the connection."""
    script = (
        "import json, os, signal; fds = [f for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f)];"
        "lines = dict(l.split(':\\t') for l in open('/proc/self/status').read().splitlines() if ':\\t' in l);"
        "print(json.dumps(dict(fds=sorted(fds), blocked=lines['SigBlk'], ignored=lines['SigIgn'],"
        " alone=os.getsid(0) == os.getpid() == os.getpgid(0))))"
    )
    job_id = target.run('exec %s -c "%s" < /dev/null' % (target.python, script))
    target.end(job_id)

    found = target.result_file(job_id)
    assert set(found['fds']) <= {'0', '1', '2'}
    assert found['alone'] is True
    assert int(found['blocked'], 16) == 0


@pytest.mark.parametrize('version', [None, 1, VERSION + 1])
def test_another_version_of_the_protocol_is_refused(newest_target: Target, version: Optional[int]) -> None:
    response = newest_target.respond(op='list', states=None, names=None, queues=None, version=version)
    assert 'version %d of its protocol, and was asked in version %s' % (VERSION, version) in response['error']
