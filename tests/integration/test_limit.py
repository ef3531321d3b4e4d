# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limit, the end of a job's whole tree, its files, and its life without a connection: on a booted host."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Run
from ansible_collections.background.jobs.tests.integration._parity import RUN
from ansible_collections.background.jobs.tests.integration._playing import eventually
from ansible_collections.background.jobs.tests.integration._targets import Target

pytestmark = [pytest.mark.hosts]
Play = c.Callable[..., Run]

# Every process of a job has its environment, wherever it has gone.
MARK = 'BACKGROUND_JOBS_TEST=tree'
TREE = {'BACKGROUND_JOBS_TEST': 'tree'}
SECRET = 'open sesame'
LIMIT = 15  # seconds; on a busy machine, a module may need half of them before its traps are set

# TERM goes to the whole group. The module ends at once, and nobody reads the output of its shell any more. Before dash runs a
# trap, it may print that TERM has killed its sleep, and would be killed by PIPE.
STUBBORN = """
exec 2>/dev/null
trap 'echo TERM >> {dir}/log' TERM
(trap '' TERM; setsid sh -c 'echo away >> {dir}/log; while :; do sleep 600; done') &
(trap '' TERM; while :; do sleep 600; done) &
echo here >> {dir}/log
while :; do sleep 600 & wait $!; done
"""
DOCILE = """
exec 2>/dev/null
trap 'echo cleaned up >> {dir}/log; exit 0' TERM
sleep 600 & wait
"""


@pytest.fixture
def host(hosts: list[Target]) -> Target:
    return hosts[0]


@pytest.fixture
def directory(host: Target) -> c.Iterator[str]:
    """An empty directory on the host, and no marked processes afterwards."""
    path = host.shell('mktemp -d').strip()
    yield path
    host.shell(
        f'rm -rf {path}; for process in {" ".join(tree(host))}; do kill -KILL ${{process//[^0-9]}}; done', user='root'
    )


def tree(host: Target) -> list[str]:
    """The processes of marked jobs."""
    return host.shell(f"grep -slzx '{MARK}' /proc/[0-9]*/environ || true", user='root').split()


def run_out(play: Play, host: Target, script: str, grace: float) -> dict[str, t.Any]:
    """The result of a job that runs *script* for longer than its limit."""
    task = {RUN: {'task': {'shell': script}, 'grace': grace}, 'environment': TREE, 'async': LIMIT, 'poll': 1}
    return play(host, {**task, 'register': 'job', 'ignore_errors': True})['job']


@pytest.mark.spine
def test_at_the_limit_the_whole_tree_dies(play: Play, host: Target, directory: str) -> None:
    result = run_out(play, host, STUBBORN.format(dir=directory), grace=5)
    assert tree(host) == []
    assert (result['failed'], result['finished'], result['job']['state']) == (True, True, 'timed_out')
    assert f'limit is {LIMIT} s' in result['msg']
    assert sorted(host.shell(f'cat {directory}/log').split()) == ['TERM', 'away', 'here'], result
    assert LIMIT + 5 <= result['job']['elapsed'] < 70  # the limit, and the grace that those who ignore TERM get


@pytest.mark.any_core
def test_who_heeds_term_is_not_killed(play: Play, host: Target, directory: str) -> None:
    result = run_out(play, host, DOCILE.format(dir=directory), grace=120)
    assert host.shell(f'cat {directory}/log') == 'cleaned up\n'
    assert result['job']['state'] == 'timed_out'
    assert LIMIT <= result['job']['elapsed'] < 70  # nobody waited for the grace to pass
    assert tree(host) == []


def start_blocked(play: Play, host: Target, directory: str) -> dict[str, t.Any]:
    """A job that was started, and will not end before something is written to the gate."""
    task = {'shell': {'cmd': f'read line < {directory}/gate; echo got $line', 'stdin': SECRET}}
    return play(
        host,
        {'command': f'mkfifo {directory}/gate'},
        {RUN: {'task': task}, 'environment': TREE, 'poll': 0, 'register': 'job'},
    )['job']


def finish(play: Play, host: Target, jid: str) -> dict[str, t.Any]:
    return play(
        host,
        {
            'background.jobs.async_status': {'jid': jid},
            'register': 'job',
            'until': 'job is finished',
            'retries': 600,
            'delay': 0,
        },
    )['job']


@pytest.mark.any_core
def test_nobody_else_sees_anything(play: Play, host: Target, directory: str) -> None:
    host.shell('rm -rf ~/.ansible_async')  # where ansible-core's own async may have left files that everybody can read
    job = start_blocked(play, host, directory)
    assert modes(host) == {'d 700 deploy', 'f 600 deploy'}
    pattern = SECRET.replace(' ', '[ ]')  # so that it does not find itself
    assert host.shell(f"grep -lsz '{pattern}' /proc/[0-9]*/cmdline /proc/[0-9]*/environ || true", user='root') == ''
    host.shell(f'echo > {directory}/gate')
    finish(play, host, job['ansible_job_id'])
    assert modes(host) == {'d 700 deploy', 'f 600 deploy'}
    files = host.shell(f"ls ~/.ansible_async/.jobs/{job['ansible_job_id']}").split()
    assert {'stdout', 'end.json'} <= set(files)
    assert not {'payload', 'args', 'base', 'launch.json'} & set(files)


def modes(host: Target) -> set[str]:
    """The kinds, modes and owners that there are among the files of jobs."""
    return set(host.shell("find ~/.ansible_async -printf '%y %m %u\\n'").splitlines())


@pytest.mark.any_core
def test_a_job_outlives_its_connection(play: Play, host: Target, directory: str) -> None:
    job = start_blocked(play, host, directory)
    eventually(lambda: len(tree(host)) == 2, 'the module and its shell run')
    before = tree(host)
    host.shell('pkill -KILL -u deploy sshd; while pgrep -u deploy sshd; do :; done', user='root')
    assert tree(host) == before != []
    host.shell(f'echo through > {directory}/gate', user='root')
    assert finish(play, host, job['ansible_job_id'])['stdout'] == 'got through'
    assert tree(host) == []
