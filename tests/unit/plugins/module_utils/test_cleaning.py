# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cancelling, listing, pruning and removing jobs, and what is done with old ones at later starts."""

import datetime
import fcntl
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, List, Optional

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import Store
from ansible_collections.background.jobs.plugins.module_utils._runtime.supervise.ending import write_lost
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    ENDED,
    HUNG,
    Look,
    Order,
    Said,
    Target,
    answer,
    blocked,
    looks,
    result,
    set_clock,
    start_request,
    until,
)

_DAY, _HOUR = 86400, 3600
_UTC = '%Y-%m-%dT%H:%M:%S.%fZ'


def _cancel(target: Target, *ids: Any, grace: float = 10, check: bool = False) -> List[Look]:
    return target.ask('cancel', ids=list(ids), grace=grace, check=check)


def _list(target: Target, **only: Any) -> List[str]:
    found = target.ask('list', **{'states': None, 'names': None, 'queues': None, **only})
    return [look['id'] for look in found]


def _prune(target: Target, older_than: float = 0, keep: int = 0, states: Any = ENDED, check: bool = False) -> List[str]:
    found = target.ask('prune', older_than=older_than, keep=keep, states=states, check=check)
    return [look['id'] for look in found]


def test_cancel(target: Target) -> None:
    begun = target.message()
    job_id = target.run("trap 'echo bye; exit 5' TERM; sleep 1000 & echo > %s; wait" % begun)
    begun.heard()

    (look,) = _cancel(target, job_id)
    assert look['to_stop']
    (look,) = target.end(job_id)
    assert look['job']['state'] == 'cancelled'
    assert look['job']['reason'].startswith('job %s was stopped after ' % job_id)
    assert look['job']['reason'].endswith('on request of user %s' % look['user'])
    assert (look['output']['rc'], look['output']['stdout']) == (5, 'bye\n'), 'it could tidy up'
    assert target.result_file(job_id)['failed'] is True


def test_cancel_by_name_and_many_at_once(some_target: Target) -> None:
    orders = [Order('exec sleep 1000', name='n%d' % number) for number in range(3)]
    some_target.start(*orders)

    found = _cancel(some_target, {'name': 'n2'}, orders[0].id)
    assert [(look['id'], look['to_stop']) for look in found] == [(orders[2].id, True), (orders[0].id, True)]
    assert set(some_target.end_states(orders[0], orders[2])) == {'cancelled'}
    assert some_target.job(orders[1].id)['state'] == 'running'


def test_cancel_is_idempotent_and_check_mode_touches_nothing(some_target: Target) -> None:
    job_id = some_target.run('exec sleep 1000')

    assert [look['to_stop'] for look in _cancel(some_target, job_id, check=True)] == [True]
    assert not (some_target.files(job_id) / 'stop.json').exists()
    assert some_target.job(job_id)['state'] == 'running'
    assert [look['to_stop'] for look in _cancel(some_target, job_id)] == [True]
    end = some_target.ended(job_id)
    for check in (True, False):
        assert [look['to_stop'] for look in _cancel(some_target, job_id, check=check)] == [False]
    assert some_target.job(job_id) == end


def test_nothing_is_cancelled_where_one_is_unknown(some_target: Target) -> None:
    job_id = some_target.run('exec sleep 1000')

    found = _cancel(some_target, job_id, 'j1.1')
    assert [(look['known'], look['to_stop']) for look in found] == [(True, False), (False, False)]
    with pytest.raises(Said, match='not a job id'):
        _cancel(some_target, job_id, '../j1.1')
    assert some_target.job(job_id)['state'] == 'running'


def test_cancel_takes_a_waiting_job_out_of_its_queue(some_target: Target) -> None:
    gate = some_target.gate()
    orders = [blocked(gate, queue='q') for _number in range(3)]
    some_target.start(*orders)

    _cancel(some_target, orders[1].id)
    job = some_target.job(orders[1].id)
    assert (job['state'], job['started']) == ('cancelled', None)
    assert 'taken out of queue q on request of user' in job['reason']
    assert some_target.result_file(orders[1].id)['failed'] is True
    assert not (some_target.files(orders[1].id) / 'launch.json').exists(), 'it holds the arguments'
    assert some_target.job(orders[2].id)['position'] == 1
    gate.open()
    some_target.end(orders[0].id)
    gate.open()
    assert some_target.ended(orders[2].id)['state'] == 'succeeded'
    assert some_target.job(orders[1].id) == job


def test_a_cancel_starts_none_of_the_jobs_that_wait(some_target: Target) -> None:
    """The end of one that runs makes room for the next, which may be further behind in the same request."""
    trace = some_target.directory / 'trace'
    running = [Order('exec sleep 1000', queue='q', slots=2) for _number in range(2)]
    waiting = [Order('echo begun >> %s; exec sleep 1000' % trace, queue='q', slots=2) for _number in range(40)]
    some_target.start(*running, *waiting)

    _cancel(some_target, *[order.id for order in running + waiting], grace=0)
    assert set(some_target.end_states(*running, *waiting)) == {'cancelled'}
    assert not trace.exists()


def test_cancel_meets_the_end(some_target: Target) -> None:
    """Jobs that end just then: cancelled or not, every one has one end, and nobody waits for long."""
    orders = [Order('sleep 0.0%d; %s' % (number, result())) for number in range(20)]
    begin = time.monotonic()
    some_target.start(*orders)
    _cancel(some_target, *[order.id for order in orders])

    found = some_target.end(*[order.id for order in orders])
    assert {look['job']['state'] for look in found} <= {'succeeded', 'cancelled', 'failed'}
    assert time.monotonic() - begin < HUNG
    assert [some_target.job(order.id) for order in orders] == [look['job'] for look in found]


def test_cancel_of_a_job_that_is_stopped_already(some_target: Target) -> None:
    """Two at once, and one while its limit's grace runs."""
    told = some_target.message()
    script = "trap 'echo > %s' TERM; sleep 1000 & wait; exec sleep 1000" % told
    job_id = some_target.run(script, limit=2, grace=HUNG)
    told.heard()
    for process in [
        some_target.popen({'op': 'cancel', 'ids': [job_id], 'grace': HUNG, 'check': False}) for _number in range(2)
    ]:
        assert looks(answer(process))[0]['to_stop']
    os.killpg(some_target.note(job_id, 'run.json')['pid'], signal.SIGKILL)

    assert some_target.ended(job_id)['state'] == 'timed_out'


def test_a_second_cancel_shortens_the_grace(some_target: Target) -> None:
    begun = some_target.message()
    job_id = some_target.run("trap '' TERM; echo > %s; sleep 1000; sleep 1000" % begun)
    begun.heard()
    _cancel(some_target, job_id, grace=3600)
    assert some_target.job(job_id)['state'] == 'running'

    _cancel(some_target, job_id, grace=0)
    assert some_target.ended(job_id)['state'] == 'cancelled'


def test_a_job_that_is_gone_does_not_keep_the_others_from_being_cancelled(some_target: Target) -> None:
    """The request is held up at its first job, which seems not to be executed yet, while the second one is removed. The
    supervisor of the third one ends just before the signal."""
    gate = some_target.gate()
    held, gone, ending, last = (
        Order(script) for script in ('exec sleep 1000', ': < %s' % gate, *['exec sleep 1000'] * 2)
    )
    some_target.start(held, gone, ending, last)
    executed, aside = some_target.files(held.id) / 'run.json', some_target.directory / 'aside'
    executed.rename(aside)
    dead = subprocess.Popen(['true'])
    dead.wait()
    run = dict(some_target.note(ending.id, 'run.json'), supervisor=dead.pid, supervisor_start=None)
    (some_target.files(ending.id) / 'run.json').write_text(json.dumps(run), encoding='ascii')
    ids = [order.id for order in (held, gone, ending, last)]
    cancelling = some_target.popen({'op': 'cancel', 'ids': ids, 'grace': 0, 'check': False})
    until((some_target.files(held.id) / 'stop.json').exists)
    gate.open()
    some_target.end(gone.id)
    some_target.ask('remove', ids=[gone.id])
    aside.rename(executed)

    assert [look['to_stop'] for look in looks(answer(cancelling))] == [True] * 4
    assert set(some_target.end_states(held, last)) == {'cancelled'}


def test_a_cancelled_jobs_supervisor_is_killed(some_target: Target) -> None:
    told = some_target.message()
    job_id = some_target.run("trap 'echo > %s' TERM; sleep 1000 & wait; exec sleep 1000" % told)
    _cancel(some_target, job_id, grace=1000)
    told.heard()
    some_target.kill_supervisor(job_id)

    assert some_target.job(job_id)['state'] == 'lost'
    assert [look['to_stop'] for look in _cancel(some_target, job_id)] == [False]


def test_list(target: Target) -> None:
    orders = [
        Order(result(), name='one'),
        Order(result(failed=True, msg='no'), name='two', queue='p'),
        Order('exec sleep 1000', queue='q', name='three'),
        Order(result(), queue='q'),
    ]
    assert _list(target) == []
    target.start(*orders)
    target.end(orders[0].id, orders[1].id)
    ids = [order.id for order in orders]

    assert _list(target) == ids, 'oldest first'
    assert _list(target, states=['succeeded', 'failed']) == ids[:2]
    assert _list(target, states=['queued']) == ids[3:]
    assert _list(target, names=['three', 'one', 'nobody']) == [ids[0], ids[2]]
    assert _list(target, queues=['q'], states=['running']) == [ids[2]]
    assert _list(target, states=[]) == []
    assert _list(target) == ids, 'looking changed nothing'


def test_prune(target: Target) -> None:
    ended = [target.run(script) for script in (result(), result(failed=True, msg='no'), result(), result())]
    target.end(*ended)
    live = target.start(Order('exec sleep 1000', queue='q'), Order(result(), queue='q'))
    everything = [*ended, *[look['id'] for look in live]]
    by_end = sorted(ended, key=lambda job_id: str(target.job(job_id)['ended']))

    assert _prune(target, check=True) == by_end
    assert _prune(target, older_than=_DAY) == []
    assert sorted(_list(target)) == everything, 'neither has removed anything'
    assert _prune(target, states=['failed']) == [ended[1]]
    assert _prune(target, keep=2) == [job_id for job_id in by_end if job_id != ended[1]][:1]
    assert len(_prune(target)) == 2
    assert _prune(target) == []
    assert _list(target) == everything[4:], 'what lives or waits is left alone'
    assert sorted(path.name for path in target.async_dir.iterdir() if path.name[0] != '.') == everything[4:]


def test_prune_where_no_job_ever_ran(some_target: Target) -> None:
    assert _prune(some_target) == []
    some_target.start()
    assert _prune(some_target) == []
    assert _list(some_target) == []


def test_prune_where_the_clock_was_set_back(some_target: Target) -> None:
    clock = set_clock(some_target)
    clock.write_text('+%d\n' % _HOUR, encoding='ascii')
    job_id = some_target.run(result())
    some_target.end(job_id)
    clock.write_text('+0\n', encoding='ascii')

    assert _prune(some_target, older_than=1) == []
    assert _prune(some_target) == [job_id]


def test_prune_of_a_lost_job(some_target: Target) -> None:
    job_id = some_target.run('exec sleep 1000')
    some_target.kill_supervisor(job_id)

    assert _prune(some_target, states=['lost']) == [job_id]
    assert _list(some_target) == []


@pytest.mark.parametrize('state', ['running', 'queued'])
def test_of_a_live_job_only_the_result_file_is_removed(some_target: Target, state: str) -> None:
    gate = some_target.gate()
    holder = blocked(gate, queue='q')
    orders = [holder] if state == 'running' else [holder, Order(result(), queue='q')]
    some_target.start(*orders)

    (look,) = some_target.ask('remove', ids=[orders[-1].id])
    assert look['error'] is None
    assert not (some_target.async_dir / orders[-1].id).exists()
    gate.open()
    assert set(some_target.end_states(*orders)) == {'succeeded'}
    (look,) = some_target.ask('remove', ids=[orders[-1].id])
    assert look['error'] is None
    assert not some_target.look(orders[-1].id)['known']
    assert not (some_target.async_dir / orders[-1].id).exists()
    assert not some_target.ask('remove', ids=[orders[-1].id])[0]['known'], 'and again'


def _age(target: Target, job_id: str, seconds: float) -> None:
    """Make a job as old as if all that happened to it had happened *seconds* earlier, by each clock."""
    for name in ('spec.json', 'run.json', 'end.json'):
        path = target.files(job_id) / name
        if path.exists():
            written = json.loads(path.read_text(encoding='ascii'))
            for key in ('at', 'ended'):
                if key in written:
                    moment = datetime.datetime.strptime(written[key], _UTC) - datetime.timedelta(seconds=seconds)
                    written[key] = moment.strftime(_UTC)
            if 'monotonic' in written:
                written['monotonic'] -= seconds
            changed = path.stat().st_mtime
            path.write_text(json.dumps(written), encoding='ascii')
            _age_file(path, seconds, changed)
    _age_file(target.files(job_id), seconds)


def _age_file(path: Path, seconds: float, changed: Optional[float] = None) -> None:
    """Let *path* have been changed *seconds* before *changed*, or before it was."""
    then = (path.stat().st_mtime if changed is None else changed) - seconds
    os.utime(str(path), (then, then))


def test_later_starts_retire_what_ended_long_ago(some_target: Target) -> None:
    gate = some_target.gate()
    old, young, live = some_target.run(result()), some_target.run(result()), some_target.run(': < %s' % gate)
    some_target.end(old, young)
    for job_id in (old, live):
        _age(some_target, job_id, 8 * _DAY)
    jobs = some_target.async_dir / '.jobs'
    (jobs / '.new-j1.1.4711').mkdir()  # left by a start that was cut off
    (jobs / '.base-4711-0').touch()
    (jobs / 'not of ours').mkdir()
    (jobs / '.bundle-4711').touch()
    for name in ('.new-j1.1.4711', '.base-4711-0', '.bundle-4711', 'not of ours'):
        _age_file(jobs / name, 8 * _DAY)
    half_written = [some_target.async_dir / name for name in ('j1.1.4711.tmp', '.queues/q/state.json.4711.tmp')]
    half_written[1].parent.mkdir()
    for path in half_written:
        path.touch()
    waiting = some_target.async_dir / '.dependents/waiting/.j1.1'
    waiting.mkdir(parents=True)
    for path in (*half_written, waiting):
        _age_file(path, 8 * _DAY)

    some_target.start()
    assert not [path for path in (*half_written, waiting) if path.exists()]
    assert sorted(path.name for path in jobs.iterdir()) == sorted([young, live, 'not of ours'])
    assert not (some_target.async_dir / old).exists()
    gate.open()
    some_target.end(live)


@pytest.mark.parametrize('retention', [0, 7 * _DAY, 90 * _DAY])
def test_the_retention_is_the_jobs_own(some_target: Target, retention: float) -> None:
    """Not that of whoever starts next."""
    job_id = some_target.run(result(), retention=retention)
    some_target.end(job_id)
    some_target.ask('collect', ids=[job_id])
    others = [Order('', argv=['/no/such'], retention=other) for other in (0, 7 * _DAY, 90 * _DAY)]

    _age(some_target, job_id, max(0, retention - 60))
    some_target.start(*others)
    assert some_target.files(job_id).exists() == (retention > 0)
    if retention:
        _age(some_target, job_id, 120)
        some_target.start(*others)
    assert not some_target.files(job_id).exists()


def test_a_job_of_version_0_1_0_is_kept_for_seven_days(some_target: Target) -> None:
    """Its spec.json does not say how long."""
    job_id = some_target.run(result(), retention=0)
    some_target.end(job_id)
    spec = some_target.note(job_id, 'spec.json')
    del spec['retention']
    (some_target.files(job_id) / 'spec.json').write_text(json.dumps(spec), encoding='ascii')

    _age(some_target, job_id, 6 * _DAY)
    some_target.start()
    assert some_target.files(job_id).exists()
    _age(some_target, job_id, 2 * _DAY)
    some_target.start()
    assert not some_target.files(job_id).exists()


@pytest.mark.parametrize('op', ['status', 'collect'])
def test_a_look_does_not_renew_the_retention(some_target: Target, op: str) -> None:
    job_id = some_target.run(result(), retention=7 * _DAY)
    some_target.end(job_id)
    _age(some_target, job_id, 8 * _DAY)

    for _number in range(2):
        some_target.ask(op, ids=[job_id])
    some_target.start()
    assert not some_target.files(job_id).exists()


def test_what_nobody_has_collected_is_kept_for_an_hour(some_target: Target) -> None:
    """A task that waits for several jobs collects them when the last one has ended."""
    job_id = some_target.run(result(number=1), retention=0)
    some_target.end(job_id)

    some_target.start()
    assert some_target.look(job_id)['result'] == {'number': 1}
    (some_target.files(job_id) / 'collected').unlink()
    _age(some_target, job_id, 2 * _HOUR)
    some_target.start()
    assert not some_target.files(job_id).exists()


def test_a_start_under_way_keeps_its_hidden_files(some_target: Target) -> None:
    """However old they look: its clock may have been set. It is held up here by a name that somebody has locked."""
    some_target.start()
    jobs = some_target.async_dir / '.jobs'
    with open(str(some_target.async_dir / '.names/taken'), 'w', encoding='ascii') as name:
        fcntl.flock(name, fcntl.LOCK_EX)
        orders = [Order(result(), name='taken', retention=0), Order(result(), retention=0)]
        starting = some_target.popen(start_request(*orders))
        until(lambda: list(jobs.glob('.base-*')))
        for path in jobs.glob('.base-*'):
            _age_file(path, 100 * _DAY)
        some_target.start(Order('', argv=['/no/such'], retention=0))
    assert [look['error'] for look in looks(answer(starting))] == [None, None]
    assert set(some_target.end_states(*orders)) == {'succeeded'}


def test_runtimes_that_nobody_has_used_for_a_week_go(some_target: Target) -> None:
    """But for those in use, which their requests have locked: the clock may have been set."""
    some_target.start()
    runtimes = some_target.async_dir / '.runtime'
    for name, age in (('r1', 8 * _DAY), ('r2', 6 * _DAY), ('r3', 8 * _DAY)):
        (runtimes / name).mkdir()
        _age_file(runtimes / name, age)
    used = os.open(str(runtimes / 'r3'), os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_SH)

    some_target.start(Order('', argv=['/no/such'], retention=0))
    os.close(used)
    assert sorted(path.name for path in runtimes.iterdir()) == ['r2', 'r3']


def test_runtimes_that_are_one_file_go_as_well(some_target: Target) -> None:
    """Those of later versions are files, which are imported from memory, so that no lock is needed."""
    some_target.start()
    runtimes = some_target.async_dir / '.runtime'
    for name, age in (('r1', 8 * _DAY), ('r2', 6 * _DAY)):
        (runtimes / name).touch()
        _age_file(runtimes / name, age)

    some_target.start()
    assert [path.name for path in runtimes.iterdir()] == ['r2']


@pytest.mark.parametrize('collected', [False, True])
def test_the_clock_jumps_forward(some_target: Target, collected: bool) -> None:
    """Nothing gets older by that, as far as the monotonic clock can tell."""
    clock = set_clock(some_target)
    waited, ended = some_target.run('exec sleep 1000'), some_target.run(result(number=1))
    some_target.end(ended)
    if collected:
        some_target.ask('collect', ids=[ended])
    clock.write_text('+%d\n' % (100 * _DAY), encoding='ascii')

    some_target.start(Order('', argv=['/no/such'], retention=0))
    assert _prune(some_target, older_than=50 * _DAY) == []
    assert some_target.look(ended)['result'] == {'number': 1}
    assert some_target.job(waited)['state'] == 'running'


def test_starts_that_retire_the_same_jobs_at_the_same_instant(some_target: Target) -> None:
    old = [Order(result()) for _number in range(30)]
    some_target.start(*old)
    some_target.end(*[order.id for order in old])
    for order in old:
        _age(some_target, order.id, 8 * _DAY)
    orders = [Order(result()) for _number in range(6)]

    for process in [some_target.popen(start_request(order)) for order in orders]:
        (look,) = looks(answer(process))
        assert not look['error']
    some_target.end(*[order.id for order in orders])
    assert len(_list(some_target)) == 6


@pytest.mark.long
def test_a_start_is_not_kept_waiting_by_a_year_of_leftovers(some_target: Target) -> None:
    """It looks at a hundred of them at most, and the next start at the next hundred."""
    orders = [Order('', argv=['/no/such']) for _number in range(220)]
    some_target.start(*orders)
    for order in orders:
        _age(some_target, order.id, 8 * _DAY)

    for left in (120, 20, 0, 0):
        some_target.start()
        assert len(_list(some_target)) == left


def test_the_names_of_retired_jobs_do_not_pile_up(some_target: Target) -> None:
    order = Order(result(), name='deploy')
    some_target.start(order)
    some_target.end(order.id)
    _age(some_target, order.id, 8 * _DAY)

    some_target.start()
    assert list((some_target.async_dir / '.names').iterdir()) == []


def test_the_name_of_a_removed_job_is_forgotten(some_target: Target) -> None:
    order, other = Order(result(), name='deploy'), Order(result(), name='other')
    some_target.start(order, other)
    some_target.end(order.id, other.id)

    some_target.ask('remove', ids=[order.id])
    assert [path.name for path in (some_target.async_dir / '.names').iterdir()] == ['other']


def test_a_job_that_is_removed_while_its_end_is_written_leaves_no_result_file(some_target: Target) -> None:
    job_id = some_target.run(result())
    some_target.end(job_id)
    job: Any = Store(str(some_target.async_dir)).job(job_id)
    job.remove()

    write_lost(job, 'the supervisor was killed')
    assert not (some_target.async_dir / job_id).exists()


@pytest.mark.long
def test_a_look_never_finds_the_half_of_a_job(some_target: Target) -> None:
    """Jobs are made and removed while others look: what they see is whole, and nobody brings one back."""
    for _number in range(5):
        orders = [Order('', argv=['/no/such']) for _number in range(20)]
        processes = [some_target.popen(start_request(*orders))]
        processes += [
            some_target.popen({'op': 'list', 'states': None, 'names': None, 'queues': None}) for _number in range(3)
        ]
        processes += [some_target.popen({'op': 'prune', 'older_than': 0, 'states': ENDED, 'keep': 0, 'check': False})]
        for process in processes:
            assert {look['job']['state'] for look in looks(answer(process))} <= {'running', 'failed'}
    until(lambda: not some_target.processes())
    _prune(some_target)
    assert sorted(path.name for path in some_target.async_dir.iterdir()) == [
        '.dependents',
        '.jobs',
        '.names',
        '.queues',
        '.runtime',
    ]
    assert list((some_target.async_dir / '.jobs').iterdir()) == []
