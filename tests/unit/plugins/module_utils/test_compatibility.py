# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs outlive upgrades: what version 0.1.0 has left on a target, and its supervisors that still run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import ABOUT
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._stored import (
    CANCELLED,
    FAILED,
    HIDDEN,
    LAST,
    LOST,
    NEXT,
    QUEUE,
    RUNNING,
    STATES,
    SUCCEEDED,
    TIMED_OUT,
    WITHDRAWN,
    prints,
    put_files,
    supervised,
    version,
    write_note,
)
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    ENDED,
    HERE,
    Order,
    Said,
    Target,
    blocked,
    mode,
    result,
    until,
    until_dead,
)

VERSION = '0.1.0'
COLLECTIONS = HERE.parents[3] / 'collections'
SLEEPS = 'exec sleep 1000'
STORED_ENDS = [job_id for job_id, state in STATES.items() if state in ENDED]
EACH_END = pytest.mark.parametrize('job_id', STORED_ENDS, ids=[STATES[job_id] + job_id[20] for job_id in STORED_ENDS])
LONG_OR_NOT = pytest.mark.parametrize('small', [False, True], ids=['at once', 'small'])
"""Whether the supervisor has given its memory back, and must load the rest of its own version again."""


@pytest.fixture
def stored(some_target: Target) -> Target:
    """A target with the files of 0.1.0, from before its last boot."""
    put_files(some_target, VERSION)
    return some_target


@pytest.fixture
def old(some_target: Target) -> Target:
    """The same target as some_target, whose requests are handled by 0.1.0."""
    return version(some_target, VERSION)


def _list(target: Target, **only: Any) -> Dict[str, str]:
    found = target.ask('list', **{'states': None, 'names': None, 'queues': None, **only})
    return {look['id']: look['job']['state'] for look in found}


def _cancel(target: Target, *ids: Any) -> List[bool]:
    """Whether there was anything to end of each."""
    return [look['to_stop'] for look in target.ask('cancel', ids=list(ids), grace=1, check=False)]


def _traces(target: Target, job_id: str) -> List[Path]:
    """All files and directories that are called after a job."""
    return [path for path in target.async_dir.rglob('*') if job_id in path.name]


# --- Files ----------------------------------------------------------------------------------------------------------


def test_every_state_is_listed(stored: Target) -> None:
    with supervised(stored, RUNNING):
        assert list(_list(stored).items()) == list(STATES.items())
        assert _list(stored, states=['queued']) == {NEXT: 'queued', LAST: 'queued'}
        assert _list(stored, names=['report/web', 'serve']) == {SUCCEEDED: 'succeeded', RUNNING: 'running'}
        assert set(_list(stored, queues=[QUEUE])) == {WITHDRAWN, RUNNING, NEXT, LAST}
        looks = stored.ask('collect', ids=[RUNNING, NEXT, LAST])
    assert [look['job'].get('position') for look in looks] == [None, 1, 2]


@EACH_END
def test_an_end_is_told_as_it_was_written(stored: Target, job_id: str) -> None:
    spec, end = (stored.note(job_id, name) for name in ('spec.json', 'end.json'))
    started = None if job_id == WITHDRAWN else stored.note(job_id, 'run.json')['at']

    (look,) = stored.end(job_id)
    expected = {key: end[key] for key in ('state', 'ended', 'elapsed')}
    expected.update({key: spec[key] for key in ('id', 'name', 'module', 'limit', 'queue')})
    expected.update(created=spec['at'], started=started, output_file=str(stored.files(job_id) / 'output'))
    expected.update({key: end[key] for key in ('reason', 'signal') if end[key]})
    expected.update(dict.fromkeys((*ABOUT, 'rc')))  # which 0.1.0 did not write down
    assert {key: look['job'][key] for key in expected} == expected
    assert (look['known'], look['ended'], look['no_log']) == (True, True, job_id == HIDDEN)
    printed = '' if job_id == WITHDRAWN else (stored.files(job_id) / 'stdout').read_text(encoding='ascii')
    assert (look['output']['rc'], look['output']['stdout']) == (end['rc'], printed)


@EACH_END
def test_an_end_is_looked_at_collected_and_removed(stored: Target, job_id: str) -> None:
    written = stored.result_file(job_id)
    assert written == stored.ask('status', ids=[job_id])[0]['result']

    (look,) = stored.ask('collect', ids=[job_id])
    assert look['job']['state'] == STATES[job_id]
    assert (stored.files(job_id) / 'collected').exists()
    assert _cancel(stored, job_id) == [False]
    assert stored.result_file(job_id) == written
    stored.ask('remove', ids=[job_id])
    assert _traces(stored, job_id) == []


def test_what_was_hidden_stays_hidden(stored: Target) -> None:
    (look,) = stored.ask('collect', ids=[HIDDEN], shown=True)
    assert (look['withheld'], look['output']) == (True, None)


def test_live_output_is_read(stored: Target) -> None:
    (look,) = stored.ask('status', ids=[SUCCEEDED], offsets=[0])
    assert sorted(look['live_output']['records']) == [['stderr', 'two', True], ['stdout', 'one', True]]
    with supervised(stored, RUNNING):
        (look,) = stored.ask('wait', ids=[RUNNING], seconds=60, offsets=[0])
    assert look['live_output']['records'] == [['stdout', 'begun', True]]
    assert (look['last_line'], look['job']['state'], look['job']['limit']) == ('begun', 'running', 3600)
    assert 0 < look['job']['elapsed'] < 60


def test_what_ran_before_the_last_boot_is_lost_and_what_waited_runs(stored: Target) -> None:
    """Those that waited before those that come later, each with its module, arguments and environment."""
    new = Order(result(number=3), queue=QUEUE)
    stored.start(new)

    looks = stored.end(RUNNING, NEXT, LAST, new.id)
    assert [look['job']['state'] for look in looks] == ['lost', 'succeeded', 'succeeded', 'succeeded']
    assert looks[0]['job']['reason'] == 'the host was rebooted, or lost power, while job %s ran' % RUNNING
    assert [json.loads(look['output']['stdout'])['number'] for look in looks[1:]] == [1, 2, 3]
    started = [look['job']['started'] for look in looks[1:]]
    assert started == sorted(started)
    assert mode(stored.files(LAST) / 'end.json') == '0600'


def test_what_waits_is_cancelled(stored: Target) -> None:
    with supervised(stored, RUNNING):
        assert _cancel(stored, {'name': 'follow'}) == [True]
        assert _list(stored) == {**STATES, NEXT: 'cancelled'}
        assert stored.ask('collect', ids=[LAST])[0]['job']['position'] == 1
    assert stored.ended(LAST)['state'] == 'succeeded'


def test_pruning_leaves_what_has_not_ended(stored: Target) -> None:
    prune = {'older_than': 0, 'keep': 0, 'states': ENDED}
    with supervised(stored, RUNNING):
        would = [look['id'] for look in stored.ask('prune', check=True, **prune)]
        assert sorted(would) == STORED_ENDS == sorted(look['id'] for look in stored.ask('prune', check=False, **prune))
        assert _list(stored) == {RUNNING: 'running', NEXT: 'queued', LAST: 'queued'}
        assert sorted(path.name for path in (stored.async_dir / '.names').iterdir()) == ['follow', 'serve']
    assert [_traces(stored, job_id) for job_id in STORED_ENDS] == [[]] * len(STORED_ENDS)


def test_removing_what_runs_keeps_what_its_end_needs(stored: Target) -> None:
    with supervised(stored, RUNNING):
        stored.ask('remove', ids=[RUNNING])
        assert not (stored.async_dir / RUNNING).exists()
        assert stored.job(RUNNING)['state'] == 'running'


def test_names_mean_what_they_meant(stored: Target) -> None:
    """A job that runs, one that waits, an end that nobody has seen, and two ends that somebody has."""
    names = ['serve', 'follow', 'upgrade', 'report/web', 'stopped']
    orders = [Order(result(), name=name) for name in names]
    with supervised(stored, RUNNING):
        attached = [look['id'] for look in stored.start(*orders)]
        assert attached == [RUNNING, NEXT, FAILED, orders[3].id, orders[4].id]
        for name in names[:2]:
            with pytest.raises(Said, match='of the name %r is .* already' % name):
                stored.run(result(), name=name, on_existing='fail')
    assert stored.ended(orders[3].id)['name'] == 'report/web'


@pytest.mark.parametrize('job_id', [SUCCEEDED, TIMED_OUT, CANCELLED, LOST])
def test_async_status_reads_the_result(stored: Target, job_id: str) -> None:
    """The module itself, as it runs where no action of this collection stands before it."""
    module = 'ansible_collections.background.jobs.plugins.modules.async_status'
    arguments = {'ANSIBLE_MODULE_ARGS': {'jid': job_id, '_async_dir': str(stored.async_dir)}}
    done = subprocess.run(
        [sys.executable, '-m', module],
        env={**os.environ, 'PYTHONPATH': str(COLLECTIONS)},
        input=json.dumps(arguments).encode('ascii'),
        stdout=subprocess.PIPE,
        check=True,
    )
    told = json.loads(done.stdout.decode('utf-8'))
    assert (told['ansible_job_id'], told['finished'], told['job']['state']) == (job_id, True, STATES[job_id])
    written = stored.result_file(job_id)
    assert {key: told[key] for key in written} == written


@pytest.mark.parametrize('name', ['spec.json', 'launch.json', 'run.json', 'end.json', 'stop.json'])
def test_what_a_later_version_adds_is_passed_over(stored: Target, name: str) -> None:
    """Somebody may go back to an earlier version, and two controllers need not have the same."""
    changed = [path.parent.name for path in (stored.async_dir / '.jobs').glob('*/' + name)]
    assert changed
    for job_id in changed:
        write_note(stored, job_id, name, {**stored.note(job_id, name), 'future': {'deep': [1]}})

    with supervised(stored, RUNNING):
        assert _list(stored) == STATES
    assert stored.ended(NEXT)['state'] == 'succeeded'


@pytest.mark.parametrize(
    ('name', 'key'),
    [('spec.json', 'name'), ('spec.json', 'at'), ('run.json', 'pid'), ('end.json', 'state'), ('end.json', 'reason')],
)
def test_what_a_later_version_leaves_out_does_no_harm_to_other_jobs(stored: Target, name: str, key: str) -> None:
    note = stored.note(SUCCEEDED, name)
    del note[key]
    write_note(stored, SUCCEEDED, name, note)

    with supervised(stored, RUNNING):
        found = _list(stored)
        assert found.pop(SUCCEEDED) in ENDED
        assert found == {job_id: state for job_id, state in STATES.items() if job_id != SUCCEEDED}
    stored.ask('remove', ids=[SUCCEEDED])
    assert _traces(stored, SUCCEEDED) == []


# --- Supervisors ----------------------------------------------------------------------------------------------------


@LONG_OR_NOT
def test_an_old_supervisor_is_looked_at_and_waited_for(old: Target, some_target: Target, small: bool) -> None:
    gate = some_target.gate()
    order = blocked(gate, name='deploy')
    old.start(order)
    if small:
        old.until_small(order.id)

    assert _list(some_target) == {order.id: 'running'}
    (look,) = some_target.ask('wait', ids=[{'name': 'deploy'}], seconds=0)
    assert (look['id'], look['job']['state'], look['ended']) == (order.id, 'running', False)
    gate.open()
    (look,) = some_target.end(order.id)
    assert (look['job']['state'], look['output']['stdout']) == ('succeeded', '{}\n')


@LONG_OR_NOT
def test_an_old_supervisor_is_told_to_stop(old: Target, some_target: Target, small: bool) -> None:
    job_id = old.run(SLEEPS)
    if small:
        old.until_small(job_id)

    assert _cancel(some_target, job_id) == [True]
    (look,) = some_target.end(job_id)
    assert look['job']['state'] == 'cancelled'
    assert look['job']['reason'].endswith('on request of user %s' % look['user'])
    until(lambda: not some_target.processes())


@pytest.mark.parametrize('limit', [0.5, 3], ids=['at once', 'small'])
def test_an_old_supervisor_keeps_the_limit(old: Target, some_target: Target, limit: float) -> None:
    job_id = old.run(SLEEPS, limit=limit)

    job = some_target.ended(job_id)
    assert (job['state'], job['limit']) == ('timed_out', limit)
    assert limit <= job['elapsed'] < limit + 30
    assert some_target.result_file(job_id)['msg'] == 'Timeout exceeded'


def test_the_output_of_an_old_job_is_followed(newest_target: Target) -> None:
    """Which has a tap of its own version."""
    gate = newest_target.gate()
    order = prints(newest_target, 'echo one; : < %s; echo two' % gate)
    version(newest_target, VERSION).start(order)

    (look,) = newest_target.ask('wait', ids=[order.id], seconds=60, offsets=[0])
    assert (look['live_output']['records'], look['last_line']) == ([['stdout', 'one', True]], 'one')
    gate.open()
    offset = look['live_output']['offset']
    newest_target.end(order.id)
    (look,) = newest_target.ask('status', ids=[order.id], offsets=[offset])
    assert look['live_output']['records'] == [['stdout', 'two', True]]


@LONG_OR_NOT
def test_a_new_job_gets_the_slot_of_an_old_one(old: Target, some_target: Target, small: bool) -> None:
    """And is started by the supervisor of the old one, which knows the files of its own version only."""
    gate = some_target.gate()
    first = blocked(gate, queue=QUEUE)
    second = Order(result(number=2), queue=QUEUE, name='after')
    third = prints(some_target, 'echo three', queue=QUEUE, argv=[sys.executable], limit=60)
    old.start(first)
    if small:
        old.until_small(first.id)
    some_target.start(second, third)

    looks = some_target.ask('collect', ids=[second.id, third.id])
    assert [look['job']['position'] for look in looks] == [1, 2]
    gate.open()
    until(lambda: all((some_target.files(order.id) / 'end.json').exists() for order in (second, third)))
    looks = some_target.end(first.id, second.id, third.id)
    assert [look['job']['state'] for look in looks] == ['succeeded'] * 3
    assert json.loads(looks[1]['output']['stdout']) == {'number': 2}
    assert json.loads(looks[2]['output']['stdout'])['stdout'] == 'three\n'
    assert some_target.ask('status', ids=[third.id], offsets=[0])[0]['live_output']['records'] == [
        ['stdout', 'three', True]
    ]


def test_an_old_job_gets_the_slot_of_a_new_one(old: Target, some_target: Target) -> None:
    gate = some_target.gate()
    first, second = blocked(gate, queue=QUEUE), Order(result(number=2), queue=QUEUE)
    some_target.start(first)
    old.start(second)

    assert some_target.job(second.id)['position'] == 1
    gate.open()
    until((some_target.files(second.id) / 'end.json').exists)
    (look,) = some_target.end(second.id)
    assert json.loads(look['output']['stdout']) == {'number': 2}


def test_a_new_job_waits_for_an_old_one(old: Target, some_target: Target) -> None:
    """The old supervisor knows nothing of it, so a look goes on."""
    gate = some_target.gate()
    first = blocked(gate, queue=QUEUE)
    old.start(first)
    orders = [Order(result(), after=[first.id], queue=queue) for queue in (None, QUEUE)]
    some_target.start(*orders)

    assert [some_target.job(order.id)['waits_for'] for order in orders] == [[first.id]] * 2
    gate.open()
    until((some_target.files(first.id) / 'end.json').exists)
    assert set(some_target.end_states(*orders)) == {'succeeded'}


def test_slots_count_old_and_new_jobs(old: Target, some_target: Target) -> None:
    gates = [some_target.gate(str(number)) for number in range(4)]
    orders = [blocked(gate, queue=QUEUE, slots=2) for gate in gates]
    for target, order in zip([old, some_target, old, some_target], orders):
        target.start(order)

    assert list(_list(some_target).values()) == ['running', 'running', 'queued', 'queued']
    for gate in gates:
        gate.open()
    assert set(some_target.end_states(*orders)) == {'succeeded'}


@pytest.mark.parametrize('on_existing', ['attach', 'fail', 'replace'])
def test_the_name_of_an_old_job_is_taken(old: Target, some_target: Target, on_existing: str) -> None:
    first = Order(SLEEPS, name='deploy')
    old.start(first)

    second = Order(SLEEPS, name='deploy', on_existing=on_existing, grace=1)
    (look,) = some_target.start(second)
    if on_existing == 'attach':
        assert (look['id'], look['attached'], look['job']['state']) == (first.id, True, 'running')
    elif on_existing == 'fail':
        assert "job %s of the name 'deploy' is running already" % first.id in look['error']
    else:
        assert (look['id'], look['job']['state']) == (second.id, 'running')
        assert some_target.job(first.id)['state'] == 'cancelled'
    expected = 'cancelled' if on_existing == 'replace' else 'running'
    assert _list(some_target, names=['deploy'])[first.id] == expected


def test_an_old_supervisor_that_was_killed(old: Target, some_target: Target) -> None:
    first, second = Order(SLEEPS, queue=QUEUE), Order(result(), queue=QUEUE)
    old.start(first, second)
    run = old.note(first.id, 'run.json')
    old.kill_supervisor(first.id)

    job = some_target.job(first.id)
    assert job['state'] == 'lost'
    assert 'pid %d' % run['supervisor'] in job['reason']
    assert some_target.job(second.id)['state'] == 'queued', 'the module still runs'
    os.kill(run['pid'], signal.SIGKILL)
    until_dead(run['pid'])
    assert some_target.ended(second.id)['state'] == 'succeeded'


# --- Files of a later version ---------------------------------------------------------------------------------------

RECORDS = {'spec.json': True, 'run.json': True, 'end.json': True, 'launch.json': False}
"""The records of a job, and whether those of an ended job are among them."""


def _made_newer(target: Target, job_id: str, name: str) -> None:
    write_note(target, job_id, name, {**target.note(job_id, name), 'version': 3})


def test_each_file_has_a_version_and_all_that_0_1_0_wrote(some_target: Target) -> None:
    gate = some_target.gate()
    first, second = blocked(gate, queue='q'), Order(result(), queue='q')
    some_target.start(first, second)
    launch = some_target.note(second.id, 'launch.json')
    gate.open()
    some_target.end(first.id, second.id)

    stored = HERE / 'fixtures' / VERSION / 'async_dir/.jobs'
    for name in RECORDS:
        old = json.loads(next(stored.glob('*/' + name)).read_text(encoding='ascii'))
        new = launch if name == 'launch.json' else some_target.note(second.id, name)
        assert new['version'] == 2
        assert 'version' not in old
        assert set(old) <= set(new)


@pytest.mark.parametrize('name', [name for name, of_ended in RECORDS.items() if of_ended])
def test_a_file_of_a_later_version_is_named_and_removed(some_target: Target, name: str) -> None:
    other = some_target.run(result(), name='other')
    job_id = some_target.run(result(), name='new')
    some_target.end(other, job_id)
    _made_newer(some_target, job_id, name)

    says = 'a later version of background.jobs has written %s: the format of the file is 3' % (
        some_target.files(job_id) / name
    )
    references: List[Any] = [job_id, {'name': 'new'}]
    requests: List[Dict[str, Any]] = [
        {'op': 'wait', 'seconds': 60},
        {'op': 'status'},
        {'op': 'collect'},
        {'op': 'cancel', 'grace': 0, 'check': False},
    ]
    for request in requests:
        for look in some_target.ask(**request, ids=references):
            assert (look['known'], look['job'], look['ended']) == (True, None, False)
            assert look['error'].startswith(says)
    assert [look['error'] is None for look in some_target.ask('list', states=None, names=None, queues=None)] == [
        True,
        False,
    ]
    assert [look['id'] for look in some_target.ask('prune', older_than=0, states=ENDED, keep=0, check=False)] == [other]
    with pytest.raises(Said, match='a later version'):
        some_target.run(result(), name='new')
    some_target.ask('remove', ids=[job_id])
    assert _traces(some_target, job_id) == []
    assert some_target.ended(some_target.run(result(), name='new'))['state'] == 'succeeded'


def test_a_job_of_a_later_version_that_runs_is_left_alone(some_target: Target) -> None:
    gate = some_target.gate()
    job_id = some_target.run(gate.before(result()))
    spec = some_target.note(job_id, 'spec.json')
    _made_newer(some_target, job_id, 'spec.json')

    some_target.ask('remove', ids=[job_id])
    assert some_target.ask('status', ids=[job_id])[0]['error']
    write_note(some_target, job_id, 'spec.json', spec)
    gate.open()
    assert some_target.ended(job_id)['state'] == 'succeeded'
