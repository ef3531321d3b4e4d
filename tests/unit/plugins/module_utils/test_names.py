# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A name stands for one live job at most, whoever starts it, and however its start was cut off."""

import fcntl
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.names import Name
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import Store
from ansible_collections.background.jobs.plugins.module_utils._runtime.requests import start
from ansible_collections.background.jobs.plugins.module_utils._runtime.requests.look import take_look
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    ENDED,
    HUNG,
    Gate,
    Look,
    Order,
    Said,
    Target,
    answer,
    blocked,
    looks,
    result,
    start_request,
    until,
)


def _waits(gate: Gate, **changes: Any) -> Order:
    return blocked(gate, **{'name': 'deploy', **changes})


def _start(target: Target, order: Order) -> Look:
    return target.start(order)[0]


def _named(target: Target, name: str = 'deploy') -> Look:
    return target.ask('collect', ids=[{'name': name}])[0]


def test_a_live_job_is_attached_to(target: Target) -> None:
    gate = target.gate()
    first, second = _waits(gate), _waits(gate)
    assert not _start(target, first)['attached']

    look = _start(target, second)
    assert (look['id'], look['attached'], look['job']['state']) == (first.id, True, 'running')
    assert not target.files(second.id).exists()
    gate.open()
    assert target.end(look['id'])[0]['job']['name'] == 'deploy'


def test_a_result_that_nobody_has_collected_is_attached_to(some_target: Target) -> None:
    first, second, third = [Order(result(number=number), name='deploy') for number in range(3)]
    _start(some_target, first)
    some_target.end(first.id)

    look = _start(some_target, second)
    assert (look['id'], look['ended'], look['attached']) == (first.id, True, True)
    assert _named(some_target)['output']['stdout'] == '{"number": 0}\n'
    look = _start(some_target, third)
    assert (look['id'], look['attached']) == (third.id, False)


def test_a_waiting_job_is_attached_to(some_target: Target) -> None:
    gate = some_target.gate()
    first, second = Order('exec sleep 1000', queue='q'), _waits(gate, queue='q')
    some_target.start(first, second)

    look = _start(some_target, _waits(gate))
    assert (look['id'], look['job']['state']) == (second.id, 'queued')


@pytest.mark.parametrize('state', ['running', 'queued'])
def test_a_live_job_of_other_work_is_not_attached_to(some_target: Target, state: str) -> None:
    gate = some_target.gate()
    first = _waits(gate, queue='q', work='one')
    some_target.start(*([Order('exec sleep 1000', queue='q')] if state == 'queued' else []), first)

    other = _waits(gate, work='two')
    look = _start(some_target, other)
    assert (look['id'], look['attached'], look['job']) == (other.id, False, None)
    assert "job %s of the name 'deploy' is %s already, and does other work" % (first.id, state) in look['error']
    assert not some_target.files(other.id).exists()
    assert _named(some_target)['id'] == first.id
    look = _start(some_target, _waits(gate, work='one'))
    assert (look['id'], look['attached']) == (first.id, True)


def test_a_result_of_other_work_is_left_and_said_so(some_target: Target) -> None:
    first, second, third = [Order(result(number=number), name='deploy', work='w%d' % number) for number in range(3)]
    _start(some_target, first)
    some_target.end(first.id)
    some_target.ask('collect', ids=[second.id])  # as a look at another job does not collect it

    look = _start(some_target, second)
    assert (look['id'], look['attached'], look['error']) == (second.id, False, None)
    assert (look['uncollected']['id'], look['uncollected']['state']) == (first.id, 'succeeded')
    some_target.end(second.id)
    assert some_target.ask('collect', ids=[first.id])[0]['output']['stdout'] == '{"number": 0}\n', 'it is left'
    some_target.ask('collect', ids=[second.id])
    look = _start(some_target, third)
    assert (look['id'], look['uncollected']) == (third.id, None), 'a collected one is not worth a word'


def test_a_result_of_unknown_work_is_not_taken_for_a_new_one(some_target: Target) -> None:
    """Version 0.1.0 did not say what a job does. While one lives there can be no other of its name."""
    gate = some_target.gate()
    first = _waits(gate)
    _start(some_target, first)
    assert _start(some_target, _waits(gate, work='one'))['attached']

    gate.open()
    some_target.end(first.id)
    last = Order(result(), name='deploy', work='one')
    look = _start(some_target, last)
    assert (look['id'], look['uncollected']['id']) == (last.id, first.id)


@pytest.mark.parametrize('name', ['1.2', '2024.11', 'j1.1', '0123456789abcdef'])
def test_a_name_is_no_job_id(some_target: Target, name: str) -> None:
    """Whoever looks for it would look for a job of that id."""
    order = Order(result(), name=name)

    (look,) = some_target.start(order)
    assert "%r cannot be the name of a job: it has the form of a job id" % name in look['error']
    assert not some_target.files(order.id).exists()
    assert list((some_target.async_dir / '.names').iterdir()) == []


@pytest.mark.parametrize('state', ['running', 'queued'])
def test_fail_refuses_a_live_job_and_names_it(some_target: Target, state: str) -> None:
    gate = some_target.gate()
    first = _waits(gate, queue='q')
    some_target.start(*([Order('exec sleep 1000', queue='q')] if state == 'queued' else []), first)

    look = _start(some_target, _waits(gate, on_existing='fail'))
    assert "job %s of the name 'deploy' is %s already" % (first.id, state) in look['error']
    assert 'on_existing' in look['error']
    assert _named(some_target)['id'] == first.id


def test_fail_does_not_mind_one_that_has_ended(some_target: Target) -> None:
    first, second = Order(result(), name='deploy'), Order(result(), name='deploy', on_existing='fail')
    _start(some_target, first)
    some_target.end(first.id)

    assert _start(some_target, second)['id'] == second.id


def test_the_job_of_a_name_is_removed_between_two_looks_at_it(
    some_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event lies between the two looks."""
    first, second = Order(result(), name='deploy'), Order(result(), name='deploy')
    _start(some_target, first)
    some_target.end(first.id)

    def look_and_remove(job: Any) -> Any:
        look = take_look(job)
        job.remove()
        return look

    monkeypatch.setattr(start, 'take_look', look_and_remove)
    store = Store(str(some_target.async_dir))
    (look,) = start.start(store, start_request(second), 0o077, {})
    assert (look.id, look.error) == (second.id, None)


@pytest.mark.parametrize('state', ['running', 'queued', 'ended'])
def test_replace_ends_the_job_before_the_next_begins(some_target: Target, state: str) -> None:
    trace = some_target.directory / 'trace'
    stubborn = "trap '' TERM; echo begun >> %s; sleep 0.5; sleep 1000; %s" % (trace, result())
    first = Order(result() if state == 'ended' else stubborn, name='deploy', queue='q', grace=0.1)
    second = Order('echo second >> %s; %s' % (trace, result()), name='deploy', on_existing='replace', grace=0.1)
    blocker = Order('exec sleep 1000', queue='q')
    some_target.start(*([blocker] if state == 'queued' else []), first)
    if state == 'ended':
        some_target.end(first.id)
    elif state == 'running':
        until(trace.exists)

    look = _start(some_target, second)
    assert look['id'] == second.id
    assert some_target.ended(second.id)['state'] == 'succeeded'
    assert some_target.job(first.id)['state'] == ('succeeded' if state == 'ended' else 'cancelled')
    assert trace.read_text(encoding='ascii').split() == (['begun'] if state == 'running' else []) + ['second']
    assert _named(some_target)['id'] == second.id


def test_a_look_by_name_does_not_wait_for_a_replacement(some_target: Target) -> None:
    told = some_target.message()
    first = Order("trap 'echo > %s' TERM; sleep 1000 & wait; exec sleep 1000" % told, name='deploy')
    _start(some_target, first)
    replacing = some_target.popen(start_request(Order(result(), name='deploy', on_existing='replace', grace=HUNG)))
    told.heard()

    look = _named(some_target)
    assert (look['id'], look['job']['state']) == (first.id, 'running')
    assert some_target.ask('prune', older_than=0, states=ENDED, keep=0, check=False) == []
    os.killpg(some_target.note(first.id, 'run.json')['pid'], signal.SIGKILL)
    assert not looks(answer(replacing))[0]['error']


def test_many_controllers_at_the_same_instant_get_one_job(some_target: Target) -> None:
    gate = some_target.gate()
    orders = [_waits(gate) for _number in range(12)]

    starting = [some_target.popen(start_request(order)) for order in orders]
    found = [looks(answer(process))[0] for process in starting]
    assert len({look['id'] for look in found}) == 1
    assert sorted(bool(look['attached']) for look in found) == [False] + [True] * 11
    assert len(list((some_target.async_dir / '.jobs').iterdir())) == 1
    gate.open()
    some_target.end(found[0]['id'])


def test_many_controllers_that_replace_leave_one_job(some_target: Target) -> None:
    orders = [Order('exec sleep 1000', name='deploy', on_existing='replace', grace=0) for _number in range(6)]

    for process in [some_target.popen(start_request(order)) for order in orders]:
        assert not looks(answer(process))[0]['error']
    states = [some_target.job(order.id)['state'] for order in orders]
    assert sorted(states) == ['cancelled'] * 5 + ['running']
    assert states[[order.id for order in orders].index(_named(some_target)['id'])] == 'running'


@pytest.mark.parametrize('name', [None, 'deploy'])
def test_a_start_whose_answer_was_lost_can_be_asked_again(target: Target, name: str) -> None:
    trace, gate = target.directory / 'trace', target.gate()
    script = 'echo began >> %s; : < %s; %s' % (trace, gate, result())
    orders = [Order(script, name=name), Order('echo began >> %s; %s' % (trace, result()))]
    target.start(*orders)
    target.end(orders[1].id)

    again = target.start(*orders)
    assert [look['id'] for look in again] == [order.id for order in orders]
    assert [look['job']['state'] for look in again] == ['running', 'succeeded']
    gate.open()
    target.end(*[order.id for order in orders])
    assert trace.read_text(encoding='ascii').split() == ['began', 'began']


def test_a_start_that_is_asked_again_leaves_the_name_to_a_newer_job(some_target: Target) -> None:
    gate = some_target.gate()
    first, second = Order(result(), name='deploy', on_existing='replace'), _waits(gate, on_existing='replace')
    _start(some_target, first)
    some_target.end(first.id)
    _start(some_target, second)

    assert _start(some_target, first)['job']['state'] == 'succeeded'
    assert _named(some_target)['id'] == second.id
    assert some_target.job(second.id)['state'] == 'running'


def test_the_same_start_twice_at_the_same_instant(some_target: Target) -> None:
    trace = some_target.directory / 'trace'
    orders = [Order('echo began >> %s; %s' % (trace, result())) for _number in range(5)]

    for process in [some_target.popen(start_request(*orders)) for _number in range(4)]:
        assert [look['id'] for look in looks(answer(process))] == [order.id for order in orders]
    assert set(some_target.end_states(*orders)) == {'succeeded'}
    assert trace.read_text(encoding='ascii').split() == ['began'] * 5


def test_a_request_that_is_killed_and_made_again_starts_nothing_twice(some_target: Target) -> None:
    """At whatever moment it is killed, the next of the same name gets its job, or starts one."""
    for moment in range(12):
        trace = some_target.directory / ('trace%d' % moment)
        script = 'echo began >> %s; exec sleep 1000' % trace
        name = 'deploy%d' % moment
        starting = some_target.popen(start_request(Order(script, name=name)))
        time.sleep(moment * 0.005)  # there is no event for a moment in the middle of its work
        starting.send_signal(signal.SIGKILL)
        starting.communicate()

        look = _start(some_target, Order(script, name=name))
        if look['job']['state'] == 'lost':  # cut off, and said so; it is collected now
            assert _named(some_target, name)['ended']
            look = _start(some_target, Order(script, name=name))
        assert look['job']['state'] == 'running'
        until(trace.exists)
        assert trace.read_text(encoding='ascii').split() == ['began']


def test_names_are_any_text_and_no_paths(target: Target) -> None:
    names = ['a/b', 'x/../../../etc/passwd', 'caf\u00e9 \u2603', 'a\nb', '%', '%2F', 'con:1', ' ', 'x' * 200, '\udcff']
    orders = [Order(result(), name=name) for name in names]
    found = target.start(*orders)

    assert [look['error'] for look in found] == [None] * len(names)
    target.end(*[order.id for order in orders])
    assert [look['id'] for look in target.ask('collect', ids=[{'name': name} for name in names])] == [
        order.id for order in orders
    ]
    assert [look['job']['name'] for look in target.ask('list', states=None, names=names[:3], queues=None)] == names[:3]
    assert not list(target.directory.glob('*/etc')), 'nothing outside'


@pytest.mark.parametrize('name', ['', '.', '..', '.hidden', 'x' * 201, '\u2603' * 67, 7, ['a']])
@pytest.mark.parametrize('what', ['name', 'queue'])
def test_what_cannot_be_a_name(some_target: Target, what: str, name: Any) -> None:
    order = Order(result(), **{what: name})
    (look,) = some_target.start(order)

    assert 'cannot be the name of a %s' % ('job' if what == 'name' else 'queue') in look['error']
    assert not some_target.files(order.id).exists()


def test_a_name_that_is_not_known(some_target: Target) -> None:
    for _number in range(2):
        look = _named(some_target, 'nobody')
        assert (look['known'], look['job'], look['id']) == (False, None, {'name': 'nobody'})
        some_target.start()


def test_the_name_of_a_removed_job_is_free(some_target: Target) -> None:
    order = Order(result(), name='deploy')
    _start(some_target, order)
    some_target.end(order.id)

    some_target.ask('prune', older_than=0, states=ENDED, keep=0, check=False)
    assert not _named(some_target)['known']
    assert list((some_target.async_dir / '.names').iterdir()) == []
    again = Order(result(), name='deploy', on_existing='fail')
    assert _start(some_target, again)['id'] == again.id


def test_a_name_is_freed_by_a_prune_while_it_is_started(some_target: Target) -> None:
    """Whoever wins, no job is lost from its name."""
    order = Order(result(), name='deploy')
    _start(some_target, order)
    some_target.end(order.id)
    requests: List[Dict[str, Any]] = []
    for _number in range(8):
        requests.append({'op': 'prune', 'older_than': 0, 'states': ENDED, 'keep': 0, 'check': False})
        requests.append(start_request(Order('exec sleep 1000', name='deploy')))
    started = set()
    for process in [some_target.popen(request) for request in requests]:
        response = answer(process)
        assert 'error' not in response, response
        started |= {look['id'] for look in response['jobs'] if look['job'] and look['job']['state'] == 'running'}
    assert started == {_named(some_target)['id']}


def test_the_file_of_a_name_is_damaged(some_target: Target) -> None:
    order = Order(result(), name='deploy')
    _start(some_target, order)
    (some_target.async_dir / '.names/deploy').write_bytes(b'\xff../../etc\n')

    assert not _named(some_target)['known']
    again = Order(result(), name='deploy')
    assert _start(some_target, again)['id'] == again.id
    with pytest.raises(Said, match='not a job id'):
        some_target.ask('status', ids=['../' + again.id])


def test_a_name_that_cannot_be_written_keeps_its_job(tmp_path: Path) -> None:
    """As on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Name(str(tmp_path / 'deploy')) as name:
        name.give_to('j1.1')
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            with pytest.raises(OSError, match='File too large'):
                name.give_to('j1.2')
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert name.job_id() == 'j1.1'
        name.give_to('j2.34')
        assert name.job_id() == 'j2.34'


def test_a_name_that_somebody_holds_leaves_no_file_open(tmp_path: Path) -> None:
    path = str(tmp_path / 'deploy')
    with Name(path):
        before = set(os.listdir('/proc/self/fd'))
        with pytest.raises(BlockingIOError), Name(path, fcntl.LOCK_NB):
            pass
        assert set(os.listdir('/proc/self/fd')) <= before  # what an earlier test has left may be closed by now


def test_a_start_that_fails_leaves_the_name_as_it_was(some_target: Target) -> None:
    """A queue that cannot be is noticed after the name was taken."""
    failing = Order(result(), name='deploy', queue='.')
    assert 'cannot be the name of a queue' in some_target.start(failing)[0]['error']
    assert not (some_target.async_dir / '.names/deploy').exists()

    order = Order(result(), name='deploy')
    _start(some_target, order)
    some_target.end(order.id)
    some_target.ask('collect', ids=[order.id])
    assert some_target.start(failing)[0]['error']
    assert _named(some_target)['id'] == order.id
