# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs that are functions and wait for others: the words of jobs that are modules, and no look is needed to go on."""

import os
import signal
from typing import Any

import pytest
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Gate,
    Order,
    Said,
    Target,
    blocked,
    function,
    result,
    until,
)

_BAD = result(failed=True, msg='no such host')


def _blocked(gate: Gate, script: str = '', **changes: Any) -> Order:
    return blocked(gate, script, function, **changes)


def _holder(target: Target, order: Order) -> int:
    """The process of a job that waits."""
    (pid,) = [pid for pid, jobs in target.locks().items() if order.id in jobs]
    return pid


def _is_tidy(target: Target) -> bool:
    """Whether nothing is left of who waits for whom, and no process."""
    return not list((target.async_dir / '.dependents').glob('*/*')) and not target.processes()


def test_a_row_of_functions(target: Target) -> None:
    """One after the other, although nobody looks; the first that does not succeed ends the row."""
    trace, gate = target.directory / 'trace', target.gate()
    say = 'echo %%s >> %s; %%s' % trace
    first = _blocked(gate, say % ('first', result()), name='first')
    second = function(say % ('second', _BAD), after=[first.id], queue='q')
    third = function(say % ('third', result()), after=[second.id])
    fourth = function(say % ('fourth', result()), after=[third.id])
    last = function(say % ('last', result()), after=[fourth.id], after_any=True)
    looks = target.start(first, second, third, fourth, last)

    assert [look['job']['state'] for look in looks] == ['running'] + ['queued'] * 4
    assert [look['job'].get('waits_for') for look in looks[:3]] == [None, ['first'], [second.id]]
    assert (looks[1]['job']['after'], looks[1]['job']['place']) == ([first.id], 'controller')
    gate.open()
    until((target.files(last.id) / 'end.json').exists)
    assert trace.read_text(encoding='ascii').split() == ['first', 'second', 'last']
    assert target.states(first, second, third, fourth, last) == [
        'succeeded',
        'failed',
        'skipped',
        'skipped',
        'succeeded',
    ]
    assert 'after the success of job %s, which failed' % second.id in target.job(third.id)['reason']
    assert 'waits_for' not in target.job(third.id)
    assert target.result_file(third.id)['skipped'] is True
    until(lambda: _is_tidy(target))


def test_functions_that_wait_get_into_their_queue_when_it_is_their_turn(some_target: Target) -> None:
    """So they take no slot before, and nobody waits for one behind them."""
    gates = [some_target.gate(str(number)) for number in range(3)]
    first = _blocked(gates[0], queue='q')
    waiting = _blocked(gates[1], queue='q', after=[first.id])
    other = _blocked(gates[2], queue='q')
    some_target.start(first, waiting, other)

    assert some_target.job(waiting.id).get('position') is None
    assert some_target.job(other.id)['position'] == 1
    gates[0].open()
    until(lambda: some_target.states(first, waiting, other) == ['succeeded', 'queued', 'running'])
    assert some_target.job(waiting.id)['position'] == 1
    gates[2].open()
    gates[1].open()
    assert some_target.end_states(waiting, other) == ['succeeded', 'succeeded']
    until(lambda: _is_tidy(some_target))


def test_a_fan_of_functions(some_target: Target) -> None:
    gate = some_target.gate()
    first = _blocked(gate)
    fan = [function(result(), after=[first.id]) for _number in range(8)]
    last = function(result(), after=[order.id for order in fan])
    some_target.start(first, *fan)
    some_target.start(last)  # of another request, by the ids

    assert len(some_target.job(last.id)['waits_for']) == 8
    gate.open()
    assert some_target.end_states(last) == ['succeeded']
    until(lambda: _is_tidy(some_target))


def test_what_has_ended_before_counts_at_once(some_target: Target) -> None:
    good, bad = function(result(), name='good'), function(_BAD)
    some_target.start(good, bad)
    some_target.end(good.id, bad.id)
    orders = [function(result(), after=[{'name': 'good'}]), function(result(), after=[good.id, bad.id])]
    some_target.start(*orders)
    assert some_target.end_states(*orders) == ['succeeded', 'skipped']
    with pytest.raises(Said, match='could not find job nowhere'):
        some_target.start(function(result(), after=[{'name': 'nowhere'}]))


def test_what_became_of_the_other(some_target: Target) -> None:
    """Cancelled, killed, or removed: those that wait are skipped, and say why, although nobody looks at them."""
    gates = [some_target.gate(str(number)) for number in range(3)]
    others = [_blocked(gate, grace=0) for gate in gates]
    waiting = [function(result(), after=[other.id]) for other in others]
    any_end = [function(result(), after=[other.id], after_any=True) for other in others]
    some_target.start(*others, *waiting, *any_end)

    some_target.ask('cancel', ids=[others[0].id], grace=0, check=False)
    some_target.kill_supervisor(others[1].id)
    until((some_target.files(waiting[1].id) / 'end.json').exists)
    gates[2].open()
    some_target.end(others[2].id)
    some_target.ask('remove', ids=[others[2].id])  # at once: its success counts
    assert some_target.end_states(*waiting) == ['skipped', 'skipped', 'succeeded']
    assert some_target.end_states(*any_end) == ['succeeded'] * 3
    reasons = [some_target.job(order.id)['reason'] for order in waiting[:2]]
    assert reasons[0].endswith('which was cancelled')
    assert reasons[1].endswith('which was lost')
    gates[1].open()  # the function of the killed one has survived
    until(lambda: _is_tidy(some_target))


def test_on_end_of_a_function_is_a_function(some_target: Target) -> None:
    trace = some_target.directory / 'trace'
    tell = 'echo "$BACKGROUND_JOBS_NAME $BACKGROUND_JOBS_STATE $BACKGROUND_JOBS_RC $BACKGROUND_JOBS_ID" >> %s; %s'
    orders = [
        function(result(rc=0), name='good', on_end=function(tell % (trace, result()), after_any=True)),
        function(result(failed=True, rc=3), on_end=function(tell % (trace, _BAD), after_any=True)),
    ]
    some_target.start(*orders)

    ends = [order['on_end'].id for order in orders]
    assert some_target.end_states(*orders) == ['succeeded', 'failed']
    assert [look['job']['state'] for look in some_target.end(*ends)] == ['succeeded', 'failed']
    assert sorted(trace.read_text(encoding='ascii').splitlines()) == [
        ' failed 3 %s' % orders[1].id,
        'good succeeded 0 %s' % orders[0].id,
    ]
    until(lambda: _is_tidy(some_target))


def test_one_that_waits_can_be_stopped(some_target: Target) -> None:
    """On request, by a shutdown, by kill -9; those that wait for it hear of that."""
    gate = some_target.gate()
    first = _blocked(gate)
    cancelled, stopped, killed = (function(result(), after=[first.id]) for _number in range(3))
    behind = [function(result(), after=[order.id]) for order in (cancelled, stopped, killed)]
    some_target.start(first, cancelled, stopped, killed, *behind)

    some_target.ask('cancel', ids=[cancelled.id], grace=10, check=False)
    os.kill(_holder(some_target, stopped), signal.SIGTERM)
    os.kill(_holder(some_target, killed), signal.SIGKILL)
    assert some_target.end_states(*behind) == ['skipped'] * 3
    jobs = [some_target.job(order.id) for order in (cancelled, stopped, killed)]
    assert [job['state'] for job in jobs] == ['cancelled', 'cancelled', 'lost']
    assert [job['started'] for job in jobs] == [None] * 3
    assert 'while it waited for other jobs' in jobs[0]['reason']
    assert 'was the host shut down?, while it waited for other jobs' in jobs[1]['reason']
    assert 'which waited for other jobs, was killed' in jobs[2]['reason']
    gate.open()
    assert some_target.end_states(first) == ['succeeded']
    until(lambda: _is_tidy(some_target))
