# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-core's temporary directory of a task is gone as soon as no module needs it, whatever became of the job."""

import fcntl
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Dict

import pytest
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    PLUGINS,
    Order,
    Said,
    Target,
    result,
    start_request,
    until,
    until_dead,
)

_NESTED = '/'.join('x' * 1100)
"""A directory inside of so many others that Python cannot call a function in a function for each of them."""
_REMOVE = """
import sys
sys.path.insert(0, sys.argv[1])
from module_utils._runtime.files.tmpdir import remove_tmpdir
remove_tmpdir(sys.argv[2])
"""


def _tmpdir(target: Target, name: str = 'tmpdir') -> Path:
    path = target.directory / name
    path.mkdir()
    (path / 'upload').write_text('secret', encoding='ascii')
    return path


def _order(script: str, tmpdir: Path, **changes: object) -> Order:
    return Order(script, tmpdir=str(tmpdir), **changes)


def test_the_module_has_it_until_the_end(some_target: Target) -> None:
    gate, tmpdir = some_target.gate(), _tmpdir(some_target)
    order = _order(': < %s; cat %s/upload; %s' % (gate, tmpdir, result()), tmpdir, queue='q')
    some_target.start(order)
    assert [look['error'] for look in some_target.start(order)] == [None], 'asked again'
    gate.open()

    assert some_target.end(order.id)[0]['output']['stdout'].startswith('secret')
    until(lambda: not tmpdir.exists())


def test_it_is_nested_too_deeply_to_be_removed(some_target: Target) -> None:
    """All that can be reached goes, and the end stays as it is."""
    tmpdir = _tmpdir(some_target)
    order = _order('cd %s && mkdir -p %s && %s' % (tmpdir, _NESTED, result()), tmpdir)
    some_target.start(order)

    until(lambda: (some_target.files(order.id) / 'end.json').exists() and not some_target.processes())
    assert some_target.job(order.id)['state'] == 'succeeded'
    subprocess.run(['mkdir', '-p', _NESTED], cwd=str(tmpdir), check=True)
    (tmpdir / 'upload').write_bytes(b'')
    subprocess.run([some_target.python, '-I', '-S', '-c', _REMOVE, str(PLUGINS), str(tmpdir)], check=True)
    assert not (tmpdir / 'upload').exists()
    subprocess.run(['rm', '-r', str(tmpdir)], check=True)  # what pytest removes trees by may fail as well


@pytest.mark.parametrize('on_existing', ['attach', 'fail'])
def test_a_start_that_makes_no_job_because_of_its_name(some_target: Target, on_existing: str) -> None:
    first, second = _tmpdir(some_target, 'first'), _tmpdir(some_target, 'second')
    some_target.start(_order('exec sleep 1000', first, name='deploy'))

    (look,) = some_target.start(_order(result(), second, name='deploy', on_existing=on_existing))
    assert look['attached'] == (on_existing == 'attach')
    assert (first.exists(), second.exists()) == (True, False)


@pytest.mark.parametrize(
    'changes', [{'name': '.'}, {'queue': '.'}, {'limit': -1}, {'argv': ['/no/such']}, {'args': 7}], ids=str
)
def test_a_start_that_fails(some_target: Target, changes: object) -> None:
    tmpdir = _tmpdir(some_target)

    assert isinstance(changes, dict)
    (look,) = some_target.start(_order(result(), tmpdir, **changes))
    assert look['error'] or look['job']['state'] == 'failed'
    assert not tmpdir.exists()


def test_a_start_in_a_directory_that_cannot_be_used(some_target: Target) -> None:
    tmpdir = _tmpdir(some_target)
    some_target.async_dir.write_bytes(b'')

    with pytest.raises(Said):
        some_target.start(_order(result(), tmpdir))
    assert not tmpdir.exists()


@pytest.mark.parametrize('how', ['cancel', 'replace'])
def test_a_job_that_is_taken_out_of_its_queue(some_target: Target, how: str) -> None:
    tmpdir = _tmpdir(some_target)
    order = _order(result(), tmpdir, queue='q', name='deploy')
    some_target.start(Order('exec sleep 1000', queue='q'), order)
    assert tmpdir.exists()

    if how == 'cancel':
        some_target.ask('cancel', ids=[order.id], grace=0, check=False)
    else:
        some_target.start(Order(result(), name='deploy', on_existing='replace'))
    assert some_target.job(order.id)['state'] == 'cancelled'
    assert not tmpdir.exists()


def test_a_lost_job_keeps_it_while_its_module_runs(some_target: Target) -> None:
    first, second = _tmpdir(some_target, 'first'), _tmpdir(some_target, 'second')
    orders = [_order('exec sleep 1000', path) for path in (first, second)]
    some_target.start(*orders)
    pid = some_target.note(orders[1].id, 'run.json')['pid']
    for order in orders:
        some_target.kill_supervisor(order.id)
    os.kill(pid, signal.SIGKILL)
    until_dead(pid)

    assert [some_target.job(order.id)['state'] for order in orders] == ['lost', 'lost']
    assert (first.exists(), second.exists()) == (True, False)


def test_a_start_that_is_cut_off(some_target: Target) -> None:
    """The job is found without a supervisor, before its module was executed. Its start waits for a name here."""
    some_target.start()
    tmpdir = _tmpdir(some_target)
    order = _order(result(), tmpdir)
    with open(str(some_target.async_dir / '.names/taken'), 'w', encoding='ascii') as name:
        fcntl.flock(name, fcntl.LOCK_EX)
        starting = some_target.popen(start_request(order, Order(result(), name='taken')))
        until(lambda: len(some_target.processes()) == 3)  # the start, the supervisor, and the module's process to be
        for pid in some_target.processes() - {starting.pid}:
            os.kill(pid, signal.SIGKILL)
        starting.kill()  # last: its end lets modules be executed
        starting.communicate()
    until(lambda: not some_target.processes())

    assert some_target.job(order.id)['state'] == 'lost'
    assert not tmpdir.exists()


def test_a_supervisor_that_fails_before_its_module_runs(some_target: Target) -> None:
    tmpdir = _tmpdir(some_target)
    order = _order(result(), tmpdir)
    order['payload'] = {'base': str(hash(order.script)), 'head': 0, 'middle': 'x', 'tail': 0}
    some_target.start(order)

    assert 'the supervisor of job %s failed' % order.id in some_target.ended(order.id)['reason']
    until(lambda: not tmpdir.exists())


@pytest.mark.parametrize('changes', [{'version': 1}, {'async_dir': None}, {'bases': None}], ids=str)
def test_a_start_that_is_refused_as_a_whole(some_target: Target, changes: Dict[str, Any]) -> None:
    tmpdir = _tmpdir(some_target)
    with pytest.raises(Said):
        some_target.start(_order(result(), tmpdir), **changes)
    assert not tmpdir.exists()
