# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs that are functions of the process that starts them: jobs like any other, in queues that many stores share."""

import copy
import functools
import os
import signal
from pathlib import Path
from typing import Any, List, Tuple

from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Gate,
    Order,
    Target,
    answer,
    blocked,
    function,
    result,
    start_request,
    until,
)

_function = functools.partial(function, output_limit=100000)


def _blocked(gate: Gate, **changes: Any) -> Order:
    return blocked(gate, order=_function, **{'queue': 'q', **changes})


def _stores(target: Target, count: int) -> List[Target]:
    """So many hosts of one controller."""
    stores = [copy.copy(target) for _number in range(count)]
    for number, store in enumerate(stores):
        store.async_dir = target.directory / 'controller' / ('host%d' % number)
    return stores


def _start_at_each(target: Target, count: int, **changes: Any) -> Tuple[List[Target], List[Gate], List[Order]]:
    """A blocked job on each of so many hosts of one controller, in order: (hosts, gates, jobs)."""
    stores = _stores(target, count)
    gates = [target.gate(str(number)) for number in range(count)]
    orders = [_blocked(gate, **changes) for gate in gates]
    for store, order in zip(stores, orders):
        store.start(order)
    return stores, gates, orders


def _states(stores: List[Target], orders: List[Order]) -> List[Any]:
    jobs = [store.job(order.id) for store, order in zip(stores, orders)]
    return [job['state'] if job.get('position') is None else job['position'] for job in jobs]


def test_a_function_is_a_job(target: Target) -> None:
    order = _function('echo one >&2; echo two >&2; %s' % result(changed=True), name='branch', limit=60)
    (look,) = target.start(order)
    assert (look['job']['place'], look['job']['state'], look['job']['module']) == ('controller', 'running', 'block')

    (look,) = target.end(order.id)
    assert (look['job']['state'], look['job']['elapsed'] > 0) == ('succeeded', True)
    assert look['output'] == {'rc': 0, 'stdout': '{"changed": true}', 'stderr': ''}
    (found,) = target.ask('status', ids=[{'name': 'branch'}], offsets=[0])
    assert found['live_output']['records'] == [['stdout', 'one', True], ['stdout', 'two', True]]
    assert found['result'] == {'changed': True}
    until(lambda: not target.processes())
    target.ask('remove', ids=[order.id])
    assert not target.files(order.id).exists()


def test_a_function_that_raises_has_failed(some_target: Target) -> None:
    order = _function('echo no JSON')
    some_target.start(order)

    job = some_target.ended(order.id)
    assert job['state'] == 'failed'
    assert 'ended with rc 1 and printed no JSON result' in job['reason']
    assert 'Error' in job['last_lines'][-1]


def test_a_supervisor_gives_the_memory_back_at_once_and_then_the_rest(some_target: Target) -> None:
    gate = some_target.gate()
    order = _blocked(gate, queue=None)
    some_target.start(order)

    run = some_target.note(order.id, 'run.json')
    until(lambda: b'_driver.py' not in Path('/proc/%d/cmdline' % run['supervisor']).read_bytes())
    some_target.until_small(order.id)
    gate.open()
    assert some_target.ended(order.id)['state'] == 'succeeded'


def test_a_function_has_nothing_of_its_starter_open(some_target: Target) -> None:
    order = _function('ls -l /proc/$PPID/fd >&2; %s' % result(), environment={'MARK': 'x'})
    some_target.start(order)

    some_target.end(order.id)
    (look,) = some_target.ask('status', ids=[order.id], offsets=[0])
    opened = [line.rpartition('-> ')[2] for _stream, line, _whole in look['live_output']['records'] if '->' in line]
    own = {'/dev/null', *[str(some_target.files(order.id) / name) for name in ('stdout', 'stderr', 'output')]}
    assert {path for path in opened if not path.startswith(('pipe:', '/proc/'))} <= own, opened
    # Standard output and error of the script, and the one by which Popen learns of its execution.
    assert len({path for path in opened if path.startswith('pipe:')}) <= 3, opened


def test_functions_end_as_modules_do(some_target: Target) -> None:
    gate = some_target.gate()
    late, stopped, killed = (_blocked(gate, queue=None, grace=0) for _number in range(3))
    late['limit'] = 1
    some_target.start(late, stopped, killed)

    some_target.ask('cancel', ids=[stopped.id], grace=0, check=False)
    some_target.kill_supervisor(killed.id)
    jobs = [look['job'] for look in some_target.end(late.id, stopped.id, killed.id)]
    assert [job['state'] for job in jobs] == ['timed_out', 'cancelled', 'lost']
    gate.open()  # the function of the last one has survived


def test_stores_share_the_slots_of_a_queue(target: Target) -> None:
    stores, gates, orders = _start_at_each(target, 4, slots=2)

    assert _states(stores, orders) == ['running', 'running', 1, 2]
    gates[1].open()
    stores[1].end(orders[1].id)
    until(lambda: _states(stores, orders) == ['running', 'succeeded', 'running', 1])
    for number in (0, 2, 3):
        gates[number].open()
        assert stores[number].ended(orders[number].id)['state'] == 'succeeded'
    until(lambda: not target.processes())
    assert list((target.directory / 'controller/.queues/q/jobs').iterdir()) == []


def test_what_waits_goes_on_when_nobody_looks(some_target: Target) -> None:
    """Neither a killed supervisor nor a killed process that waited strands the others, and their starts are all over."""
    stores, gates, orders = _start_at_each(some_target, 4)
    assert _states(stores, orders) == ['running', 1, 2, 3]
    (waiting,) = [pid for pid, jobs in stores[1].locks().items() if orders[1].id in jobs]

    os.kill(waiting, signal.SIGKILL)
    stores[0].kill_supervisor(orders[0].id)
    until((stores[2].files(orders[2].id) / 'run.json').exists)
    assert _states(stores, orders) == ['lost', 'lost', 'running', 1]
    assert 'waited in queue q, was killed' in stores[1].job(orders[1].id)['reason']
    for number in (0, 2, 3):
        gates[number].open()
    assert [stores[number].ended(orders[number].id)['state'] for number in (2, 3)] == ['succeeded'] * 2


def test_what_waits_can_be_cancelled_or_stopped_by_a_shutdown(some_target: Target) -> None:
    stores, gates, orders = _start_at_each(some_target, 4)

    stores[1].ask('cancel', ids=[orders[1].id], grace=10, check=False)
    assert 'taken out of queue q on request of user' in stores[1].ended(orders[1].id)['reason']
    (waiting,) = [pid for pid, jobs in stores[2].locks().items() if orders[2].id in jobs]
    os.kill(waiting, signal.SIGTERM)
    assert 'was the host shut down' in stores[2].ended(orders[2].id)['reason']
    assert _states(stores, orders) == ['running', 'cancelled', 'cancelled', 1]
    gates[0].open()
    gates[3].open()
    assert stores[3].ended(orders[3].id)['state'] == 'succeeded'


def test_more_slots_are_noticed(some_target: Target) -> None:
    stores = _stores(some_target, 3)
    gates = [some_target.gate(str(number)) for number in range(3)]
    orders = [_blocked(gate) for gate in gates]
    orders[2]['slots'] = 3
    for store, order in zip(stores[:2], orders):
        store.start(order)
    assert _states(stores[:2], orders) == ['running', 1]

    stores[2].start(orders[2])
    until(lambda: _states(stores, orders) == ['running'] * 3)
    for store, order, gate in zip(stores, orders, gates):
        gate.open()
        store.end(order.id)


def test_starts_of_the_same_instant_share_the_slots(some_target: Target) -> None:
    stores = _stores(some_target, 8)
    lock = some_target.directory / 'lock'
    orders = [_function('mkdir %s && rmdir %s && %s' % (lock, lock, result()), queue='q') for _store in stores]
    for process in [store.popen(start_request(order)) for store, order in zip(stores, orders)]:
        answer(process)
    assert [store.ended(order.id)['state'] for store, order in zip(stores, orders)] == ['succeeded'] * 8
