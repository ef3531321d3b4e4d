# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that waits is parked: no process of its own is left, and nothing else changes by that.

test_forks.py has more of what must not change: its tests run with parked hosts unless they say otherwise.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._parking import (
    LONG,
    NEXT,
    Many,
    all_parked,
    await_parked,
    job_of,
    masters,
    parked,
)
from ansible_collections.background.jobs.tests.integration._playing import (
    RUN,
    Meeting,
    Playing,
    eventually,
    kinds,
    shell,
    until_there,
    without_what_differs,
)
from ansible_collections.background.jobs.tests.integration._targets import CORE, Target
from hosts import Fleet

# --- Which way was taken ---------------------------------------------------------------------------------------------


@pytest.mark.spine
@pytest.mark.parametrize('strategy', ['linear', 'free'])
def test_no_process_of_a_host_is_left(
    controller: Controller, many: Many, meeting: Meeting, tmp_path: Path, strategy: str
) -> None:
    task = job_of(meeting.wait() + '; echo {{ inventory_hostname }}')
    play = {'strategy': strategy, 'tasks': [task, NEXT]}
    with Playing(tmp_path, controller, many(4), play, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 4, meeting)
            for path in playing.parked():
                files = [path.with_suffix(''), path]
                assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
                assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        run = playing.result()
    assert kinds(run, 'job') == kinds(run, 'next') == {f'h{n}': 'ok' for n in range(1, 5)}, run.output
    assert {host: values['r']['stdout'] for host, values in run.registered.items()} == {
        f'h{n}': f'h{n}' for n in range(1, 5)
    }
    assert playing.parked() == []
    assert playing.processes() == []


@pytest.mark.parametrize('strategy', ['linear', 'free'])
def test_the_main_process_rests_meanwhile(
    collections_path: Path, many: Many, meeting: Meeting, tmp_path: Path, strategy: str
) -> None:
    """ansible-core looks for results 1,000 times a second; here, it has nothing to look for."""
    controller = Controller(tmp_path, collections_path, configuration='')
    play = {'strategy': strategy, 'tasks': [{**job_of(meeting.wait()), 'poll': 60}, NEXT]}
    with Playing(tmp_path, controller, many(3), play, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 3, meeting)
            main = playing.main()
            before = main.wakeups()
            time.sleep(5)
            assert main.wakeups() - before < 200  # 5,000 without a rest, on a machine that is not busy
        run = playing.result()
    assert kinds(run, 'next') == {f'h{n}': 'ok' for n in range(1, 4)}, run.output


def test_async_wait_parks_too(controller: Controller, many: Many, meeting: Meeting, tmp_path: Path) -> None:
    start = {**shell(meeting.wait()), 'async': LONG, 'poll': 0, 'register': 'started'}
    wait = {'name': 'wait', 'background.jobs.async_wait': {'jobs': '{{ started }}'}, 'poll': 2}
    late = {
        'name': 'late',
        'background.jobs.async_wait': {'jobs': '{{ started }}', 'timeout': 2},
        'ignore_errors': True,
    }
    with Playing(tmp_path, controller, many(3), {'tasks': [start, late, wait]}, FORKS='2') as playing:
        with meeting.closed():
            await_parked(playing, 3, meeting)
            time.sleep(3)  # the time of the first wait is over
            eventually(all_parked(playing, 3), 'three hosts are parked again')
        run = playing.result()
    assert set(kinds(run, 'wait').values()) == {'ok'}, run.output
    assert set(kinds(run, 'late').values()) == {'failed'}
    assert all('had not ended after 2 s' in event.result['msg'] for event in run.of('late'))


def test_where_a_child_waits_instead(controller: Controller, many: Many, tmp_path: Path) -> None:
    plugins = tmp_path / 'plugins'
    plugins.mkdir()
    (plugins / 'community_like.py').write_text(
        "from ansible.plugins.connection.local import Connection as Local, DOCUMENTATION\n"
        "DOCUMENTATION = DOCUMENTATION.replace('name: local', 'name: community_like')\n"
        'class Connection(Local):\n    pass\n'
    )
    reasons: dict[str, dict[str, t.Any]] = {
        'its task has loop': {'loop': [1]},
        'its task has until': {'until': 'r.rc == 0'},
        'its task has timeout': {'timeout': 50},
        'its output is followed': shell('sleep 1', follow=True),
        'an interrupt is to cancel its jobs': {'vars': {'background_jobs_on_interrupt': 'cancel'}},
        'not all of its jobs are on the target': {RUN: {'task': {'ansible.builtin.pause': {'seconds': 1}}}},
        'not with this connection': {'vars': {'ansible_connection': 'community_like'}},
        # The same for a password that sudo might ask for.
        'not with this connection ': {'become': True, 'vars': {'ansible_become_password': 'x'}},
    }
    # These two hold their forks as well.
    held = [job_of('sleep 1', name='throttle', throttle=1)]
    pinned = {'strategy': 'host_pinned', 'tasks': [job_of('sleep 1', name='pinned')]}
    tasks = [job_of('sleep 1', **{**keywords, 'name': reason}) for reason, keywords in reasons.items()]
    run = controller.play(
        many(1),
        {'tasks': [*tasks, *held]},
        pinned,
        VERBOSITY='3',
        CONNECTION_PLUGINS=str(plugins),
        BECOME_ALLOW_SAME_USER='1',
    )
    for name in [*reasons, 'throttle', 'pinned']:
        assert kinds(run, name) == {'h1': 'ok'}, run.output
    assert parked(run) == 0
    assert re.findall(r'this host is not parked: (.*)', run.output) == [reason.strip() for reason in reasons]


@pytest.mark.parametrize('variable', ['background_jobs_park', 'background_jobs_give_back_forks'])
def test_it_can_be_switched_off(controller: Controller, many: Many, variable: str) -> None:
    play = {'tasks': [job_of('sleep 1')], 'vars': {variable: False}}
    run = controller.play(many(1), play, VERBOSITY='3')
    assert kinds(run, 'job') == {'h1': 'ok'}, run.output
    assert parked(run) == 0


@pytest.mark.spine
@pytest.mark.parametrize('pipelining', ['0', '1'])
def test_over_ssh_no_process_is_left_either(
    controller: Controller, hosts: list[Target], fleet: Fleet, tmp_path: Path, pipelining: str
) -> None:
    """The room asks over the master connection, and where that was killed, by ssh, which makes another one."""
    gate = f'/tmp/parking-{pipelining}-{tmp_path.name}'
    task = job_of(f'{until_there(gate)}; id -un', become=True, delegate_to='{{ inventory_hostname }}', poll=1)
    with Playing(tmp_path, controller, hosts, {'tasks': [task, NEXT]}, FORKS='1', PIPELINING=pipelining) as playing:
        eventually(all_parked(playing, 2), 'two hosts are parked')
        killed = masters(fleet)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(masters(fleet) - killed) == 2, 'there are new connections')
        eventually(all_parked(playing, 2), 'the room uses them')
        for host in hosts:
            host.shell(f'touch {gate}')
        run = playing.result()
    assert kinds(run, 'job') == kinds(run, 'next') == {host.name: 'ok' for host in hosts}, run.output
    assert {values['r']['stdout'] for values in run.registered.values()} == {'root'}


# --- Nothing else changes --------------------------------------------------------------------------------------------


def test_templates_and_lookups_run_once(controller: Controller, many: Many, tmp_path: Path) -> None:
    """Of arguments, `when`, `environment`, `delegate_to`, and the name; conditions of the result see the result."""

    def once(name: str, value: str) -> str:
        return f"{{{{ lookup('pipe', 'echo {name} >> {tmp_path}/lookups; echo {value}') }}}}"

    task = job_of(
        f'sleep 1; echo {once("argument", "a")} $COLOUR{{{{ of_task }}}}',
        vars={'of_task': once('vars', '')},
        environment={'COLOUR': once('environment', 'red')},
        delegate_to=once('delegate', 'h2'),
        when=[f"lookup('pipe', 'echo when >> {tmp_path}/lookups; echo true') | bool"],
        changed_when='r.rc == 0 and r.stdout == "a red"',
        failed_when=['r.rc != 0', 'r.finished'],
    )
    run = controller.play(many(2), {'tasks': [task]}, VERBOSITY='3', FORKS='1')
    assert kinds(run, 'job') == {'h1': 'ok', 'h2': 'ok'}, run.output
    assert parked(run) == 2
    assert {values['r']['changed'] for values in run.registered.values()} == {True}
    found = (tmp_path / 'lookups').read_text().split()
    expected = controller.play(many(2), {'tasks': [task], 'vars': {'background_jobs_park': False}})
    assert kinds(expected, 'job') == {'h1': 'ok', 'h2': 'ok'}, expected.output
    assert sorted(found) == sorted((tmp_path / 'lookups').read_text().split()[len(found) :])


def test_the_screen_is_the_same(controller: Controller, many: Many) -> None:
    """With rescue, always, handlers, many jobs, run_once, a failure that is ignored, and warnings of the start."""
    fails = job_of('sleep 1; test {{ inventory_hostname }} != h2', name='job fails')
    tasks = [
        {**fails, 'ignore_errors': True},
        {
            'name': 'many',
            'background.jobs.async_run': {'tasks': [{'command': 'sleep 1'}, {'command': 'false', 'name': 'bad'}]},
            'async': LONG,
            'poll': 30,
            'ignore_errors': True,
        },
        {
            'block': [fails, NEXT],
            'rescue': [job_of('sleep 1', name='rescue')],
            'always': [job_of('sleep 1', name='always')],
        },
        job_of('sleep 1; echo secret', no_log=True, run_once=True, notify='handler'),
    ]
    plays: list[dict[str, t.Any]] = [
        {'tasks': tasks, 'handlers': [job_of('sleep 1', name='handler')]},
        {'tasks': [fails, NEXT], 'max_fail_percentage': 50},
        {'tasks': [job_of('sleep 1; test {{ inventory_hostname }} != h1'), NEXT], 'any_errors_fatal': True},
    ]
    seen = [
        controller.play(many(3), *({**play, 'vars': {'background_jobs_park': park}} for play in plays), FORKS='2')
        for park in (True, False)
    ]
    # How often a task reports how many of its jobs still run depends on when it asks.
    first, second = (without_what_differs(re.sub(r'.* \| \d+ running, .*\n', '', run.output)) for run in seen)
    assert first == second
    assert 'PLAY RECAP' in seen[0].output
    assert 'secret' not in seen[0].output
    kinds_of = [sorted((event.task, event.host, event.kind) for event in run.results) for run in seen]
    assert kinds_of[0] == kinds_of[1]


def test_v2_runner_on_start_is_called_once_and_polls_go_on(
    controller: Controller, many: Many, meeting: Meeting, tmp_path: Path
) -> None:
    with Playing(tmp_path, controller, many(2), {'tasks': [job_of(meeting.wait(), poll=1)]}, FORKS='1') as playing:
        with meeting.closed():
            await_parked(playing, 2, meeting)
            reports = [f'ASYNC POLL on {host}: ' for host in ('h1', 'h2')]
            said = tmp_path / 'output.txt'
            eventually(
                lambda: all(said.read_text().count(report) >= 2 for report in reports), 'each host reports twice'
            )
        run = playing.result()
    assert sorted(run.starts) == ['h1', 'h2']
    polls = [event for event in run.events if event.kind == 'async_poll']
    for host in ('h1', 'h2'):
        mine = [event.result['job']['elapsed'] or 0 for event in polls if event.host == host]
        assert len(mine) >= 2, run.output
        assert mine == sorted(mine)
    assert [event.kind for event in run.events if event.kind == 'async_ok'] == ['async_ok'] * 2


def test_no_log_holds_and_files_are_kept_as_long_as_ever(controller: Controller, many: Many) -> None:
    """With -vvv, which tells what a host is parked for, too. Who gives a job a name wants to look at it later."""
    secret = job_of('sleep 1; echo s3cr3t{{ 1 }}', no_log=True)
    named = {'name': 'named', **shell('sleep 1', name='deploy'), 'async': LONG, 'poll': 5, 'register': 'named'}
    targets = many(1)
    run = controller.play(targets, {'tasks': [secret, named]}, VERBOSITY='3')
    assert kinds(run, 'job') == kinds(run, 'named') == {'h1': 'ok'}, run.output
    assert parked(run) == 2
    assert run['r']['stdout'] == 's3cr3t1'
    assert 's3cr3t' not in run.output
    assert 's3cr3t' not in str(run.events)
    assert targets[0].jobs() == [run['named']['ansible_job_id']]


@pytest.mark.skipif(CORE < (2, 19), reason='modules have no serialization profile of their own')
def test_a_module_with_a_serialization_profile_of_its_own(
    controller: Controller, many: Many, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times are times in the result, as they are without `async`; with the usual profile they are text."""
    monkeypatch.setenv('_ANSIBLE_MODULE_METADATA', '1')
    code = (
        'import datetime, time\n'
        'from ansible.module_utils.basic import AnsibleModule\n'
        'time.sleep(1)\n'
        'AnsibleModule({}).exit_json(when=datetime.datetime(2026, 11, 27))\n'
    )
    (tmp_path / 'usual.py').write_text(code)
    (tmp_path / 'modern.py').write_text(
        f'METADATA = """{{schema_version: 1, serialization_profile: modern}}"""\n{code}'
    )
    tasks: list[dict[str, t.Any]] = []
    for module in ('usual', 'modern'):
        tasks += [
            {module: {}, 'register': 'sync'},
            {'name': module, RUN: {'task': {module: {}}}, 'async': LONG, 'poll': 5, 'register': 'parked'},
            {'name': f'{module} types', 'debug': {'msg': '{{ [sync.when, parked.when] | map("type_debug") }}'}},
        ]
    run = controller.play(many(1), {'tasks': tasks}, VERBOSITY='3', LIBRARY=str(tmp_path))
    assert run.rc == 0, run.output
    assert parked(run) == 2
    types = {name: run.of(f'{name} types')[0].result['msg'] for name in ('usual', 'modern')}
    assert types == {'usual': ['str', 'str'], 'modern': ['datetime', 'datetime']}
