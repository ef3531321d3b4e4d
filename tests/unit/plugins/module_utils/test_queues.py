# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queues: never more than the slots at once, first come first served, and nobody is stranded."""

import fcntl
import functools
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any, List

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files import clock
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.atomic import read_file, write_file
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.job import Job
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.records import Launch, Spec, parse
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import Store
from ansible_collections.background.jobs.plugins.module_utils._runtime.schedule.dependents import Dependents
from ansible_collections.background.jobs.plugins.module_utils._runtime.schedule.queue import Queue, QueueSnapshot
from ansible_collections.background.jobs.plugins.module_utils._runtime.supervise.following import hand_on, put_back
from ansible_collections.background.jobs.plugins.module_utils._runtime.supervise.standing import settle
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    HUNG,
    Order,
    Target,
    answer,
    blocked,
    looks,
    result,
    start_request,
    until,
    until_dead,
)

_blocked = functools.partial(blocked, queue='q')


def _positions(target: Target, *orders: Order) -> List[Any]:
    return [look['job'].get('position') for look in target.ask('collect', ids=[order.id for order in orders])]


def test_first_come_first_served(target: Target) -> None:
    trace = target.directory / 'trace'
    orders = [Order('echo %d >> %s; %s' % (number, trace, result()), queue='q') for number in range(12)]
    target.start(*orders[:6])
    for order in orders[6:]:
        target.start(order)

    target.end(*[order.id for order in orders])
    assert trace.read_text(encoding='ascii').split() == [str(number) for number in range(12)]


def test_never_more_than_the_slots(target: Target) -> None:
    trace = target.directory / 'trace'
    script = 'echo + >> %s; sleep 0.05; %s; echo - >> %s' % (trace, result(), trace)
    orders = [
        Order(script, queue='q', slots=3) for _number in range(12)
    ]  # the first three begin together, so 3 are seen
    target.start(*orders)

    assert all(look['job']['state'] == 'succeeded' for look in target.end(*[order.id for order in orders]))
    assert _most_at_once(trace) == 3


def test_what_waits_says_where_and_uses_no_process(some_target: Target) -> None:
    gates = [some_target.gate(str(number)) for number in range(3)]
    orders = [_blocked(gate) for gate in gates]
    some_target.start(*orders)

    assert some_target.states(*orders) == ['running', 'queued', 'queued']
    assert _positions(some_target, *orders) == [None, 1, 2]
    run = some_target.note(orders[0].id, 'run.json')
    assert some_target.processes() == {run['supervisor'], run['pid']}
    assert [some_target.job(order.id)['started'] is None for order in orders] == [False, True, True]
    gates[0].open()
    some_target.end(orders[0].id)
    until(lambda: some_target.states(orders[1]) == ['running'])
    assert _positions(some_target, *orders) == [None, None, 1]
    for gate in gates[1:]:
        gate.open()
    some_target.end(*[order.id for order in orders])
    until(lambda: not some_target.processes())


def test_queues_do_not_wait_for_each_other(some_target: Target) -> None:
    gate = some_target.gate()
    orders = _blocked(gate, queue='one'), Order(result(), queue='two'), Order(result())
    some_target.start(*orders)

    some_target.end(orders[1].id, orders[2].id)
    assert some_target.states(orders[0]) == ['running']
    gate.open()
    some_target.end(orders[0].id)


def test_jobs_of_many_requests_share_the_slots(some_target: Target) -> None:
    """Twenty controllers at the same instant."""
    lock = some_target.directory / 'lock'
    orders = [Order(f'mkdir {lock} && rmdir {lock} && {result()}', queue='q') for _number in range(20)]

    starting = [some_target.popen(start_request(order)) for order in orders]
    for process in starting:
        looks(answer(process))
    found = some_target.end(*[order.id for order in orders])
    assert {look['job']['state'] for look in found} == {'succeeded'}


def test_slots_are_added_and_taken_away(some_target: Target) -> None:
    gates = [some_target.gate(str(number)) for number in range(6)]
    orders = [_blocked(gate) for gate in gates]
    some_target.start(*orders[:3])
    assert some_target.states(*orders[:3]) == ['running', 'queued', 'queued']

    orders[3]['slots'] = 3
    some_target.start(orders[3])
    assert some_target.states(*orders[:4]) == ['running', 'running', 'running', 'queued']

    orders[4]['slots'] = orders[5]['slots'] = 1
    some_target.start(*orders[4:])
    assert some_target.states(*orders) == ['running'] * 3 + ['queued'] * 3, 'it stops nothing'
    for gate in gates[:2]:
        gate.open()
    some_target.end(orders[0].id, orders[1].id)
    assert some_target.states(*orders[2:]) == ['running'] + ['queued'] * 3
    gates[2].open()
    some_target.end(orders[2].id)
    until(lambda: some_target.states(*orders[3:]) == ['running', 'queued', 'queued'])
    for gate in gates[3:]:
        gate.open()
    some_target.end(*[order.id for order in orders])


@pytest.mark.parametrize('ask', ['wait', 'status', 'collect', 'list'])
def test_every_look_makes_up_for_a_killed_supervisor(some_target: Target, ask: str) -> None:
    orders = Order('exec sleep 1000', queue='q'), Order(result(), queue='q'), Order(result(), queue='q')
    some_target.start(*orders)
    run = some_target.note(orders[0].id, 'run.json')
    os.kill(run['supervisor'], signal.SIGSTOP)  # it must not see the module's death
    os.kill(run['pid'], signal.SIGKILL)
    some_target.kill_supervisor(orders[0].id)

    if ask == 'list':
        some_target.ask('list', states=None, names=None, queues=None)
    else:
        some_target.ask(ask, ids=[orders[1].id], seconds=0)
    until((some_target.files(orders[2].id) / 'end.json').exists)
    assert some_target.states(*orders) == ['lost', 'succeeded', 'succeeded']


def test_a_module_whose_supervisor_was_killed_keeps_its_slot(some_target: Target) -> None:
    """One slot is a lock: whoever runs in it, runs alone."""
    gate = some_target.gate()
    first, second = _blocked(gate), Order(result(), queue='q')
    some_target.start(first, second)
    module = some_target.note(first.id, 'run.json')['pid']

    some_target.kill_supervisor(first.id)
    assert some_target.states(first, second) == ['lost', 'queued']
    some_target.ask('wait', ids=[second.id], seconds=0)
    assert some_target.states(first, second) == ['lost', 'queued']
    gate.open()
    until_dead(module)
    assert some_target.ended(second.id)['state'] == 'succeeded'


def test_the_end_of_one_job_does_no_harm_to_the_others(some_target: Target) -> None:
    """What a job leaves behind on purpose, and a slot that its supervisor has made up for, outlive the next one."""
    daemon = some_target.directory / 'daemon'
    gates = [some_target.gate(str(number)) for number in range(4)]
    leaves = 'setsid sleep 1000 > /dev/null 2>&1 & echo $! > %s' % daemon
    orders = [
        Order('%s; : < %s; %s' % (leaves, gates[0], result()), queue='q', slots=2),
        Order('exec sleep 1000', queue='q', slots=2),
        Order(': < %s; exec sleep 1000' % gates[2], queue='q', slots=2),
        _blocked(gates[3], slots=2),
    ]
    some_target.start(*orders)
    run = some_target.note(orders[1].id, 'run.json')
    os.kill(run['supervisor'], signal.SIGSTOP)
    os.kill(run['pid'], signal.SIGKILL)
    some_target.kill_supervisor(orders[1].id)
    gates[0].open()
    until((some_target.files(orders[3].id) / 'run.json').exists)

    some_target.ask('cancel', ids=[orders[2].id], grace=0, check=False)
    assert some_target.ended(orders[2].id)['state'] == 'cancelled'
    assert int(daemon.read_text(encoding='ascii')) in some_target.processes()
    gates[3].open()
    assert some_target.ended(orders[3].id)['state'] == 'succeeded'


@pytest.mark.parametrize('late', [False, True], ids=['at once', 'late'])
def test_what_waits_when_the_host_is_shut_down_runs_later(some_target: Target, late: bool) -> None:
    orders = Order('exec sleep 1000', queue='q', grace=0), Order(result(), queue='q')
    some_target.start(*orders)

    if late:
        some_target.until_small(orders[0].id)
    os.kill(some_target.note(orders[0].id, 'run.json')['supervisor'], signal.SIGTERM)
    until(lambda: not some_target.processes())
    assert (some_target.files(orders[0].id) / 'end.json').exists()
    assert not (some_target.files(orders[1].id) / 'run.json').exists()
    first, second = some_target.end(*[order.id for order in orders])
    assert (first['job']['state'], second['job']['state']) == ('cancelled', 'succeeded')
    assert 'was the host shut down' in first['job']['reason']


@pytest.mark.parametrize('late', [False, True], ids=['at once', 'late'])
def test_a_shutdown_between_two_jobs(some_target: Target, late: bool) -> None:
    """The supervisor is held up by the lock of the queue, when it has released the first job."""
    gate, trace = some_target.gate(), some_target.directory / 'trace'
    first, second = (
        blocked(gate, queue='q'),
        Order('touch %s; %s' % (trace, result()), queue='q'),
    )
    some_target.start(first, second)
    if late:
        some_target.until_small(first.id)
    supervisor = some_target.note(first.id, 'run.json')['supervisor']
    with open(str(some_target.async_dir / '.queues/q/lock'), 'rb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        gate.open()
        until(lambda: not some_target.supervised())
        os.kill(supervisor, signal.SIGTERM)
    until(lambda: not some_target.processes())

    assert not trace.exists()
    assert some_target.ended(second.id)['state'] == 'succeeded'


def test_the_request_that_queues_is_killed(some_target: Target) -> None:
    """At whatever moment: each job runs, or does not exist."""
    for moment in range(10):
        orders = [Order(result(), queue='q') for _number in range(10)]
        starting = some_target.popen(start_request(*orders))
        time.sleep(moment * 0.004)  # there is no event for a moment in the middle of its work
        starting.kill()
        starting.wait()
        known = [order.id for order in orders if some_target.files(order.id).exists()]
        if known:
            assert {look['job']['state'] for look in some_target.end(*known)} <= {'succeeded', 'lost'}
    orders = [Order(result(), queue='q')]
    some_target.start(*orders)
    assert some_target.ended(orders[0].id)['state'] == 'succeeded'


def test_an_interpreter_that_is_missing_does_not_stop_the_queue(some_target: Target) -> None:
    orders = Order('', argv=['/no/such'], queue='q'), Order(result(), queue='q')
    some_target.start(*orders)

    assert some_target.end_states(*orders) == [
        'failed',
        'succeeded',
    ]


def test_a_waiting_job_whose_files_are_removed(some_target: Target) -> None:
    gate = some_target.gate()
    orders = _blocked(gate), Order(result(), queue='q'), Order(result(), queue='q')
    some_target.start(*orders)
    for path in some_target.files(orders[1].id).iterdir():
        path.unlink()
    some_target.files(orders[1].id).rmdir()
    gate.open()

    assert some_target.ended(orders[2].id)['state'] == 'succeeded'


def test_the_limit_does_not_count_while_a_job_waits(some_target: Target) -> None:
    gate = some_target.gate()
    orders = _blocked(gate), Order('exec sleep 0.2', queue='q', limit=2)
    some_target.start(*orders)
    some_target.ask('wait', ids=[orders[1].id], seconds=2.5)  # longer than its limit

    gate.open()
    job = some_target.ended(orders[1].id)
    assert job['state'] == 'failed', 'no result, but in time'
    assert job['elapsed'] < 2


def _most_at_once(trace: Path) -> int:
    """How many modules ran at once at most. Each adds + to *trace* when it begins, and - before it ends."""
    now, most = 0, 0
    for sign in trace.read_text(encoding='ascii').split():
        now += 1 if sign == '+' else -1
        most = max(most, now)
    assert now == 0
    return most


@pytest.mark.long
def test_a_thousand_jobs(newest_target: Target) -> None:
    trace = newest_target.directory / 'trace'
    traced = 'echo + >> %s; %s; echo - >> %s' % (trace, result(), trace)
    gates = [newest_target.gate('first'), newest_target.gate('second')]
    orders = [_blocked(gate, slots=2) for gate in gates]
    orders += [Order(traced, queue='q', slots=2) for _number in range(998)]
    begin = time.monotonic()
    newest_target.start(*orders)
    started = time.monotonic()
    assert len(newest_target.processes()) == 4
    found = newest_target.ask('list', states=['queued'], names=None, queues=['q'])
    listed = time.monotonic()
    assert [look['job']['position'] for look in found] == list(range(1, 999))
    assert {look['id'] for look in found} == {order.id for order in orders[2:]}

    for gate in gates:
        gate.open()
    ends = [newest_target.files(order.id) / 'end.json' for order in orders]
    until(lambda: ends[-1].exists() and ends[-2].exists(), seconds=5 * HUNG)
    ran = time.monotonic()
    found = newest_target.end(*[order.id for order in orders])
    assert {look['job']['state'] for look in found} == {'succeeded'}
    # Locks in /proc cannot tell: processes begin and end while it is read.
    assert _most_at_once(trace) <= 2
    print(
        '1,000 queued jobs: started in %.1f s, listed in %.1f s, run in %.1f s'
        % (started - begin, listed - started, ran - listed)
    )


def _waiting_queue(directory: Path, jobs: int) -> Any:
    """A store with a queue in which so many jobs wait."""
    store = Store(str(directory))
    store.prepare()
    base = str(directory / 'base')
    write_file(base, b'')
    spec = {'name': None, 'module': 'm', 'limit': None, 'grace': 1, 'queue': 'q', 'no_log': False, 'at': '', 'boot': ''}
    command = {'argv': [], 'stdin': False, 'output_limit': 0, 'payload': {}, 'environment': {}, 'umask': 0, 'cwd': None}
    launch: Any = parse(Launch, command, '')
    with Queue(store, 'q') as queue:
        for number in range(jobs):
            job = store.create(parse(Spec, dict(spec, id='j1.%05d' % number), ''), launch, base)
            queue.add(job.id, 1000)
            job.release()
    return store


def test_a_turn_does_not_list_all_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read grows with the number of jobs, not with its square: 1,000 turns read 20,000 names or fewer."""
    store, read, taken = _waiting_queue(tmp_path, 1000), [0], []
    listdir = os.listdir

    def counting(path: str) -> List[str]:
        names = listdir(path)
        read[0] += len(names)
        return names

    monkeypatch.setattr('os.listdir', counting)
    for number in range(1000):
        with Queue(store, 'q') as queue:
            job = queue.next()
            if number == 500:
                queue.put_back(job.id)
                job.release()
                job = queue.next()
            queue.leave(job.id)
        taken.append(job.id)
        job.release()
    assert taken == ['j1.%05d' % number for number in range(1000)]
    assert read[0] <= 20000


def test_a_supervisor_holds_one_job_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a slot would look like two jobs that run, for as long as it takes to hand it on."""
    store, alive = _waiting_queue(tmp_path, 2), []
    with Queue(store, 'q') as queue:
        ended = queue.next()
    take_next: Any = Queue.next

    def watched(queue: Any) -> Any:
        following = take_next(queue)
        alive.append((ended.alive(), following.alive()))
        return following

    monkeypatch.setattr(Queue, 'next', watched)
    monkeypatch.setattr('os.fork', lambda: 0)  # go on as the process of the next job
    following: Any = hand_on(ended, 'q', shutdown=False)
    assert following.id != ended.id
    assert alive == [(False, True)]
    following.release()


@pytest.mark.parametrize('place', ['queue', 'dependents'])
def test_a_job_that_is_put_back_during_a_look_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Its turn comes after the first look at its lock; before the second one it is back, as if a fork was refused."""
    store = _waiting_queue(tmp_path, 1)
    job = store.job('j1.00000')
    if place == 'dependents':
        with Dependents(store) as dependents, Queue(store, 'q') as queue:
            queue.withdraw(job.id)
            dependents.put_back(job.id)
        job.write('spec.json', job.spec()._replace(queue=None, after=['j0.1']))
    looks_at_lock = [0]
    is_alive: Any = Job.alive

    def alive(asked: Any) -> Any:
        looks_at_lock[0] += 1
        if looks_at_lock[0] == 2:
            put_back(job)
        answer = is_alive(asked)
        if looks_at_lock[0] == 1 and place == 'queue':
            with Queue(store, 'q') as queue:
                job.lock = queue.next().lock
        elif looks_at_lock[0] == 1:
            with Dependents(store) as dependents:
                job.hold()
                dependents.remove(job.id)
        return answer

    monkeypatch.setattr(Job, 'alive', alive)
    standing = settle(store.job(job.id), job.spec())
    assert standing == ((1, None, None) if place == 'queue' else (None, [], None))


def test_a_killed_start_where_the_system_has_no_boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for a job whose files a power cut has damaged."""
    monkeypatch.setattr(clock, '_boot_id', '')
    with Queue(_waiting_queue(tmp_path, 1), 'q') as queue:
        job = queue.next()
    job.release()

    assert 'was cut off before its module was executed' in settle(job, job.spec()).end.reason


def test_a_slot_is_not_lost_for_want_of_descriptors(tmp_path: Path) -> None:
    """Where no file can be opened, nobody knows whether a job runs: nothing is started in its slot."""
    store = _waiting_queue(tmp_path, 1)
    with Queue(store, 'q') as queue:
        running = queue.next()
        job = store.job(running.id)
        free = os.dup(0)
        os.close(free)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
        try:
            with pytest.raises(OSError, match='Too many open files'):
                job.alive()
            with pytest.raises(OSError, match='Too many open files'):
                job.end()
            with pytest.raises(OSError, match='Too many open files'):
                QueueSnapshot(store).entry('q', job.id)
            with pytest.raises(OSError, match='Too many open files'):
                clock.process_start(os.getpid())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert job.alive()
    running.release()


def test_a_file_that_cannot_be_read_is_not_called_missing() -> None:
    """A hiccup of NFS would make a live job lost. The kernel refuses to read this file from its beginning."""
    with pytest.raises(OSError, match='Input/output error'):
        read_file('/proc/self/mem')
