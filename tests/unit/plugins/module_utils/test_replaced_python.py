# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A job replaces the Python that its supervisor runs in, as an upgrade of the system does."""

import os
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._copy import Copy
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Order,
    Target,
    blocked,
    result,
    until,
)


@pytest.fixture
def copy(some_target: Target) -> Copy:
    return Copy(some_target)


@pytest.fixture(params=['at once', 'late'])
def when(request: pytest.FixtureRequest, copy: Copy) -> Callable[[str], None]:
    """Replaces the interpreter before the supervisor of a job has given its memory back, or after."""

    def replace(job_id: str) -> None:
        if request.param == 'late':
            copy.target.until_small(job_id)
        copy.replace()

    return replace


def test_the_job_ends_well(copy: Copy, when: Callable[[str], None]) -> None:
    gate, tmpdir = copy.target.gate(), copy.target.directory / 'tmpdir'
    (tmpdir / 'below').mkdir(parents=True)
    (tmpdir / 'below' / 'file').write_bytes(b'')
    job_id = copy.target.run('sleep 3; : < %s; %s' % (gate, result(changed=True)), tmpdir=str(tmpdir))
    when(job_id)
    gate.open()

    assert copy.target.ended(job_id)['state'] == 'succeeded'
    assert copy.target.result_file(job_id) == {'changed': True}
    until(lambda: not copy.target.processes())
    assert not tmpdir.exists()


def test_a_short_job_ends_well(copy: Copy) -> None:
    gate, tmpdir = copy.target.gate(), copy.target.directory / 'tmpdir'
    tmpdir.mkdir()
    job_id = copy.target.run(gate.before(result(changed=True)), tmpdir=str(tmpdir), limit=1.9)
    copy.replace()
    gate.open()

    assert copy.target.ended(job_id)['state'] in ('succeeded', 'timed_out')
    until(lambda: not copy.target.processes())
    assert not tmpdir.exists()


@pytest.mark.parametrize('how', ['limit', 'cancel'])
def test_its_tree_is_stopped(copy: Copy, when: Callable[[str], None], how: str) -> None:
    script = "(setsid sh -c 'trap \"\" TERM; exec sleep 1000' &); exec sleep 1000"
    job_id = copy.target.run(script, limit=6 if how == 'limit' else None, grace=0)
    when(job_id)

    if how == 'cancel':
        copy.target.ask('cancel', ids=[job_id], grace=0, check=False)
    assert copy.target.ended(job_id)['state'] == {'limit': 'timed_out', 'cancel': 'cancelled'}[how]
    until(lambda: not copy.target.processes())


def test_the_queue_goes_on(copy: Copy, when: Callable[[str], None]) -> None:
    """Its next jobs run, also long ones; one that needs the interpreter says what is wrong with it."""
    gate = copy.target.gate()
    first = Order('sleep 3; : < %s; %s' % (gate, result()), queue='q')
    broken = Order('print("{}")', argv=[str(copy.program)], queue='q')
    missing = Order('print("{}")', argv=[str(copy.program) + 'x'], queue='q')
    long = Order('sleep 3; (setsid sleep 1000 &) ; %s; exec sleep 1000' % result(), queue='q', limit=5, grace=0)
    last = Order('sleep 3; %s' % result(), queue='q')
    orders = first, broken, missing, long, last
    copy.target.start(*orders)
    when(first.id)
    gate.open()

    jobs = [look['job'] for look in copy.target.end(*[order.id for order in orders])]
    assert [job['state'] for job in jobs] == ['succeeded', 'failed', 'failed', 'timed_out', 'succeeded']
    assert str(copy.program) in jobs[1]['reason']
    assert 'could not start' in jobs[1]['reason']
    assert 'could not execute' in jobs[2]['reason']
    until(lambda: not copy.target.processes())


def test_a_long_job_after_a_long_job_gives_its_memory_back(some_target: Target) -> None:
    gates = [some_target.gate(name) for name in ('first', 'second')]
    first, second = (blocked(gate, queue='q') for gate in gates)
    some_target.start(first, second)
    some_target.until_small(first.id)
    gates[0].open()
    until((some_target.files(second.id) / 'run.json').exists)
    some_target.until_small(second.id)
    gates[1].open()

    assert some_target.ended(second.id)['state'] == 'succeeded'
    assert os.listdir(str(some_target.files(second.id)))


def test_supervisors_of_one_start_share_their_bundle(some_target: Target) -> None:
    gates = [some_target.gate('gate%d' % number) for number in range(4)]
    orders = [blocked(gate) for gate in gates]
    some_target.start(*orders)
    for order in orders:
        some_target.until_small(order.id)
    bundles = {_bundle(some_target.note(order.id, 'run.json')['supervisor']) for order in orders}
    for gate in gates:
        gate.open()

    assert len(bundles) == 1
    assert set(some_target.end_states(*orders)) == {'succeeded'}


def _bundle(pid: int) -> int:
    """The number of the file that is the bundle of the supervisor *pid*."""
    (inode,) = {
        file.stat().st_ino for file in Path('/proc/%d/fd' % pid).iterdir() if 'bundle' in os.readlink(str(file))
    }
    return inode
