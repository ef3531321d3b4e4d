# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user may have no more processes (RLIMIT_NPROC): at the start of jobs, in a queue, and when a slot is handed on."""

import itertools
import os
import shutil
import subprocess
from typing import List

import pytest
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Order,
    Said,
    Target,
    blocked,
    result,
    until,
)

_REFUSED = 'could not start another process on this host: Resource temporarily unavailable'
_users = itertools.count(200000 + os.getpid() % 10000 * 100)


class _User:
    """A target whose requests are made by a user who has no other processes; the kernel exempts root from limits."""

    def __init__(self, target: Target) -> None:
        self.target = target
        number = next(_users)
        self._become = [
            'setpriv',
            '--reuid=%d' % number,
            '--regid=%d' % number,
            '--clear-groups',
            # The interpreter and the directory of the test are in private directories of root.
            '--inh-caps=-all,+dac_override',
            '--ambient-caps=-all,+dac_override',
            '--bounding-set=-all,+dac_override',
            '--',
        ]

    def limit(self, processes: int) -> None:
        """The next requests, and all that they start, may be this many processes together with what runs already."""
        self.target.prefix = ['prlimit', '--nproc=%d' % processes, *self._become]

    def limit_supervisor(self, job_id: str, processes: int) -> None:
        """The same for the supervisor of a job that runs."""
        pid = self.target.note(job_id, 'run.json')['supervisor']
        subprocess.run([*self._become, 'prlimit', '--pid=%d' % pid, '--nproc=%d' % processes], check=True)

    def states(self, orders: List[Order]) -> List[str]:
        return self.target.states(*orders)

    def idle(self) -> bool:
        return not self.target.processes()


@pytest.fixture
def user(some_target: Target) -> _User:
    if os.geteuid() != 0 or not shutil.which('setpriv') or not shutil.which('prlimit'):
        left_out('limits of processes: becoming another user needs root, setpriv and prlimit')
    return _User(some_target)


@pytest.mark.parametrize('processes', range(1, 8))
def test_a_start(user: _User, processes: int) -> None:
    """The request is one process, each job two. What fails ends its own job alone, and all others are reported."""
    orders = [Order('exec sleep 1000', name='n%d' % number) for number in range(3)]
    user.limit(processes)
    looks = user.target.start(*orders)

    running = {look['id'] for look in looks if look['job'] and look['job']['state'] == 'running'}
    for look in looks:
        if look['error']:
            assert _REFUSED in look['error']
            assert not user.target.files(look['id']).exists()
        elif look['id'] not in running:
            assert look['job']['state'] == 'failed'
            assert _REFUSED in look['job']['reason']
    assert user.target.supervised() == running
    assert len(running) <= (processes - 1) // 2
    if processes == 1:
        assert all(look['error'] for look in looks)
    if processes == 7:
        assert len(running) == 3


def test_a_trial_of_a_limit(user: _User) -> None:
    """It needs a process; the start says so, and starts nothing."""
    user.limit(1)

    with pytest.raises(Said, match=r'cannot limit a job as asked \(resources: nice\): .*%s' % _REFUSED):
        user.target.start(Order(result(), resources={'nice': 1}))


@pytest.mark.parametrize('processes', [1, 2])
@pytest.mark.parametrize('slots', [1, 3])
def test_jobs_stay_in_their_queue(user: _User, processes: int, slots: int) -> None:
    """Neither a start nor a look loses a job for want of a supervisor (1) or of a process for its module (2)."""
    trace = user.target.directory / 'trace'
    orders = [
        Order('echo %d >> %s; %s' % (number, trace, result()), queue='q', slots=slots if number < 4 else 1)
        for number in range(5)
    ]
    user.limit(processes)
    looks = user.target.start(*orders)
    assert [look['error'] for look in looks] == [None] * 5

    for _look in range(4):
        until(user.idle)
        assert user.states(orders) == ['queued'] * 5
    until(user.idle)
    user.limit(1000)
    assert set(user.target.end_states(*orders)) == {'succeeded'}
    assert trace.read_text(encoding='ascii').split() == ['0', '1', '2', '3', '4'], 'each in its place'


def test_a_queue_that_fails_does_no_harm_to_the_others(user: _User) -> None:
    """All jobs of the start are reported, and the modules that were forked do not wait for those that were not."""
    executed = user.target.message()
    orders = [
        Order('echo > %s; exec sleep 1000' % executed),
        Order('exec sleep 1000', queue='one'),
        Order('exec sleep 1000', queue='two'),
    ]
    user.limit(3)
    looks = user.target.start(*orders)

    assert executed.heard() == ''
    assert [(look['error'], look['job']['state']) for look in looks] == [
        (None, 'running'),
        (None, 'queued'),
        (None, 'queued'),
    ]


@pytest.mark.parametrize('late', [False, True], ids=['at once', 'late'])
def test_a_slot_is_handed_on(user: _User, late: bool) -> None:
    """The supervisor of a job that has ended cannot fork the next one."""
    gate = user.target.gate()
    orders = [blocked(gate, queue='q')] + [Order(result(), queue='q') for _number in range(2)]
    user.limit(1000)
    user.target.start(*orders)
    if late:
        user.target.until_small(orders[0].id)
    user.limit_supervisor(orders[0].id, 1)
    gate.open()
    until(user.idle)

    assert (user.target.files(orders[0].id) / 'end.json').exists()
    user.limit(1)
    assert user.states(orders) == ['succeeded', 'queued', 'queued']
    user.limit(1000)
    assert set(user.target.end_states(*orders)) == {'succeeded'}


def test_a_job_that_waits_again_is_cancelled(user: _User) -> None:
    order = Order('exec sleep 1000', queue='q')
    user.limit(2)
    user.target.start(order)
    until(user.idle)

    user.target.ask('cancel', ids=[order.id], grace=0, check=False)
    assert user.target.ended(order.id)['state'] == 'cancelled'
