# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every bad end of a job, brought about from outside on a booted host, and what a playbook then sees of it."""

from __future__ import annotations

import collections.abc as c
import os
import re
import signal
import typing as t
from pathlib import Path

import pytest
from _cgroup import MemoryGroup
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import (
    RUN,
    Playing,
    Process,
    eventually,
    processes,
    shell,
    until_there,
)
from ansible_collections.background.jobs.tests.integration._targets import Target
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.tools.supervisor import is_small
from hosts import PLAIN, Fleet, HostsError

pytestmark = [pytest.mark.hosts]
Play = c.Callable[..., Run]

OWN = f'ends-{os.getpid()}'  # the same tests may run with another ansible-core, at the same time
MARK = f'BACKGROUND_JOBS_TEST={OWN}'
MARKED = {'environment': {'BACKGROUND_JOBS_TEST': OWN}}
WAIT, STATUS, INFO = (f'background.jobs.async_{name}' for name in ('wait', 'status', 'info'))
SUDOERS = '/etc/sudoers.d/zz-ends'
LOG, GATE = '/var/tmp/ends.log', '/var/tmp/ends.gate'  # /tmp is emptied by a boot
RESTART = 'systemctl restart systemd-logind'


@pytest.fixture(autouse=True)
def no_leftovers(hosts: list[Target]) -> c.Iterator[None]:
    """No job of one test lives on, or is found, in the next."""
    yield
    for process in marked():
        os.kill(process.pid, signal.SIGKILL)
    for host in hosts:
        if host.reached():
            host.shell(f'rm -rf ~deploy/.ansible_async ~{PLAIN}/.ansible_async {LOG}* {GATE}', user='root')


def marked() -> list[Process]:
    """The processes of marked jobs, seen from this machine: modules, and what they have started."""
    return [process for process in processes() if process.has(MARK)]


def module() -> Process:
    """The module of the only marked job; its parent is the job's supervisor."""
    mine = eventually(marked, 'the module runs')
    pids = {process.pid for process in mine}
    (top,) = [process for process in mine if process.parent not in pids]
    return top


def check_ended(result: dict[str, t.Any], state: str, words: str) -> None:
    """*result* is that of a job that ended as *state*, and says why, as all results of jobs without a good end do."""
    assert (result['failed'], result['finished'], result['started']) == (True, True, True)
    assert (result['job']['id'], result['job']['state']) == (result['ansible_job_id'], state)
    assert words in result['job']['reason']
    assert result['msg'] == result['job']['reason']


# --- The host goes ---------------------------------------------------------------------------------------------------


def cut_power(fleet: Fleet, host: Target) -> None:
    fleet.cut(host.name)


def shut_down(fleet: Fleet, host: Target) -> None:
    host.shell('systemd-run --quiet systemctl poweroff', user='root')
    eventually(lambda: not fleet.status()[host.name], 'the host is off')


@pytest.mark.any_core
@pytest.mark.spine
@pytest.mark.parametrize(
    ('go', 'state', 'words'),
    [(cut_power, 'lost', 'the host was rebooted, or lost power'), (shut_down, 'cancelled', 'was the host shut down')],
    ids=['power cut', 'shutdown'],
)
def test_the_host_goes_and_comes_back(
    play: Play, victim: Target, fleet: Fleet, go: c.Callable[[Fleet, Target], None], state: str, words: str
) -> None:
    """What ran has ended, and says how; what waited in its queue runs after the boot, in order.

    So does what waited for the ends of others, or it is skipped.
    """
    line = [{'shell': 'sleep 1000'}, *({'shell': f'echo {name} >> {LOG}'} for name in ('second', 'third'))]
    started = play(
        victim,
        {RUN: {'tasks': line, 'queue': 'power'}, **MARKED, 'poll': 0, 'register': 'line'},
        {**shell('sleep 1000'), **MARKED, 'async': 500, 'poll': 0, 'register': 'alone'},
        {
            RUN: {'tasks': [{'shell': 'true', 'after_any': True}, {'shell': 'true'}], 'after': '{{ alone }}'},
            'poll': 0,
            'register': 'after',
        },
    )
    assert [job['job']['state'] for job in started['after']['jobs']] == ['queued', 'queued']
    assert [job['job']['state'] for job in started['line']['jobs']] == ['running', 'queued', 'queued']

    go(fleet, victim)
    fleet.boot(victim.name)

    run = play(
        victim,
        {STATUS: {'jid': started['alone']['ansible_job_id']}, 'register': 'alone'},
        {
            WAIT: {'jobs': [job['ansible_job_id'] for job in started['line']['jobs']], 'timeout': 100},
            'register': 'line',
        },
        {
            WAIT: {'jobs': [job['ansible_job_id'] for job in started['after']['jobs']], 'timeout': 100},
            'register': 'after',
        },
        {INFO: {'states': ['queued', 'running']}, 'register': 'live'},
        ignore_errors=True,
    )
    assert [job['job']['state'] for job in run['after']['jobs']] == ['succeeded', 'skipped']
    check_ended(run['alone'], state, words)
    check_ended(run['line']['jobs'][0], state, words)
    assert [job['job']['state'] for job in run['line']['jobs'][1:]] == ['succeeded', 'succeeded']
    assert victim.shell(f'cat {LOG}').split() == ['second', 'third']
    assert run['live']['jobs'] == []


# --- A process is killed ---------------------------------------------------------------------------------------------


def kill_module() -> None:
    os.kill(module().pid, signal.SIGKILL)


def kill_supervisor() -> None:
    os.kill(module().parent, signal.SIGKILL)


@pytest.mark.any_core
@pytest.mark.parametrize(
    ('kill', 'state', 'words'),
    [
        (kill_module, 'failed', 'was ended by SIGKILL before it had a result: was the host out of memory?'),
        (
            kill_supervisor,
            'lost',
            ' was killed, by kill -9 or for want of memory, or could not write its end; its module (pid ',
        ),
    ],
)
def test_a_task_that_waits_is_told_at_once_of_a_kill(
    controller: Controller, hosts: list[Target], tmp_path: Path, kill: c.Callable[[], None], state: str, words: str
) -> None:
    job = {'name': 'job', **shell('sleep 1000'), **MARKED, 'async': 900, 'poll': 600, 'register': 'job'}
    after = {'name': 'after', INFO: {'states': ['running']}, 'register': 'live'}
    with Playing(tmp_path, controller, hosts[:1], {'tasks': [{**job, 'ignore_errors': True}, after]}) as playing:
        eventually(lambda: marked() and playing.waits(), 'the task waits')
        kill()
        run = playing.result()
    check_ended(run['job'], state, words)
    assert 'deserialization' not in run.output
    assert run['live']['jobs'] == []


@pytest.mark.any_core
def test_the_module_wants_more_memory_than_there_is(
    controller: Controller, hosts: list[Target], tmp_path: Path
) -> None:
    """The module takes up what its command prints, until the kernel has had enough of it."""
    host = hosts[0]
    host.shell(f'mkfifo {GATE}')
    job = {
        **shell(f'read line < {GATE}; tr "\\0" x < /dev/zero'),
        **MARKED,
        'async': 900,
        'poll': 600,
        'register': 'job',
    }
    try:
        group = MemoryGroup(f'background-jobs-tests-{os.getpid()}', 40_000_000)
    except HostsError as error:
        left_out(str(error))
    with Playing(tmp_path, controller, [host], {'tasks': [job]}) as playing:
        eventually(lambda: len(marked()) > 1 and playing.waits(), 'the task waits')
        with group:
            for process in marked():
                group.add(process.pid)
            host.shell(f'echo > {GATE}')
            run = playing.result()
            eventually(lambda: not marked(), 'the command has noticed that nobody listens')
    check_ended(run['job'], 'failed', 'was ended by SIGKILL before it had a result: was the host out of memory?')
    assert run['job']['job']['signal'] == 'SIGKILL'


@pytest.mark.any_core
@pytest.mark.parametrize(
    ('settings', 'lives'), [('', False), (f'KillExcludeUsers=root {PLAIN}', True)], ids=['everybody', 'not this user']
)
def test_the_user_is_logged_out_by_a_system_that_kills(
    play: Play, hosts: list[Target], settings: str, lives: bool
) -> None:
    """KillUserProcesses=yes of logind ends what is left of a session, a job like everything else. root is spared."""
    host = hosts[0]
    path = '/etc/systemd/logind.conf.d/zz-ends.conf'
    host.shell(f"printf '[Login]\\nKillUserProcesses=yes\\n{settings}\\n' > {path}; {RESTART}", user='root')
    try:
        user = host.also('user', ansible_user=PLAIN)
        started = play(user, {**shell('sleep 1000'), **MARKED, 'poll': 0, 'register': 'job'})
        host.shell(f'pkill -KILL -u {PLAIN} sshd', user='root')
        state = f'loginctl show-user {PLAIN} --property State --value || true'
        eventually(lambda: host.shell(state).strip() in ('', 'closing'), 'the session ends')
        if not lives:
            eventually(lambda: not marked(), 'the job is ended')
        look = {STATUS: {'jid': started['job']['ansible_job_id']}, 'register': 'job', 'ignore_errors': True}
        run = play(user, look)
    finally:
        host.shell(f'rm {path}; {RESTART}', user='root')
    if lives:
        assert run['job']['job']['state'] == 'running'
    else:
        assert f'the job ends when user {PLAIN} logs out' in started['job']['warnings'][0]
        check_ended(run['job'], 'cancelled', 'did its user log out (KillUserProcesses)?')


@pytest.mark.any_core
@pytest.mark.parametrize(
    ('allow', 'forbid', 'keywords', 'place'),
    [
        (f'loginctl enable-linger {PLAIN}', f'loginctl disable-linger {PLAIN}', {}, '/user@'),
        (f"echo '{PLAIN} ALL=(ALL) NOPASSWD: ALL' > {SUDOERS}", f'rm {SUDOERS}', {'become': True}, '/system.slice/'),
    ],
    ids=['who lingers', 'who becomes root'],
)
def test_a_job_outlives_the_session_of_a_user(
    play: Play, hosts: list[Target], allow: str, forbid: str, keywords: dict[str, t.Any], place: str
) -> None:
    """It leaves the session before its module is executed, so KillUserProcesses=yes does not reach it. Nothing warns."""
    host = hosts[0]
    path = '/etc/systemd/logind.conf.d/zz-ends.conf'
    host.shell(f"printf '[Login]\\nKillUserProcesses=yes\\n' > {path}; {RESTART}; {allow}", user='root')
    try:
        user = host.also('user', ansible_user=PLAIN)
        started = play(user, {**shell('sleep 1000'), **MARKED, 'poll': 0, 'register': 'job', **keywords})
        assert 'warnings' not in started['job']
        scope = f'background-jobs-{started["job"]["ansible_job_id"]}.scope'
        (cgroup,) = re.findall(
            '^0::(.*)$', Path(f'/proc/{module().pid}/cgroup').read_text(encoding='ascii'), re.MULTILINE
        )
        assert cgroup.endswith(scope)
        assert place in cgroup
        host.shell(f'pkill -KILL -u {PLAIN} sshd', user='root')
        sessions = f'loginctl list-sessions --no-legend | grep -w {PLAIN} || true'
        eventually(lambda: not host.shell(sessions, user='root').strip(), 'the session ends')
        look = {STATUS: {'jid': started['job']['ansible_job_id']}, 'register': 'job', **keywords}
        assert play(user, look)['job']['job']['state'] == 'running'
        stop = {
            'background.jobs.async_cancel': {'jobs': started['job']['ansible_job_id']},
            'register': 'job',
            **keywords,
        }
        assert play(user, stop)['job']['jobs'][0]['state'] == 'cancelled'
        eventually(lambda: scope not in host.shell('systemd-cgls --no-pager'), 'the scope is gone')
    finally:
        host.shell(f'rm {path}; {RESTART}; {forbid}', user='root')


@pytest.fixture
def disk(hosts: list[Target]) -> c.Iterator[Target]:
    """A host whose jobs have a small disk of their own."""
    place = '/var/tmp/ends.disk'
    options = f'size=2m,mode=700,uid={hosts[0].shell("id -u").strip()}'
    hosts[0].shell(f'mkdir {place} && mount -t tmpfs -o {options} none {place}', user='root')
    yield hosts[0].also('disk', ansible_async_dir=place)
    hosts[0].shell(f'umount --lazy {place} && rmdir {place}', user='root')


@pytest.mark.any_core
def test_the_disk_is_full(play: Play, disk: Target) -> None:
    """At the start, while the module runs, and by the module's own output."""
    fill = 'head -c 9000000 /dev/zero > {{ ansible_async_dir }}/fill || true'
    room = {'ansible.builtin.file': {'path': '{{ ansible_async_dir }}/fill', 'state': 'absent'}}
    run = play(
        disk,
        {RUN: {'cmd': 'true'}},
        {'ansible.builtin.shell': fill},
        {RUN: {'cmd': 'true'}, 'poll': 1, 'register': 'start'},
        room,
        {**shell(fill), 'poll': 1, 'register': 'running'},
        room,
        {
            RUN: {'task': {'prints': {'padding': 9_000_000, 'stdout': 'eyJhIjogIlBBRERJTkcifQ=='}}},
            'register': 'printing',
        },
        {INFO: {'states': ['running']}, 'register': 'live'},
        ignore_errors=True,
    )
    assert 'user deploy cannot use the job files in /var/tmp/ends.disk: ' in run['start']['msg']
    assert 'No space left on device' in run['start']['msg']
    for name in ('running', 'printing'):
        job = run[name]['job']
        assert (run[name]['failed'], job['state']) == (True, 'failed')
        assert 'printed no JSON result' in job['reason']
        assert 'was there no room left in ' in job['reason'] or 'nothing can be written to ' in job['reason']
    assert run['live']['jobs'] == []


@pytest.mark.any_core
def test_the_files_of_a_job_are_removed(controller: Controller, hosts: list[Target], tmp_path: Path) -> None:
    """The code that its supervisor has yet to load among them."""
    job = {**shell('sleep 1000'), **MARKED, 'async': 60, 'poll': 600, 'register': 'job', 'ignore_errors': True}
    with Playing(tmp_path, controller, [hosts[0]], {'tasks': [job]}) as playing:
        eventually(playing.waits, 'the task waits')
        supervisor = module().parent
        eventually(lambda: is_small(supervisor), 'the supervisor has given its memory back')
        hosts[0].shell('rm -r ~/.ansible_async')
        run = playing.result()
    assert 'is gone: somebody removed its files from ' in run['job']['msg']
    eventually(lambda: not marked(), 'its limit holds')


# --- The controller goes ---------------------------------------------------------------------------------------------


@pytest.mark.any_core
@pytest.mark.parametrize('has_ended', [False, True], ids=['the job runs', 'the job has ended'])
def test_a_controller_that_was_killed_is_run_again(
    controller: Controller, hosts: list[Target], tmp_path: Path, has_ended: bool
) -> None:
    host = hosts[0]
    host.shell(f'mkfifo {GATE}')
    others = set(host.jobs())
    job = {**shell(f'echo $$ >> {LOG}; read line < {GATE}; echo $line', name='deploy'), **MARKED, 'poll': 600}
    tasks = {'tasks': [{'name': 'job', **job, 'register': 'job'}]}
    with Playing(tmp_path, controller, [host], tasks) as playing:
        eventually(lambda: len(marked()) > 1 and playing.waits(), 'the task waits')
        (first,) = set(host.jobs()) - others
        for process in playing.processes():
            os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(AssertionError, match='did not come to its end'):
            playing.result()
    if has_ended:
        host.shell(f'echo through > {GATE}')
        eventually(lambda: not marked(), 'the job has ended')
        run = controller.play([host], tasks)
    else:
        with Playing(tmp_path, controller, [host], tasks) as playing:
            eventually(playing.waits, 'the task waits')
            host.shell(f'echo through > {GATE}')
            run = playing.result()
    assert (run['job']['ansible_job_id'], run['job']['stdout']) == (first, 'through')
    assert len(host.shell(f'cat {LOG}').split()) == 1  # it ran once


@pytest.mark.any_core
def test_two_controllers_start_the_same_name_at_the_same_instant(
    tmp_path: Path, collections_path: Path, hosts: list[Target], fleet: Fleet
) -> None:
    host = hosts[0]
    tasks: list[dict[str, t.Any]] = [
        {'ansible.builtin.shell': f'echo ready >> {LOG}.ready; {until_there(GATE)}'},
        {**shell(f'echo $$ >> {LOG}; sleep 1', name='deploy'), 'poll': 10, 'register': 'job'},
    ]
    directories = [tmp_path / name for name in ('one', 'two')]
    playings = []
    for directory in directories:
        directory.mkdir()
        controller = Controller(directory, collections_path, fleet.inventory)
        playings.append(Playing(directory, controller, [host], {'tasks': tasks}))
    with playings[0], playings[1]:
        eventually(lambda: host.shell(f'cat {LOG}.ready || true').split() == ['ready', 'ready'], 'both are ready')
        host.shell(f'touch {GATE}')
        first, second = [playing.result()['job'] for playing in playings]
    assert first['ansible_job_id'] == second['ansible_job_id']
    assert first['rc'] == second['rc'] == 0
    assert len(host.shell(f'cat {LOG}').split()) == 1


# --- Names, lists, many ----------------------------------------------------------------------------------------------


def sleeper(name: str, on_existing: str = 'attach') -> dict[str, t.Any]:
    return {**shell('sleep 1000', name=name, on_existing=on_existing), **MARKED, 'poll': 0}


@pytest.mark.any_core
def test_what_to_do_about_a_job_of_the_same_name(play: Play, hosts: list[Target]) -> None:
    finished = {**shell('echo done', name='short'), 'poll': 0}
    run = play(
        hosts[0],
        {**sleeper('long'), 'register': 'first'},
        {**sleeper('long'), 'register': 'attached'},
        {**sleeper('long', 'fail'), 'register': 'refused', 'ignore_errors': True},
        {**sleeper('long', 'replace'), 'register': 'second'},
        {STATUS: {'jid': '{{ first.ansible_job_id }}'}, 'register': 'replaced', 'ignore_errors': True},
        {INFO: {'names': ['long'], 'states': ['running']}, 'register': 'live'},
        {**finished, 'register': 'short'},
        {INFO: {'states': ['succeeded']}, 'register': 'r', 'until': 'r.jobs | length > 0', 'retries': 100, 'delay': 0},
        {**finished, 'register': 'uncollected'},
        {**finished, 'register': 'anew'},
    )
    first, second = run['first']['ansible_job_id'], run['second']['ansible_job_id']
    assert (run['attached']['ansible_job_id'], run['attached']['changed']) == (first, False)
    assert run['attached']['job']['state'] == 'running'
    assert first in run['refused']['msg']
    assert 'is running already' in run['refused']['msg']
    assert (run['second']['changed'], second == first) == (True, False)
    check_ended(run['replaced'], 'cancelled', 'on request of user deploy')
    assert [job['id'] for job in run['live']['jobs']] == [second]
    short, uncollected = run['short'], run['uncollected']
    assert uncollected['ansible_job_id'] == short['ansible_job_id']
    assert uncollected['stdout'] == 'done'
    assert run['anew']['ansible_job_id'] != short['ansible_job_id']  # its result has been seen


@pytest.mark.spine
def test_cancel_and_prune_twice_and_in_check_mode(play: Play, hosts: list[Target]) -> None:
    def twice(task: dict[str, t.Any], register: str) -> list[dict[str, t.Any]]:
        return [
            {**task, 'check_mode': True, 'register': f'would_{register}'},
            {INFO: {}, 'register': f'before_{register}'},
            {**task, 'register': register},
            {**task, 'register': f'{register}_again'},
        ]

    jobs = [{'shell': 'sleep 1000', 'name': name} for name in ('runs', 'waits')]
    run = play(
        hosts[0],
        {RUN: {'tasks': jobs, 'queue': 'cancel'}, **MARKED, 'poll': 0},
        {**sleeper('other'), 'register': 'other'},
        *twice({'background.jobs.async_cancel': {'jobs': ['waits', 'runs']}}, 'cancel'),
        *twice({'background.jobs.async_prune': {'older_than': 0}}, 'prune'),
        {INFO: {}, 'register': 'left'},
    )

    live = {'runs': 'running', 'waits': 'queued', 'other': 'running'}

    def states(register: str) -> dict[str, str]:
        """Of the jobs of this test: those of other tests have no such names."""
        return {job['name']: job['state'] for job in run[register]['jobs'] if job['name'] in live}

    def changes(register: str) -> list[bool]:
        return [run[name]['changed'] for name in (f'would_{register}', register, f'{register}_again')]

    assert changes('cancel') == changes('prune') == [True, True, False]
    assert states('before_cancel') == live
    assert [job['name'] for job in run['cancel']['jobs']] == ['waits', 'runs']
    cancelled = {'runs': 'cancelled', 'waits': 'cancelled'}
    assert states('cancel') == states('cancel_again') == cancelled
    assert states('before_prune') == {**cancelled, 'other': 'running'}
    assert states('would_prune') == states('prune') == cancelled
    assert states('prune_again') == {}
    assert states('left') == {'other': 'running'}
    reasons = {job['name']: job['reason'] for job in run['cancel']['jobs']}
    assert 'was taken out of queue cancel on request of user deploy' in reasons['waits']
    assert 's, on request of user deploy' in reasons['runs']


@pytest.mark.spine
def test_many_jobs_written_in_many_ways(play: Play, hosts: list[Target]) -> None:
    """Ids, names and registered results, of loops within loops; in the order asked, and those that failed are named."""
    tasks = [{'shell': 'echo one', 'name': 'one'}, {'shell': 'sleep 1; exit 2', 'name': 'two'}, {'shell': 'echo three'}]
    loop = {**shell('echo {{ item }}; test {{ item }} -ne 5'), 'loop': [4, 5, 6], 'when': 'item != 6', 'poll': 0}
    asked = ['{{ looped }}', 'two', ['{{ many.jobs[2].ansible_job_id }}', ['one']], '{{ [[single]] }}']
    run = play(
        hosts[0],
        {RUN: {'tasks': tasks}, 'poll': 0, 'register': 'many'},
        {**loop, 'register': 'looped'},
        {**shell('sleep 1000', name='single'), **MARKED, 'async': 1, 'poll': 0, 'register': 'single'},
        {WAIT: {'jobs': asked}, 'poll': 600, 'register': 'waited', 'ignore_errors': True},
        {RUN: {'tasks': tasks}, 'register': 'polled', 'ignore_errors': True},
        {**shell('sleep 1000'), **MARKED, 'poll': 0, 'loop': [1, 2], 'register': 'sleepers'},
        {
            'background.jobs.async_cancel': {'jobs': ['{{ sleepers.results[1] }}', '{{ sleepers }}']},
            'register': 'stopped',
        },
        {WAIT: {'jobs': ['one', 'nobody', 'j1.1']}, 'register': 'unknown', 'ignore_errors': True},
    )
    waited = run['waited']
    states = ['succeeded', 'failed', 'failed', 'succeeded', 'succeeded', 'timed_out']
    assert [job['job']['state'] for job in waited['jobs']] == states
    assert [job.get('stdout') for job in waited['jobs'][:5]] == ['4', '5', '', 'three', 'one']
    fifth = run['looped']['results'][1]['ansible_job_id']
    assert waited['msg'].startswith('3 of 6 jobs failed: ')
    for words in (f'{fifth} (shell, rc 1: 5)', 'two (', 'single (shell, timed out: Timeout exceeded'):
        assert words in waited['msg']
    assert [job.get('stdout') for job in run['polled']['jobs']] == ['one', '', 'three']
    assert run['polled']['msg'].startswith("1 of 3 jobs failed: tasks[1] 'two' (")
    ids = [result['ansible_job_id'] for result in run['sleepers']['results']]
    assert [job['id'] for job in run['stopped']['jobs']] == [ids[1], *ids]
    assert {job['state'] for job in run['stopped']['jobs']} == {'cancelled'}
    assert (
        'could not find the jobs nobody, j1.1 on host1: user deploy has none of them in /home/deploy/.ansible_async'
        in (run['unknown']['msg'])
    )
