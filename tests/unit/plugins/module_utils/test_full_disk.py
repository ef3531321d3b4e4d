# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disk that jobs are kept on is full: at the start, while a job runs, and when it has a result to write."""

import itertools
import os
import signal
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Order,
    Said,
    Target,
    result,
    start_request,
    until,
    until_dead,
)

_SIZE = 512 * 1024
_PAGE = 4096
_FULL = 'No space left on device'


@pytest.fixture
def disk(some_target: Target) -> Iterator[Target]:
    """A target whose async directory is a small filesystem of its own."""
    if os.geteuid() != 0:
        left_out('full disks: mounting one needs root')
    some_target.async_dir.mkdir(mode=0o700)
    path = str(some_target.async_dir)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%d,mode=0700' % _SIZE, 'jobs', path], check=True)
    yield some_target
    some_target.clean_up()
    subprocess.run(['umount', '--lazy', path], check=True)


def _fill(target: Target, left: int = 0) -> None:
    """Use up the disk, but for *left* bytes."""
    filler = target.async_dir / 'filler'
    with open(str(filler), 'wb', buffering=0) as stream:
        with pytest.raises(OSError, match=_FULL):
            stream.writelines(itertools.repeat(b'x' * _PAGE))
        stream.truncate(stream.tell() // _PAGE * _PAGE - left)
    assert os.statvfs(str(target.async_dir)).f_bavail * _PAGE == left


def _empty(target: Target) -> None:
    (target.async_dir / 'filler').unlink()


def test_at_the_start(disk: Target) -> None:
    disk.start()
    for left in range(0, 10 * _PAGE, _PAGE):  # wherever in the start it is noticed
        _fill(disk, left)
        order = Order(result(), name='n%d' % left, queue='q' if left % (2 * _PAGE) else None)
        response = disk.respond(**start_request(order))
        said = response['error'] if 'error' in response else response['jobs'][0]['error']
        if not said:  # it was enough
            assert disk.ended(order.id)['state'] in ('succeeded', 'failed')
            continue
        assert _FULL in said
        assert not disk.look(order.id)['known']
        assert not disk.files(order.id).exists()
        assert not [path for path in (disk.async_dir / '.jobs').iterdir() if path.name.startswith('.')]
        _empty(disk)
        disk.start(order)
        assert disk.ended(order.id)['state'] == 'succeeded', 'tried again with more room'
    until(lambda: not disk.processes())


def test_between_the_queue_and_the_start(disk: Target) -> None:
    """A job waits for its turn, and when it comes there is room for the module, but not for what is known of it."""
    outcomes = []
    for left in range(0, 4 * _PAGE, _PAGE):
        first, second = Order('exec sleep 1000', queue='q'), Order('exec sleep 1000', queue='q')
        disk.start(first, second)
        run = disk.note(first.id, 'run.json')
        os.kill(run['supervisor'], signal.SIGSTOP)  # it must not see the module's death
        os.kill(run['pid'], signal.SIGKILL)
        disk.kill_supervisor(first.id)
        until_dead(run['pid'])  # it holds a deleted file open, whose page would become free
        _fill(disk, left)

        outcome = disk.job(second.id)
        outcomes.append(outcome['state'])
        if outcome['state'] == 'failed':
            assert _FULL in outcome['reason']
            assert disk.result_file(second.id)['failed'] is True
            until(lambda: not disk.processes())  # nothing runs on under a job that failed
        disk.ask('cancel', ids=[second.id], grace=0, check=False)
        disk.end(second.id)
        _empty(disk)
    assert outcomes[0] == 'failed'
    assert outcomes[-1] == 'running'


def test_the_output_of_the_module_fills_it(disk: Target) -> None:
    job_id = disk.run('yes background')

    job = disk.ended(job_id)
    assert job['state'] == 'failed'
    assert _FULL in job['reason']
    found = disk.result_file(job_id)
    assert (found['failed'], found['msg']) == (True, job['reason'])
    assert not (disk.files(job_id) / 'payload').exists()


def test_while_the_module_runs(disk: Target) -> None:
    gate = disk.gate()
    job_id = disk.run(gate.before(result(changed=True)))

    _fill(disk)
    assert disk.job(job_id)['state'] == 'running'
    gate.open()
    job = disk.ended(job_id)
    assert job['state'] == 'failed'
    assert _FULL in job['reason']
    assert disk.result_file(job_id)['msg'] == job['reason']


@pytest.mark.parametrize('size', [10, 10 * _PAGE])
def test_when_the_result_is_written(disk: Target, size: int) -> None:
    """The module has printed all of it, so nothing is lost; a program that reads the result file is told where it is."""
    printed, gate = disk.message(), disk.gate()
    text = 'x' * size
    script = """printf '{"text": "'; head -c %d /dev/zero | tr '\\0' x; printf '"}'; echo > %s; : < %s"""
    job_id = disk.run(script % (size, printed, gate))
    printed.heard()

    _fill(disk)
    gate.open()
    (look,) = disk.end(job_id)
    assert look['job']['state'] == 'succeeded'
    assert disk.look(job_id)['result'] == {'text': text}
    found = disk.result_file(job_id)
    if size < _PAGE:
        assert found == {'text': text}
    else:
        assert found['failed'] is True
        assert str(disk.files(job_id) / 'stdout') in found['msg']
        assert _FULL in found['msg']


def test_its_limit_is_over(disk: Target) -> None:
    begun = disk.message()
    job_id = disk.run("trap '' TERM; echo > %s; while :; do echo background; done" % begun, limit=1, grace=0)
    begun.heard()

    _fill(disk)
    assert disk.ended(job_id)['state'] == 'timed_out'
    assert disk.result_file(job_id)['msg'] == 'Timeout exceeded'
    until(lambda: not disk.processes())


def test_its_supervisor_is_killed(disk: Target) -> None:
    job_id = disk.run('exec sleep 1000')
    _fill(disk)
    disk.kill_supervisor(job_id)

    for _number in range(2):
        assert disk.job(job_id)['state'] == 'lost'


def test_the_job_that_fills_it_can_be_cancelled_and_removed(disk: Target) -> None:
    job_id = disk.run("trap '' TERM; while :; do echo background; done", name='filler', queue='q', grace=0)
    _fill(disk)

    disk.ask('cancel', ids=[{'name': 'filler'}], grace=0, check=False)
    assert disk.ended(job_id)['state'] == 'cancelled'
    assert [look['id'] for look in disk.ask('list', states=['cancelled'], names=None, queues=None)] == [job_id]
    disk.ask('prune', older_than=0, states=['cancelled'], keep=0, check=False)
    assert not disk.look(job_id)['known']


def test_a_waiting_job_is_cancelled(disk: Target) -> None:
    orders = Order('exec sleep 1000', queue='q'), Order(result(), queue='q')
    disk.start(*orders)
    _fill(disk)

    disk.ask('cancel', ids=[orders[1].id], grace=0, check=False)
    assert disk.job(orders[1].id)['state'] == 'cancelled'
    assert disk.job(orders[0].id)['state'] == 'running'


def test_the_home_cannot_be_written_to(some_target: Target) -> None:
    if os.geteuid() != 0:
        left_out('a read-only home: mounting one needs root')
    home = some_target.directory / 'home'
    home.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'ro', 'home', str(home)], check=True)
    try:
        some_target.async_dir = home / 'async'
        with pytest.raises(
            Said,
            match='cannot make the job directory %s as user .*Read-only.*ansible_async_dir' % some_target.async_dir,
        ):
            some_target.run(result())
        some_target.async_dir = Path('/proc/1/async')
        with pytest.raises(Said, match=r'cannot make the job directory.*ansible_async_dir'):
            some_target.run(result())
    finally:
        subprocess.run(['umount', str(home)], check=True)
