# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to branches that outlive their play, or whose controller has no room, and that they leave nothing behind."""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import os
import signal
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import (
    RUN,
    Log,
    Meeting,
    Playing,
    eventually,
    processes,
    small_disk,
    until_there,
)
from ansible_collections.background.jobs.tests.integration._targets import Target

Play = c.Callable[..., Run]
WAIT, INFO, SHELL = 'background.jobs.async_wait', 'background.jobs.async_info', 'ansible.builtin.shell'


def ends_when(gate: Path) -> dict[str, t.Any]:
    return {SHELL: until_there(gate)}


def kill(controller: Controller, run: Run, name: str, *, body_only: bool = False) -> Path:
    """Kill the function of a branch, or everything of it: the directory of its job."""
    job_id = run[name]['ansible_job_id']
    (directory,) = controller.branches.glob(f'*/.jobs/{job_id}')
    started = json.loads((directory / 'run.json').read_text(encoding='utf-8'))
    found = {started['pid']} if body_only else {started['supervisor'], *tree(started['supervisor'])}
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not found & {process.pid for process in processes()}, 'all are dead')
    return directory


def tree(pid: int) -> set[int]:
    """The processes below *pid*."""
    children = {process.pid for process in processes() if process.parent == pid}
    return children.union(*map(tree, children))


@pytest.mark.any_core
def test_branches_that_outlived_their_play_are_killed(
    play: Play, controller: Controller, local: Target, tmp_path: Path, temporary: Path
) -> None:
    """Only their function, everything of them, and everything of one before its controller was booted again."""
    never = tmp_path / 'never'
    settings = {'LOCAL_TEMP': str(temporary)}
    starts = [
        {RUN: {'name': name, 'block': [ends_when(never)]}, 'poll': 0, 'register': name}
        for name in ('function', 'all', 'before_boot')
    ]
    first = play(local, *starts, settings=settings)
    kill(controller, first, 'function', body_only=True)
    kill(controller, first, 'all')
    record = kill(controller, first, 'before_boot') / 'run.json'
    started = json.loads(record.read_text(encoding='utf-8'))
    record.write_text(json.dumps({**started, 'boot': 'of another boot'}), encoding='utf-8')
    run = play(
        local,
        {SHELL: 'echo still-there', 'register': 'next'},
        *(
            {WAIT: {'jobs': name}, 'register': name, 'ignore_errors': True}
            for name in ('function', 'all', 'before_boot')
        ),
        {RUN: {'block': [{SHELL: 'echo after'}]}, 'register': 'after'},
        settings=settings,
        vars={'background_jobs_branches': 3},  # so that a place that is never given back would let the last one wait
    )
    assert run.rc == 0, run.output
    ends = {name: run[name]['jobs'][0]['job'] for name in ('function', 'all', 'before_boot')}
    assert {name: end['state'] for name, end in ends.items()} == {
        'function': 'failed',
        'all': 'lost',
        'before_boot': 'lost',
    }
    assert ends['function']['signal'] == 'SIGKILL'
    assert 'was killed, by kill -9' in ends['all']['reason']
    assert ends['before_boot']['reason'].startswith('the controller was rebooted, or lost power, while job ')
    assert run['next']['stdout'] == 'still-there'
    assert run['after']['job']['state'] == 'succeeded'
    assert list(temporary.iterdir()) == []


def fill(path: Path) -> dict[str, t.Any]:
    return {SHELL: f'head -c 9000000 /dev/zero > {path}/fill || true'}


def room(path: Path) -> dict[str, t.Any]:
    return {'ansible.builtin.file': {'path': f'{path}/fill', 'state': 'absent'}}


@pytest.mark.any_core
def test_the_disk_of_the_job_files_is_full(play: Play, controller: Controller, local: Target, temporary: Path) -> None:
    """At the start, while the tasks run, and by the result itself."""
    large = {SHELL: 'head -c 6000000 /dev/zero | tr "\\0" x'}
    with small_disk(controller.branches):
        run = play(
            local,
            {RUN: {'block': [{SHELL: 'true'}]}},
            fill(controller.branches),
            {RUN: {'block': [{SHELL: 'true'}]}, 'register': 'start'},
            room(controller.branches),
            {RUN: {'block': [fill(controller.branches), {SHELL: 'true'}]}, 'register': 'running'},
            room(controller.branches),
            {RUN: {'block': [large]}, 'register': 'result'},
            {INFO: {'states': ['running', 'queued']}, 'register': 'live'},
            {SHELL: 'echo still-there', 'register': 'next'},
            ignore_errors=True,
            settings={'LOCAL_TEMP': str(temporary)},
        )
    assert f"No space left on device: '{controller.branches}" in run['start']['msg'], run.output
    for name in ('running', 'result'):
        assert (run[name]['failed'], run[name]['job']['state']) == (True, 'failed')
        told = run[name]['msg']
        assert 'was there no room left in ' in told or 'nothing can be written to ' in told
    assert run['live']['jobs'] == []
    assert run['next']['stdout'] == 'still-there'
    assert list(temporary.iterdir()) == []


@pytest.mark.any_core
def test_the_disk_of_temporary_files_is_full(play: Play, local: Target, temporary: Path, tmp_path: Path) -> None:
    content = '{{ "x" * 1000000 }}'
    copy = {'ansible.builtin.copy': {'content': content, 'dest': f'{tmp_path}/{{{{ file }}}}', 'mode': '0600'}}
    full = {'ansible.builtin.raw': f'head -c 9000000 /dev/zero > {temporary}/fill || true'}  # needs no temporary file
    ignored = {'ignore_errors': True}  # of the play, this would hold for the tasks of branches as well
    with small_disk(temporary):
        run = play(
            local,
            {RUN: {'block': [full, copy]}, 'register': 'running', 'vars': {'file': 'running'}, **ignored},
            {RUN: {'block': [copy]}, 'register': 'start', 'vars': {'file': 'start'}, **ignored},
            {RUN: {'task': copy}, 'register': 'light', 'vars': {'file': 'light'}, **ignored},
            {'ansible.builtin.raw': f'rm {temporary}/fill'},
            {RUN: {'block': [copy]}, 'register': 'again', 'vars': {'file': 'again'}},
            settings={'LOCAL_TEMP': str(temporary)},
        )
        assert list(temporary.iterdir()) == []
    for name in ('running', 'start', 'light'):
        assert run[name]['failed'] is True, run.output
        assert 'No space left on device' in run[name]['msg']
    assert run['again']['job']['state'] == 'succeeded'


@pytest.mark.any_core
def test_facts_of_branches_at_once_leave_the_cache_of_the_play_whole(
    play: Play, local: Target, tmp_path: Path, temporary: Path
) -> None:
    cache = tmp_path / 'facts'
    gather = {'ansible.builtin.setup': {'gather_subset': ['!all', '!min', 'env']}}
    meet = {SHELL: f'touch {tmp_path}/{{{{ me }}}}; {until_there(tmp_path / "{{ other }}")}; cat {cache}/*'}
    branches = [
        {
            RUN: {'name': me, 'block': [gather, {**meet, 'register': f'cached_{me}'}]},
            'vars': {'me': me, 'other': other},
            'environment': {'WHO': me},
            'poll': 0,
        }
        for me, other in (('one', 'two'), ('two', 'one'))
    ]
    run = play(
        local,
        {**gather, 'environment': {'WHO': 'play'}},
        *branches,
        {WAIT: {'jobs': ['one', 'two']}},
        {'ansible.builtin.debug': {'msg': '{{ [cached_one.stdout, cached_two.stdout] }}'}, 'register': 'cached'},
        settings={
            'LOCAL_TEMP': str(temporary),
            'CACHE_PLUGIN': 'jsonfile',
            'CACHE_PLUGIN_CONNECTION': str(cache),
        },
    )
    assert run.rc == 0, run.output
    for text in run['cached']['msg']:
        facts = json.loads(text) if isinstance(text, str) else text
        assert who(facts) == 'play', 'what a branch has gathered is its own before the join'
    (file,) = cache.iterdir()
    assert who(json.loads(file.read_text(encoding='utf-8'))) == 'two', 'of two that are joined the later one counts'
    assert list(temporary.iterdir()) == []


def who(facts: dict[str, t.Any]) -> str:
    """WHO in the environment that *facts* tell of, as a cache keeps them: from 2.19 on as text in text."""
    if '__payload__' in facts:
        facts = json.loads(facts['__payload__'])
    return t.cast('str', facts['ansible_env']['WHO'])


@pytest.mark.any_core
def test_branches_of_many_hosts_share_the_slots_and_the_play_goes_on(
    controller: Controller, local: Target, tmp_path: Path
) -> None:
    hosts = [local.also(f'h{number}') for number in range(6)]
    meeting, log = Meeting(tmp_path / 'meeting'), Log(tmp_path / 'log')
    own = tmp_path / 'own'
    own.mkdir()
    tasks = [
        {
            RUN: {'block': [{SHELL: log.around(meeting.wait(), '{{ inventory_hostname }}')}]},
            'poll': 0,
            'register': 'branch',
        },
        {SHELL: f'touch {own}/{{{{ inventory_hostname }}}}'},
        {WAIT: {'jobs': '{{ branch }}'}},
    ]
    with Playing(tmp_path, controller, hosts, {'tasks': tasks}, FORKS='2') as playing:
        with meeting.closed():
            eventually(lambda: len(os.listdir(own)) == len(hosts), 'the play goes on while no branch has ended')
            eventually(lambda: len(meeting.came()) == 2, 'two branches run')
        run = playing.result()
    assert run.rc == 0, run.output
    assert log.at_once() == 2, 'as many as forks'
    assert meeting.came() == {host.name for host in hosts}


@pytest.mark.hosts
def test_a_branch_that_is_killed_leaves_the_connection(
    controller: Controller, hosts: list[Target], tmp_path: Path, temporary: Path
) -> None:
    """It was killed with -9, with all its processes, in the middle of a task, and nobody has closed its ssh master."""
    host = hosts[0]
    block = [{SHELL: 'touch /tmp/killed-branch; sleep 600'}]
    settings = {'LOCAL_TEMP': str(temporary)}
    host.shell('rm -f /tmp/killed-branch')
    here = {'ansible_connection': 'local', 'ansible_python_interpreter': '{{ ansible_playbook_python }}'}
    tasks: list[dict[str, t.Any]] = [
        {SHELL: 'true'},  # the play has a connection of its own, and keeps it
        {RUN: {'name': 'killed', 'block': block}, 'poll': 0, 'register': 'killed'},
        {SHELL: f'{until_there("/tmp/killed-branch")}'},
        {'ansible.builtin.wait_for': {'path': str(tmp_path / 'gate')}, 'delegate_to': 'localhost', 'vars': here},
        {SHELL: 'echo still-there', 'register': 'next'},
        {WAIT: {'jobs': 'killed'}, 'register': 'lost', 'ignore_errors': True},
    ]
    with Playing(tmp_path, controller, [host], {'tasks': tasks}, **settings) as playing:
        (directory,) = eventually(lambda: list(controller.branches.glob('*/.jobs/j*/run.json')), 'the branch runs')
        eventually(lambda: host.shell('ls /tmp').count('killed-branch'), 'its task runs')
        started = json.loads(directory.read_text(encoding='utf-8'))
        for pid in {started['supervisor'], *tree(started['supervisor'])}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        (tmp_path / 'gate').touch()
        run = playing.result()
    assert run.rc == 0, run.output
    assert run['next']['stdout'] == 'still-there'
    assert run['lost']['jobs'][0]['job']['state'] == 'lost'
    assert list(temporary.iterdir()) == []
