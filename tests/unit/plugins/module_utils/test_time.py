# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits, grace, and the end of a whole tree; and how little a supervisor does meanwhile."""

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterator, Optional

import pytest
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Order,
    Target,
    answer,
    looks,
    result,
    start_request,
    until,
)

# The module waits for the children that it names, so that it is the last of its group, and catches TERM at once.
_LISTENS = """
trap 'echo TERM > %s; exit 3' TERM
sleep 1000 &
echo begun > %s
wait
"""


def test_the_limit(target: Target) -> None:
    job_id = target.run('exec sleep 1000', limit=0.3)

    (look,) = target.end(job_id)
    job = look['job']
    assert (job['state'], job['limit'], job['signal']) == ('timed_out', 0.3, 'SIGTERM')
    assert 0.3 <= job['elapsed'] < 30
    assert job['reason'] == 'Timeout exceeded: job %s was stopped after %.1f s, its limit is 0.3 s' % (
        job_id,
        job['elapsed'],
    )
    found = target.result_file(job_id)
    assert (found['failed'], found['msg']) == (True, 'Timeout exceeded'), "ansible-core's words"


@pytest.mark.parametrize('limit', [None, 1e12, 2**70])
def test_no_limit_and_no_limit_to_limits(target: Target, limit: Optional[float]) -> None:
    gate = target.gate()
    job_id = target.run(gate.before(result()), limit=limit)

    target.ask('wait', ids=[job_id], seconds=0.1)
    assert target.job(job_id)['state'] == 'running'
    assert target.job(job_id)['limit'] == limit
    gate.open()
    assert target.ended(job_id)['state'] == 'succeeded'


def test_a_wait_may_be_asked_to_take_for_ever(target: Target) -> None:
    gate = target.gate()
    job_id = target.run(gate.before(result()))
    waiting = target.popen({'op': 'wait', 'ids': [job_id], 'seconds': 1e12})
    until(lambda: target.watches(waiting.pid))
    gate.open()

    assert looks(answer(waiting))[0]['ended']


def test_the_limit_counts_from_the_execution_of_the_module(some_target: Target) -> None:
    """Not from the request: no module of it is executed before all are ready, and here a name is waited for."""
    some_target.start()
    first, second = Order(result(), limit=2), Order(result(), name='taken')
    with open(str(some_target.async_dir / '.names/taken'), 'w', encoding='ascii') as name:
        fcntl.flock(name, fcntl.LOCK_EX)
        starting = some_target.popen(start_request(first, second))
        until(lambda: len(set(some_target.supervisors()) - {starting.pid}) == 2)
        time.sleep(2.5)  # longer than the limit
    looks(answer(starting))

    assert some_target.ended(first.id)['state'] == 'succeeded'


def test_a_module_may_use_its_grace(some_target: Target) -> None:
    told, begun = some_target.message('told'), some_target.message('begun')
    job_id = some_target.run(_LISTENS % (told, begun), limit=3, grace=1000)
    begun.heard()

    assert told.heard() == 'TERM'
    job = some_target.ended(job_id)
    assert (job['state'], job.get('signal')) == ('timed_out', None)
    assert job['elapsed'] < 500, 'the rest of its grace was not waited for'
    assert some_target.left_running() == {}


def test_its_state_is_written_after_the_deaths(some_target: Target) -> None:
    """While anything of the tree is alive it runs, and says so; when it says that it ended, nothing is."""
    told, begun = some_target.message('told'), some_target.message('begun')
    script = "trap 'echo TERM > %s' TERM; echo begun > %s; while :; do sleep 0.1; done" % (told, begun)
    job_id = some_target.run(script, limit=3, grace=10)
    begun.heard()

    assert told.heard() == 'TERM'
    assert some_target.job(job_id)['state'] == 'running'
    assert some_target.result_file(job_id)['started'] is True
    assert some_target.ended(job_id)['state'] == 'timed_out'
    assert some_target.left_running() == {}
    assert some_target.job(job_id)['elapsed'] >= 13
    assert some_target.job(job_id)['signal'] == 'SIGKILL'


_TREES = {
    'it ignores TERM': "trap '' TERM; echo > {told}; while :; do sleep 1000; done",
    'its child ignores TERM': "(trap '' TERM; echo > {told}; while :; do sleep 1000; done) & wait",
    'it is stopped': 'echo > {told}; kill -STOP $$; sleep 1000',
    'its child is stopped': '(sleep 1000 & kill -STOP $!; echo > {told}; wait) & wait',
    'a child leaves its group': 'setsid sleep 1000 & echo > {told}; wait',
    'a daemon leaves it altogether': (
        "(setsid sh -c 'trap \"\" TERM HUP; (echo > {told}; sleep 1000; sleep 1000) & exec sleep 1000' &) ; exec sleep 1000"
    ),
    'a daemon forks while it is hunted': (
        "(setsid sh -c 'trap \"\" TERM HUP; echo > {told}; while :; do sleep 0.001 & sleep 0.001; done' &) ; exec sleep 1000"
    ),
    'a daemon is followed by another, and so on': (
        # Each ends as soon as it has started the next, so that one look at all processes may see none of them.
        "printf 'test -e {told} || exit\\nsetsid sh \"$0\" &' > {told}.sh; setsid sh {told}.sh & echo > {told}; exec sleep 1000"
    ),
}


@pytest.mark.parametrize('tree', _TREES)
@pytest.mark.parametrize('how', ['limit', 'cancel'])
def test_the_whole_tree_dies(some_target: Target, tree: str, how: str) -> None:
    told = some_target.message()
    job_id = some_target.run(_TREES[tree].format(told=told), limit=3 if how == 'limit' else None, grace=0.1)
    told.heard()

    if how == 'cancel':
        some_target.ask('cancel', ids=[job_id], grace=0.1, check=False)
    assert some_target.ended(job_id)['state'] == {'limit': 'timed_out', 'cancel': 'cancelled'}[how]
    assert some_target.left_running() == {}


@pytest.fixture
def crowded_host() -> Iterator[None]:
    """This host, with 3,000 processes that have nothing to do with any job."""
    crowd = 'number=0; while [ $number -lt 3000 ]; do sleep 1000 & number=$((number + 1)); done; echo; wait'
    with subprocess.Popen(['/bin/sh', '-c', crowd], start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.long
@pytest.mark.usefixtures('crowded_host')
def test_daemons_that_follow_each_other_die_on_a_crowded_host(newest_target: Target) -> None:
    """Each lives for a much shorter time than it takes to read of all processes there are."""
    told = newest_target.message()
    flight = (
        'import os\n'
        f'open("{told}", "w").write("begun")\n'
        f'while os.path.exists("{told}") and (os.fork() == 0 or os._exit(0)):\n'
        '    os.setsid()\n'
    )
    job_id = newest_target.run("%s -ISc '%s'; exec sleep 1000" % (newest_target.python, flight), grace=0)
    told.heard()

    newest_target.ask('cancel', ids=[job_id], grace=0, check=False)
    assert newest_target.ended(job_id)['state'] == 'cancelled'
    assert newest_target.left_running() == {}


@pytest.mark.parametrize('how', ['limit', 'cancel'])
def test_a_supervisor_that_gave_its_memory_back_does_the_same(some_target: Target, how: str) -> None:
    told = some_target.message()
    script = _TREES['a daemon leaves it altogether'].format(told=told)
    job_id = some_target.run(script, limit=5 if how == 'limit' else None, grace=0.1)
    told.heard()
    some_target.until_small(job_id)

    if how == 'cancel':
        some_target.ask('cancel', ids=[job_id], grace=0.1, check=False)
    assert some_target.ended(job_id)['state'] == {'limit': 'timed_out', 'cancel': 'cancelled'}[how]
    assert some_target.left_running() == {}


def test_a_module_that_ends_by_itself_may_leave_a_daemon(some_target: Target) -> None:
    daemon = some_target.directory / 'daemon'
    job_id = some_target.run('setsid sleep 1000 & echo $! > %s; %s' % (daemon, result()), limit=1000)

    assert some_target.ended(job_id)['state'] == 'succeeded'
    assert list(some_target.left_running()) == [int(daemon.read_text(encoding='ascii'))]


_DAEMON = "(setsid sh -c 'echo $$ > {daemon}; exec sleep 1000' &); until [ -s {daemon} ]; do sleep 0.01; done; exec sleep 1000"


def test_the_reason_names_the_daemons_that_the_limit_ended(some_target: Target) -> None:
    daemon = some_target.directory / 'daemon'
    job_id = some_target.run(_DAEMON.format(daemon=daemon), limit=3, grace=0.1)

    reason = some_target.ended(job_id)['reason']
    assert daemon.exists(), 'the limit came before the daemon'
    assert 'sleep (pid %s)' % daemon.read_text(encoding='ascii').strip() in reason


def test_the_limit_of_ansible_core_spares_a_daemon(some_target: Target) -> None:
    daemon = some_target.directory / 'daemon'
    job_id = some_target.run(_DAEMON.format(daemon=daemon), limit=3, grace=0.1, spare_daemons=True)

    assert some_target.ended(job_id)['state'] == 'timed_out'
    assert list(some_target.left_running()) == [int(daemon.read_text(encoding='ascii'))]


def test_a_cancel_spares_no_daemon(some_target: Target) -> None:
    daemon = some_target.directory / 'daemon'
    job_id = some_target.run(_DAEMON.format(daemon=daemon), spare_daemons=True)
    until(lambda: daemon.exists() and daemon.read_text(encoding='ascii'))

    some_target.ask('cancel', ids=[job_id], grace=0.1, check=False)
    assert some_target.ended(job_id)['state'] == 'cancelled'
    assert some_target.left_running() == {}


def test_the_limit_of_ansible_core_has_a_leeway(some_target: Target) -> None:
    job_id = some_target.run('exec sleep 1000', limit=0.3, leeway=0.7)

    job = some_target.ended(job_id)
    assert (job['state'], job['limit']) == ('timed_out', 0.3)
    assert job['elapsed'] >= 1.0
    assert "its limit is 0.3 s, to which ansible-core's async adds 0.7 s" in job['reason']


@pytest.mark.parametrize('limit', [None, 1000])
def test_an_idle_supervisor_does_not_wake_up(some_target: Target, limit: Optional[float]) -> None:
    told = some_target.message()
    job_id = some_target.run('echo > %s; exec sleep 1000' % told, limit=limit)
    told.heard()
    some_target.until_small(job_id)
    supervisor = some_target.note(job_id, 'run.json')['supervisor']
    until(lambda: _sleeps(supervisor))

    before = _switches(supervisor)
    time.sleep(2)
    assert _switches(supervisor) == before


def _sleeps(pid: int, seconds: float = 0.3) -> bool:
    """Whether a process has done nothing for so long."""
    before = _switches(pid)
    time.sleep(seconds)
    return _switches(pid) == before


def _switches(pid: int) -> str:
    """How often the kernel has given the processor to a process, of itself or not."""
    lines = Path('/proc/%d/status' % pid).read_text(encoding='ascii').splitlines()
    return ' '.join(line for line in lines if 'ctxt_switches' in line)


def test_neither_does_a_wait(some_target: Target) -> None:
    job_id = some_target.run('exec sleep 1000')
    waiting = some_target.popen({'op': 'wait', 'ids': [job_id], 'seconds': 1000})
    # It looks a second time after a second (files/watch.py), and then no more.
    until(lambda: some_target.watches(waiting.pid) and _sleeps(waiting.pid, 2))

    before = _switches(waiting.pid)
    time.sleep(1)
    assert _switches(waiting.pid) == before
    os.kill(some_target.note(job_id, 'run.json')['pid'], signal.SIGKILL)
    assert looks(answer(waiting))[0]['ended']
