# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs that wait for the ends of others: each starts when it may, at once, or is skipped and says why."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any, List

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import Store
from ansible_collections.background.jobs.plugins.module_utils._runtime.schedule.dependents import Dependents, Edge
from ansible_collections.background.jobs.plugins.module_utils._runtime.schedule.queue import Queue
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Order,
    Said,
    Target,
    blocked,
    result,
    until,
)

_BAD = result(failed=True, msg='no such host')


def _row(*orders: Order) -> List[Order]:
    """*orders*, each after the one before."""
    for before, order in zip(orders, orders[1:]):
        order['after'] = [before.id]
    return list(orders)


def _left(target: Target) -> List[str]:
    """What is left of who waits for whom."""
    folder = target.async_dir / '.dependents'
    return [str(path) for path in folder.glob('*/*')]


def test_a_job_starts_after_the_success_of_another(target: Target) -> None:
    trace, gate = target.directory / 'trace', target.gate()
    first = blocked(gate, 'echo first >> %s; %s' % (trace, result()))
    second = Order('echo second >> %s; %s' % (trace, result()), after=[first.id])
    looks = target.start(first, second)

    assert [look['job']['state'] for look in looks] == ['running', 'queued']
    assert looks[1]['job']['waits_for'] == [first.id]
    assert looks[1]['job']['after'] == [first.id]
    run = target.note(first.id, 'run.json')
    assert target.processes() == {run['supervisor'], run['pid']}  # what waits takes no process
    gate.open()
    assert target.end_states(first, second) == ['succeeded', 'succeeded']
    assert trace.read_text(encoding='ascii').split() == ['first', 'second']
    assert 'waits_for' not in target.job(second.id)
    assert _left(target) == []


def test_the_first_that_does_not_succeed_ends_the_row(target: Target) -> None:
    trace = target.directory / 'trace'
    orders = _row(Order(result()), Order(_BAD, name='fetch'), Order('touch %s' % trace), Order('touch %s' % trace))
    target.start(*orders)

    assert target.end_states(*orders) == ['succeeded', 'failed', 'skipped', 'skipped']
    reasons = [target.job(order.id)['reason'] for order in orders[2:]]
    assert 'was to start after the success of job %s (fetch), which failed' % orders[1].id in reasons[0]
    assert 'job %s, which was skipped' % orders[2].id in reasons[1]
    assert not trace.exists()
    assert target.result_file(orders[2].id) == {
        'skipped': True,
        'changed': False,
        'msg': reasons[0],
        'ansible_job_id': orders[2].id,
    }
    assert _left(target) == []


@pytest.mark.parametrize('script', [result(), _BAD, 'kill -9 $$'], ids=['succeeded', 'failed', 'killed'])
def test_after_any_starts_however_the_other_has_ended(some_target: Target, script: str) -> None:
    first = Order(script)
    second = Order(result(), after=[first.id], after_any=True)
    some_target.start(first, second)
    assert some_target.end_states(second) == ['succeeded']


def test_another_request_names_the_job_it_waits_for(some_target: Target) -> None:
    gate = some_target.gate()
    first = blocked(gate, name='download')
    some_target.start(first)
    by_name = Order(result(), after=[{'name': 'download'}])
    by_id = Order(result(), after=[first.id, {'name': 'download'}])
    some_target.start(by_name, by_id)

    assert some_target.job(by_name.id)['waits_for'] == ['download']
    assert some_target.job(by_id.id)['after'] == [first.id]
    gate.open()
    assert some_target.end_states(by_name, by_id) == ['succeeded', 'succeeded']


def test_what_has_ended_before_counts_at_once(some_target: Target) -> None:
    good, bad = some_target.run(result()), some_target.run(_BAD)
    some_target.end(good, bad)
    orders = [Order(result(), after=[good]), Order(result(), after=[good, bad]), Order(result(), after=[bad])]
    orders[2]['after_any'] = True
    looks = some_target.start(*orders)

    assert looks[1]['job']['state'] == 'skipped'
    assert some_target.end_states(*orders) == ['succeeded', 'skipped', 'succeeded']


def test_an_unknown_job_is_an_error_before_anything_starts(some_target: Target) -> None:
    trace = some_target.directory / 'trace'
    orders = [Order('touch %s' % trace), Order(result(), after=['j20260101000000000000.00000001', {'name': 'no'}])]
    with pytest.raises(
        Said, match=r'could not find job j20260101000000000000.00000001, job no, .* Nothing was started'
    ):
        some_target.start(*orders)
    assert not trace.exists()
    assert some_target.ask('list', states=None, names=None, queues=None) == []


def test_a_start_that_is_asked_again_starts_nothing(some_target: Target) -> None:
    """Also if what it was after is gone by then."""
    first = some_target.run(result())
    order = Order(result(), after=[first])
    some_target.start(order)
    some_target.end(order.id)
    some_target.ask('remove', ids=[first])
    assert some_target.start(order)[0]['job']['state'] == 'succeeded'


def test_a_job_waits_for_the_one_that_the_start_attached_to(some_target: Target) -> None:
    gate = some_target.gate()
    there = blocked(gate, name='download')
    some_target.start(there)
    again = Order(result(), name='download')
    after = Order(result(), after=[again.id])
    looks = some_target.start(again, after)

    assert looks[0]['attached']
    assert looks[1]['job']['after'] == [there.id]
    gate.open()
    assert some_target.end_states(after) == ['succeeded']


def test_a_job_whose_predecessor_was_not_started_is_not_started(some_target: Target) -> None:
    orders = _row(Order(result(), slots=0), Order(result()))
    looks = some_target.start(*orders)
    assert 'slots must be 1 or more' in looks[0]['error']
    assert 'job %s, after which it was to start, was not started' % orders[0].id in looks[1]['error']


def test_a_job_of_a_queue_takes_no_slot_while_it_waits(target: Target) -> None:
    gates = [target.gate('first'), target.gate('other')]
    first, other = blocked(gates[0]), blocked(gates[1], queue='q')
    waits = Order(result(), queue='q', after=[first.id])
    target.start(first, waits, other)

    assert target.states(first, waits, other) == ['running', 'queued', 'running']
    gates[0].open()
    target.end(first.id)
    until(lambda: target.job(waits.id).get('position') == 1)
    gates[1].open()
    assert target.end_states(waits) == ['succeeded']


def test_cancel_of_a_waiting_one_skips_those_behind_it(some_target: Target) -> None:
    gate = some_target.gate()
    orders = _row(blocked(gate), Order(result()), Order(result()))
    any_of = Order(result(), after=[orders[1].id], after_any=True)
    some_target.start(*orders, any_of)
    some_target.ask('cancel', ids=[orders[1].id], grace=0, check=False)

    assert some_target.end_states(*orders[1:], any_of) == ['cancelled', 'skipped', 'succeeded']
    assert 'while it waited for other jobs' in some_target.job(orders[1].id)['reason']
    assert some_target.states(orders[0]) == ['running']
    gate.open()


def test_cancel_of_a_whole_row_starts_none_of_it(some_target: Target) -> None:
    trace = some_target.directory / 'trace'
    orders = _row(blocked(some_target.gate()), *[Order('touch %s' % trace, after_any=True) for _number in range(3)])
    some_target.start(*orders)
    some_target.ask('cancel', ids=[order.id for order in orders], grace=0, check=False)

    assert some_target.end_states(*orders) == ['cancelled'] * 4
    assert not trace.exists()


@pytest.mark.parametrize(
    ('how', 'told'),
    [
        ('cancelled', 'was cancelled'),
        ('timed_out', 'reached its limit'),
        ('lost', 'was lost'),
        ('removed', 'was removed'),
    ],
)
def test_whatever_ends_the_other_job_is_told(some_target: Target, how: str, told: str) -> None:
    first = blocked(some_target.gate(), limit=0.2 if how == 'timed_out' else None)
    second = Order(result(), after=[first.id])
    some_target.start(first, second)
    if how == 'cancelled':
        some_target.ask('cancel', ids=[first.id], grace=0, check=False)
    elif how == 'lost':
        some_target.kill_supervisor(first.id)
    elif how == 'removed':
        shutil.rmtree(str(some_target.files(first.id)))

    job = some_target.ended(second.id)
    assert job['state'] == 'skipped'
    assert told in job['reason']


def test_the_files_of_a_success_may_go_before_the_next_starts(some_target: Target) -> None:
    """Its end counted when it came, though a third job holds the second back."""
    gate = some_target.gate()
    first, third = Order(result()), blocked(gate)
    second = Order(result(), after=[first.id, third.id])
    some_target.start(first, third, second)
    some_target.end(first.id)
    some_target.ask('remove', ids=[first.id])
    gate.open()
    assert some_target.end_states(second) == ['succeeded']


@pytest.mark.parametrize('op', ['status', 'list', 'wait'])
def test_any_look_goes_on_where_a_supervisor_was_killed(some_target: Target, op: str) -> None:
    """The whole row is settled by one look at its end."""
    orders = _row(blocked(some_target.gate()), Order(result(), after_any=True), Order(result()), Order(result()))
    some_target.start(*orders)
    some_target.kill_supervisor(orders[0].id)
    if op == 'list':
        some_target.ask('list', states=None, names=None, queues=None)
    else:
        some_target.ask(op, ids=[orders[-1].id], seconds=0)
    until((some_target.files(orders[-1].id) / 'end.json').exists)
    assert some_target.states(*orders) == ['lost', 'succeeded', 'succeeded', 'succeeded']


def test_a_row_outlives_a_power_cut(some_target: Target) -> None:
    """The kernel's locks and all processes are gone, and so is what nobody has synced: who waits for whom, from the end."""
    orders = _row(blocked(some_target.gate()), Order(result(), after_any=True), Order(result()))
    some_target.start(*orders)
    some_target.clean_up()
    shutil.rmtree(str(some_target.async_dir / '.dependents' / 'of'))

    assert some_target.states(orders[2]) == ['queued']
    assert some_target.end_states(*orders) == ['lost', 'succeeded', 'succeeded']


def test_a_ready_job_that_nobody_started_is_started_by_a_look(some_target: Target) -> None:
    gate = some_target.gate()
    orders = _row(blocked(gate), Order(result()))
    queued = Order(result(), queue='q', after=[orders[0].id])
    some_target.start(*orders, queued)
    some_target.kill_supervisor(orders[0].id)
    for order in (orders[1], queued):  # as if whoever noticed the end was killed just then
        (some_target.async_dir / '.dependents' / 'waiting' / order.id / orders[0].id).unlink()
    assert some_target.end_states(orders[1], queued) == ['succeeded', 'succeeded']


def test_a_ready_job_that_is_in_its_queue_already_is_started_once(some_target: Target) -> None:
    """As if whoever put it there was killed before it was taken out of those that wait, and then the power went."""
    trace = some_target.directory / 'trace'
    first = blocked(some_target.gate())
    second = Order('echo + >> %s; %s' % (trace, result()), queue='q', after=[first.id])
    some_target.start(first, second)
    some_target.kill_supervisor(first.id)
    store = Store(str(some_target.async_dir))
    with Dependents(store) as dependents, Queue(store, 'q') as queue:
        dependents.met(Edge(second.id, first.id))
        queue.add(second.id, slots=2)

    assert some_target.end_states(second) == ['succeeded']
    assert _left(some_target) == []
    assert trace.read_text(encoding='ascii').split() == ['+']


def test_a_shutdown_leaves_those_that_wait_to_the_next_boot(some_target: Target) -> None:
    orders = _row(blocked(some_target.gate()), Order(result(), after_any=True))
    some_target.start(*orders)
    os.kill(some_target.note(orders[0].id, 'run.json')['supervisor'], signal.SIGTERM)
    until(lambda: not some_target.processes())
    assert (some_target.files(orders[1].id) / 'launch.json').exists()
    assert some_target.end_states(*orders) == ['cancelled', 'succeeded']


def test_a_supervisor_in_its_small_image_starts_what_came_meanwhile(some_target: Target) -> None:
    gate = some_target.gate()
    first = blocked(gate)
    some_target.start(first)
    some_target.until_small(first.id)
    second = Order(result(), after=[first.id])
    some_target.start(second)
    gate.open()
    until((some_target.files(second.id) / 'end.json').exists)  # without a look
    assert some_target.states(second) == ['succeeded']


def test_no_two_looks_start_a_job_twice(some_target: Target) -> None:
    trace = some_target.directory / 'trace'
    orders = _row(blocked(some_target.gate()), Order('echo + >> %s; %s' % (trace, result()), after_any=True))
    some_target.start(*orders)
    some_target.kill_supervisor(orders[0].id)
    requests = [some_target.popen({'op': 'status', 'ids': [orders[1].id]}) for _number in range(6)]
    for request in requests:
        request.communicate()
    assert some_target.end_states(orders[1]) == ['succeeded']
    assert trace.read_text(encoding='ascii').split() == ['+']


@pytest.mark.parametrize('how', ['prune', 'remove'])
def test_a_lost_success_counts_when_its_files_are_removed(some_target: Target, how: str) -> None:
    """A supervisor of version 0.1.0, for one, goes on with no job that waits. Then whoever removes the files does."""
    job_id = some_target.run(result())
    some_target.end(job_id)
    order = Order(result())
    gate = some_target.gate()
    hold = blocked(gate)
    order['after'] = [hold.id]
    some_target.start(hold, order)
    with Dependents(Store(str(some_target.async_dir))) as dependents:  # as if it had waited for both from the beginning
        dependents.remove(order.id)
        dependents.add(order.id, [hold.id, job_id])
    if how == 'prune':
        some_target.ask('prune', states=['succeeded'], older_than=0, keep=0, check=False)
    else:
        some_target.ask('remove', ids=[job_id])
    assert not some_target.files(job_id).exists()
    gate.open()
    assert some_target.end_states(order) == ['succeeded']


_MANY = pytest.mark.parametrize('count', [250, pytest.param(1000, marks=pytest.mark.nightly)])
"""Python nests a thousand calls at most, and one supervisor inside of another takes five of them."""


@pytest.mark.long
@_MANY
def test_a_long_row_nests_nothing(newest_target: Target, count: int) -> None:
    trace = newest_target.directory / 'trace'
    orders = _row(*[Order('echo %d >> %s; %s' % (number, trace, result())) for number in range(count)])
    newest_target.start(*orders)
    until((newest_target.files(orders[-1].id) / 'end.json').exists, seconds=300)
    assert trace.read_text(encoding='ascii').split() == [str(number) for number in range(count)]
    assert set(newest_target.states(*orders)) == {'succeeded'}


@_MANY
def test_a_long_row_is_skipped(newest_target: Target, count: int) -> None:
    orders = _row(Order(_BAD), *[Order(result()) for _number in range(count)])
    newest_target.start(*orders)
    until((newest_target.files(orders[-1].id) / 'end.json').exists, seconds=300)
    assert newest_target.states(*orders) == ['failed'] + ['skipped'] * count


@pytest.mark.long
@pytest.mark.parametrize('count', [100, pytest.param(500, marks=pytest.mark.nightly)])
def test_one_then_many_then_one(newest_target: Target, count: int) -> None:
    gate = newest_target.gate()
    first = blocked(gate)
    middle = [Order(result(), after=[first.id], queue='q', slots=8) for _number in range(count)]
    last = Order(result(), after=[order.id for order in middle])
    newest_target.start(first, *middle, last)
    assert len(newest_target.job(last.id)['waits_for']) == count
    gate.open()
    until((newest_target.files(last.id) / 'end.json').exists, seconds=300)
    assert set(newest_target.states(first, *middle, last)) == {'succeeded'}
    assert _left(newest_target) == []


def _tells(trace: Path, **changes: Any) -> Order:
    """A job of `on_end`, which writes down what it gets to know."""
    told = ' '.join('<$BACKGROUND_JOBS_%s>' % key for key in ('ID', 'NAME', 'STATE', 'RC'))
    return Order('echo "%s" >> %s; %s' % (told, trace, result()), after_any=True, **changes)


@pytest.mark.parametrize(
    ('script', 'told'),
    [
        (result(rc=0), '<upgrade> <succeeded> <0>'),
        (result(rc=3, failed=True), '<upgrade> <failed> <3>'),
        ('kill -9 $$', '<upgrade> <failed> <>'),
    ],
    ids=['success', 'failure', 'killed'],
)
def test_on_end_tells_how_a_job_has_ended(target: Target, script: str, told: str) -> None:
    trace = target.directory / 'trace'
    end = _tells(trace)
    order = Order(script, name='upgrade', on_end=end)
    looks = target.start(order)

    assert [look['id'] for look in looks] == [order.id]
    assert target.job(end.id)['after'] == [order.id]
    assert target.end_states(end) == ['succeeded']
    assert trace.read_text(encoding='ascii') == '<%s> %s\n' % (order.id, told)
    assert _left(target) == []


@pytest.mark.parametrize('how', ['cancelled', 'timed_out', 'lost', 'removed', 'skipped', 'queued'])
def test_on_end_runs_whatever_the_end(some_target: Target, how: str) -> None:
    trace, gate = some_target.directory / 'trace', some_target.gate()
    end = _tells(trace)
    order = blocked(gate, limit=0.2 if how == 'timed_out' else None, on_end=end)
    if how == 'skipped':
        order['after'] = [some_target.run(_BAD)]
    elif how == 'queued':
        some_target.start(blocked(some_target.gate('other'), queue='q'))
        order['queue'] = 'q'
    some_target.start(order)
    if how in ('cancelled', 'queued'):
        some_target.ask('cancel', ids=[order.id], grace=0, check=False)
    elif how == 'lost':
        some_target.kill_supervisor(order.id)
    elif how == 'removed':
        shutil.rmtree(str(some_target.files(order.id)))

    assert some_target.end_states(end) == ['succeeded']
    state = 'cancelled' if how == 'queued' else how
    assert trace.read_text(encoding='ascii') == '<%s> <> <%s> <>\n' % (order.id, state)


def test_the_failure_of_on_end_is_its_own(some_target: Target) -> None:
    end = Order(_BAD, after_any=True)
    order = Order(result(), on_end=end)
    some_target.start(order)
    assert some_target.end_states(end, order) == ['failed', 'succeeded']


def test_on_end_is_started_once(some_target: Target) -> None:
    """Neither with the job that a start attaches to, nor by a start that is asked again."""
    trace, gate = some_target.directory / 'trace', some_target.gate()
    order = blocked(gate, name='upgrade', on_end=_tells(trace))
    tmpdir = some_target.directory / 'tmpdir'
    tmpdir.mkdir()
    again = blocked(gate, name='upgrade', on_end=_tells(trace, tmpdir=str(tmpdir)))
    some_target.start(order)
    some_target.start(order)
    assert some_target.start(again)[0]['attached']
    assert not tmpdir.exists()  # of a job that was not made
    gate.open()
    listed = some_target.ask('list', states=None, names=None, queues=None)
    assert {look['id'] for look in listed} == {order.id, order['on_end'].id}
    assert set(some_target.end_states(order, order['on_end'])) == {'succeeded'}
    assert trace.read_text(encoding='ascii').count('\n') == 1


def test_a_job_whose_on_end_cannot_be_made_is_not_started(some_target: Target) -> None:
    trace = some_target.directory / 'trace'
    (look,) = some_target.start(Order('touch %s' % trace, on_end=_tells(trace, grace=-1)))
    assert 'grace must be a number of 0 or more' in look['error']
    assert some_target.ask('list', states=None, names=None, queues=None) == []
    assert _left(some_target) == []
    assert not trace.exists()


def test_a_job_that_a_power_cut_left_half_ready_does_not_stop_a_look(some_target: Target) -> None:
    """It waits for nothing any more, but what to execute is gone."""
    gate = some_target.gate()
    first = blocked(gate)
    second = Order(result(), after=[first.id])
    some_target.start(first, second)
    (some_target.files(second.id) / 'launch.json').unlink()
    (some_target.async_dir / '.dependents/waiting' / second.id / first.id).unlink()

    assert some_target.end_states(second) == ['lost']
    gate.open()
    assert some_target.end_states(first) == ['succeeded']
