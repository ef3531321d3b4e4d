# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In the place of ansible-core's own async, nothing changes that a playbook can rely on."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import json
import os
import re
import shutil
import signal
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._behaviours import BEHAVIOURS, NO, YES
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._engines import (
    DROP_IN,
    ENGINES,
    MEANWHILE,
    Behaviour,
    Comparison,
    at_once,
    behave,
    side_by_side,
)
from ansible_collections.background.jobs.tests.integration._parity import RUN
from ansible_collections.background.jobs.tests.integration._playing import (
    Log,
    Meeting,
    Playing,
    eventually,
    until_there,
)
from ansible_collections.background.jobs.tests.integration._recipes import RECIPES, STATUS, Recipe, by_name
from ansible_collections.background.jobs.tests.integration._targets import CORE, Target, local_target
from ansible_collections.background.jobs.tests.integration._turns import TABLE_PATIENCE, TABLE_TIMEOUT, take_turn
from ansible_collections.background.jobs.tests.tools.screen import Screen
from hosts import Fleet

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(TABLE_TIMEOUT)]


WAYS = [*ENGINES, 'by name']
OPERATION = '/usr/bin/long_running_operation'
LIMIT, SLOWLY = ('-B', '3600', '-P', '0'), ('-B', '1800', '-P', '60')


@dataclasses.dataclass(frozen=True)
class Everything:
    """All that takes long, which was under way at the same time."""

    behaviours: Comparison
    recipes: dict[str, Run]
    slowly: dict[str, Run]


@pytest.fixture(scope='module')
def on(hosts: list[Target]) -> dict[str, Target]:
    """The host of each way. Those of the two engines are alike, so that both see the same paths."""
    for host in hosts:
        # ansible-core warns where it makes this directory itself, and it is chance which behaviour comes first.
        host.shell('install -d -o plain -g plain -m 0700 ~plain/.ansible ~plain/.ansible/tmp', user='root')
        host.shell(f'printf "#!/bin/sh\\nsleep 3\\necho \\$* done\\n" > {OPERATION}; chmod +x {OPERATION}', user='root')
    return dict(zip(WAYS, [*hosts, hosts[1]], strict=True))


@pytest.fixture(scope='module')
def make_controller(
    tmp_path_factory: pytest.TempPathFactory, collections_path: Path, fleet: Fleet
) -> c.Callable[[str], Controller]:
    return lambda name: Controller(
        tmp_path_factory.mktemp(name), collections_path, fleet.inventory, patience=TABLE_PATIENCE
    )


@pytest.fixture(scope='module')
def everything(
    tmp_path_factory: pytest.TempPathFactory,
    make_controller: c.Callable[[str], Controller],
    on: dict[str, Target],
) -> Everything:
    library = tmp_path_factory.mktemp('library')
    shutil.copy('/bin/cat', library / 'binary')  # prints the file of its arguments, and JSON it is
    password = {'ansible_become_password': '{{ test_password }}'}
    runs: dict[str, c.Callable[[], Run]] = {}
    for way in WAYS:
        runs[f'{way} recipes'] = functools.partial(cook, make_controller('recipes'), on[way], way)
        runs[f'{way} slowly'] = functools.partial(adhoc, make_controller('slowly'), on[way], way, *SLOWLY)
    for engine in ENGINES:
        runs[f'{engine} behaviours'] = functools.partial(
            behave, make_controller('behaviours'), on[engine], engine, BEHAVIOURS, str(library), vars=password
        )
    with take_turn():
        found = at_once(runs)
    return Everything(
        Comparison(BEHAVIOURS, {engine: found[f'{engine} behaviours'] for engine in ENGINES}),
        {way: found[f'{way} recipes'] for way in WAYS},
        {way: found[f'{way} slowly'] for way in WAYS},
    )


def cook(controller: Controller, target: Target, way: str) -> Run:
    """Run the recipes, each on a host of its own name."""
    name = by_name if way == 'by name' else list
    for file, tasks in (recipe.include for recipe in RECIPES if recipe.include):
        controller.write(file, name(tasks))
    targets = {f'recipe{number}': recipe for number, recipe in enumerate(RECIPES)}
    play = side_by_side(controller, {host: name(recipe.tasks) for host, recipe in targets.items()})
    aliases = [target.also(host, ansible_user=recipe.user) for host, recipe in targets.items()]
    return controller.play(aliases, play, **ENGINES.get(way, {}), FORKS=str(len(RECIPES)))


def adhoc(controller: Controller, target: Target, way: str, *limit: str) -> Run:
    """Start the long running operation as the documentation does."""
    command = f'{OPERATION} --do-stuff'
    if way == 'by name':
        return controller.adhoc(target, *limit, '-m', RUN, '-a', f'cmd="{command}"')
    return controller.adhoc(target, *limit, '-a', command, **ENGINES[way])


@pytest.mark.spine
@pytest.mark.parametrize('behaviour', BEHAVIOURS, ids=lambda behaviour: behaviour.id)
def test_users_see_the_same(everything: Everything, behaviour: Behaviour) -> None:
    everything.behaviours.check(behaviour)


@pytest.mark.spine
@pytest.mark.parametrize(('behaviour', 'limit'), [('over the limit', 2), ('over the limit at the first look', 1)])
def test_a_polled_job_over_its_limit_says_what_this_ansible_core_says(
    everything: Everything, behaviour: str, limit: int
) -> None:
    message = everything.behaviours.registered('drop-in', behaviour)['polled']['msg']
    gives_up = f'async task did not complete within the requested time - {limit}s'
    assert message == (gives_up if CORE < (2, 18) else 'Timeout exceeded')


@pytest.mark.spine
def test_the_limit_stops_the_starter_of_a_daemon(everything: Everything) -> None:
    wait = everything.behaviours.registered('drop-in', 'a daemon when the limit stops its starter')['wait']
    assert wait['rc'] == 0, wait


@pytest.mark.spine
@pytest.mark.parametrize('recipe', RECIPES, ids=lambda recipe: recipe.id)
@pytest.mark.parametrize('way', WAYS)
def test_recipes_end_as_they_do(everything: Everything, way: str, recipe: Recipe) -> None:
    run = everything.recipes[way]
    host = f'recipe{RECIPES.index(recipe)}'
    kinds = {task: [event.kind for event in run.of(task, host) if event.kind not in MEANWHILE] for task in recipe.ends}
    assert kinds == recipe.ends, run.output


@pytest.mark.spine
@pytest.mark.parametrize('way', WAYS)
def test_ad_hoc_with_a_poll(everything: Everything, way: str) -> None:
    run = everything.slowly[way]
    assert run.rc == 0, run.output
    assert '--do-stuff done' in run.output


@pytest.mark.parametrize(
    ('way', 'become'),
    [*((way, False) for way in WAYS), ('drop-in', True)],
    ids=[*WAYS, 'drop-in, become with a password'],
)
def test_ad_hoc_without_waiting(controller: Controller, on: dict[str, Target], way: str, become: bool) -> None:
    variables = {'ansible_user': 'operator', 'ansible_become_password': '{{ test_password }}', 'ansible_become': True}
    target = on[way].also('host', **variables) if become else on[way]
    start = adhoc(controller, target, way, *LIMIT)
    jid = str(start.events[-1].result['ansible_job_id'])
    module = STATUS if way == 'by name' else 'async_status'

    def finished() -> Run | None:
        run = controller.adhoc(target, '-m', module, '-a', f'jid={jid}', **ENGINES.get(way, {}))
        return run if run.events[-1].result['finished'] else None

    assert '--do-stuff done' in eventually(finished, 'the operation has ended').output


def drop_in(controller: Controller, targets: c.Iterable[Target], *tasks: dict[str, t.Any], **settings: str) -> Run:
    return controller.play(targets, {'tasks': list(tasks)}, **DROP_IN, **settings)


def start(command: str, limit: int = 600, **keywords: t.Any) -> dict[str, t.Any]:
    return {'name': 'start', 'shell': command, 'async': limit, 'poll': 0, 'register': 'start', **keywords}


JOB = '{{ start.ansible_job_id }}'


@pytest.mark.spine
def test_the_jobs_are_jobs_of_this_collection(controller: Controller, hosts: list[Target]) -> None:
    """Mixed use in one directory: by ansible-core before, in its place, and by name."""
    target = hosts[0].also('host', ansible_async_dir='/tmp/mixed')
    core = controller.play([target], {'tasks': [start('sleep 300; echo core', 300)]})['start']
    run = drop_in(
        controller,
        [target],
        start('exec 2>/dev/null; echo alive; trap "echo asked > /tmp/mixed.asked; exit 1" TERM; sleep 300 & wait', 300),
        {RUN: {'cmd': 'echo hi', 'name': 'named'}, 'async': 600, 'poll': 0, 'register': 'named'},
        {'async_status': {'jid': core['ansible_job_id']}, 'register': 'core'},
        {
            'background.jobs.async_status': {'jid': JOB, 'output': True},
            'register': 'status',
            'until': 'status.job.output.lines | length > 0',
            'delay': 1,
            'retries': 200,
        },
        {'background.jobs.async_wait': {'jobs': '{{ named }}'}, 'register': 'waited'},
        {'background.jobs.async_info': {}, 'register': 'info'},
        {'background.jobs.async_cancel': {'jobs': JOB}, 'register': 'cancel'},
        {'async_status': {'jid': JOB}, 'register': 'cancelled', 'ignore_errors': True},
        {'background.jobs.async_prune': {'older_than': 0}, 'register': 'prune'},
    )
    assert json.dumps([run['core']['started'], run['core']['finished']]) == json.dumps([YES, NO])
    assert (run['status']['started'], run['status']['finished']) == (True, False)
    assert isinstance(run['status']['finished'], bool)  # by name, on every version
    assert run['status']['job']['state'] == 'running'
    assert run['status']['job']['output']['lines'] == [{'stream': 'stdout', 'text': 'alive'}]
    assert run['waited']['jobs'][0]['stdout'] == 'hi'
    drop_in_id, named_id = run['start']['ansible_job_id'], run['named']['ansible_job_id']
    assert {job['id'] for job in run['info']['jobs']} == {drop_in_id, named_id}
    assert run['cancelled']['job']['state'] == 'cancelled'
    assert hosts[0].shell('cat /tmp/mixed.asked') == 'asked\n'
    assert {job['id'] for job in run['prune']['jobs']} == {drop_in_id, named_id}
    assert hosts[0].shell('ls /tmp/mixed').split() == [core['ansible_job_id']]
    hosts[0].shell('pkill -f "sleep 30[0]"')


def test_what_a_start_leaves_on_the_target(controller: Controller, hosts: list[Target]) -> None:
    target = hosts[0].also('host', ansible_async_dir='~/left/async', ansible_remote_tmp='~/left/tmp')
    run = drop_in(
        controller,
        [target],
        start('sleep 300', 300),
        {'name': 'keep', **start('echo kept'), 'register': 'kept', 'vars': {'ansible_async_dir': '~/left/kept'}},
    )
    assert hosts[0].shell('find ~/left/tmp -type f -name "*command*"') == ''  # it has the arguments in it
    modes = hosts[0].shell('stat -c "%a %n" ~/left/async ~/left/async/.jobs ~/left/async/j* ~/left/async/.jobs/*/*')
    assert {line.split()[0] for line in modes.splitlines()} <= {'600', '700'}, modes
    drop_in(controller, [target], {'background.jobs.async_cancel': {'jobs': run['start']['ansible_job_id']}})
    eventually(lambda: not hosts[0].shell('ls ~/left/tmp'), 'the temporary directory has gone with the job')


def test_files_are_kept_on_demand(controller: Controller, hosts: list[Target]) -> None:
    target = hosts[0].also('host', ansible_remote_tmp='~/kept')
    poll = {'name': 'start', 'command': 'echo hi', 'async': 600, 'poll': 1, 'register': 'start'}
    run = drop_in(controller, [target], poll, KEEP_REMOTE_FILES='1')
    assert run['start']['stdout'] == 'hi'
    assert 'AnsiballZ_command.py' in hosts[0].shell('ls ~/kept/*')


def test_a_supervisor_that_is_killed(controller: Controller, hosts: list[Target]) -> None:
    run = drop_in(
        controller,
        [hosts[0]],
        start('sleep 300', 300),
        {
            'shell': 'kill -9 $(python3 -c "import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])" '
            f'~/.ansible_async/.jobs/{JOB}/run.json supervisor)'
        },
        {'async_status': {'jid': JOB}, 'register': 'status', 'ignore_errors': True},
        {'command': 'pkill -f "sleep 30[0]"'},
    )
    assert run['status']['finished'] == YES
    assert run['status']['failed']
    assert 'was killed' in run['status']['msg']


def test_a_reboot_while_ansible_core_polls(
    controller: Controller, victim: Target, fleet: Fleet, tmp_path: Path
) -> None:
    poll = {'name': 'job', 'shell': 'touch /tmp/came; sleep 300', 'async': 300, 'poll': 2, 'register': 'r'}
    victim.shell('rm -f /tmp/came')
    with Playing(tmp_path, controller, [victim], {'tasks': [poll]}, **DROP_IN) as playing:
        eventually(lambda: victim.shell('ls /tmp/came || true'), 'the job runs')
        fleet.cut(victim.name)
        fleet.boot(victim.name)
        run = playing.result()
    assert [event.kind for event in run.of('job') if event.kind not in MEANWHILE] == ['failed'], run.output
    assert 'rebooted' in run['r']['msg']


@pytest.mark.spine
def test_the_end_is_noticed_at_once(controller: Controller, tmp_path: Path, local: Target) -> None:
    """A gate opens when the first look waits; with ansible-core the next one would be 40 s later."""
    gate = tmp_path / 'gate'
    poll = {
        'name': 'job',
        'shell': until_there(gate),
        'async': 300,
        'poll': 40,
        'register': 'r',
    }
    with Playing(tmp_path, controller, [local], {'tasks': [poll]}, **DROP_IN) as playing:
        eventually(playing.waiting, 'the first look waits, without a fork')
        gate.touch()
        opened = time.monotonic()
        run = playing.result()
    assert run['r']['rc'] == 0
    assert time.monotonic() - opened < 35


def test_a_process_that_waits_is_killed(controller: Controller, tmp_path: Path, local: Target) -> None:
    """Its guardian is a worker of ansible-core, and goes on polling."""
    gate = tmp_path / 'gate'
    poll = {
        'name': 'job',
        'shell': until_there(gate),
        'async': 100,
        'poll': 1,
        'register': 'r',
    }
    with Playing(tmp_path, controller, [local], {'tasks': [poll]}, **DROP_IN) as playing:
        ((guardian, child),) = eventually(playing.waiting, 'the first look waits, without a fork')
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: child.pid not in {process.pid for process in playing.processes()}, 'it is dead')
        gate.touch()
        run = playing.result()
    assert run['r']['rc'] == 0, run.output
    assert guardian.pid not in {process.pid for process in playing.processes()}


def test_callbacks_are_told_of_looks(tmp_path: Path, collections_path: Path, local: Target) -> None:
    said = {}
    for engine, settings in ENGINES.items():
        gate, screen = tmp_path / f'{engine}.gate', Screen(200)
        person = Controller(tmp_path, collections_path, screen=screen)
        poll = {'name': 'job', 'shell': until_there(gate), 'async': 100, 'poll': 1}
        with Playing(tmp_path, person, [local], {'tasks': [poll]}, **settings) as playing:
            screen.await_text('^ASYNC POLL')
            gate.touch()
            assert playing.result().rc == 0
        screen.close()
        lines = '\n'.join(screen.all_lines())
        said[engine] = set(re.findall(r'^ASYNC POLL on local: jid=j[0-9]+\.[0-9]+ (.*)$', lines, re.MULTILINE))
    assert said['core'] == said['drop-in'] != set()


@pytest.mark.spine
def test_live_output_is_shown(controller: Controller, local: Target) -> None:
    poll = {'name': 'job', 'shell': 'echo alive; sleep 12', 'async': 100, 'poll': 1}
    run = drop_in(controller, [local.also('local', background_jobs_follow=True)], poll)
    assert 'local | command | alive' in run.output


def test_all_hosts_start_before_any_is_waited_for(controller: Controller, tmp_path: Path) -> None:
    """With ansible-core the first job would wait for the others until its limit."""
    targets = [local_target(f'local{number}', tmp_path / str(number), sys.executable) for number in range(3)]
    poll = {'name': 'job', 'shell': Meeting(tmp_path / 'meeting').of(3), 'async': 600, 'poll': 1}
    run = drop_in(controller, targets, poll, FORKS='1')
    assert [event.kind for event in run.of('job') if event.kind not in MEANWHILE] == ['ok'] * 3, run.output


NOT_UTF_8 = r"printf '\377'"


@pytest.mark.skipif(CORE < (2, 19), reason='ansible-core reads any bytes')
def test_a_result_that_ansible_core_refuses_ends_a_job_all_the_same(controller: Controller, local: Target) -> None:
    status = {'register': 'status', 'until': 'status is finished', 'retries': 600, 'delay': 0.5, 'ignore_errors': True}
    for module, settings in (('async_status', DROP_IN), (STATUS, {})):
        run = controller.play(
            [local],
            {
                'tasks': [
                    start(NOT_UTF_8) if settings else by_name([start(NOT_UTF_8)])[0],
                    {module: {'jid': JOB}, **status},
                    {
                        'name': 'poll',
                        **({'shell': NOT_UTF_8} if settings else {RUN: {'task': {'shell': NOT_UTF_8}}}),
                        'async': 3600,
                        'poll': 1,
                        'register': 'poll',
                        'ignore_errors': True,
                    },
                ]
            },
            **settings,
        )
        for name in ('status', 'poll'):
            assert run[name]['failed']
            assert run[name]['finished'] is True
            assert 'UTF8' in run[name]['msg'].replace('-', '')
            assert run[name]['job']['state'] == 'failed'
            assert run[name]['msg'] in run[name]['job']['reason']


def test_throttle_holds_the_fork(controller: Controller, tmp_path: Path) -> None:
    log = Log(tmp_path / 'log')
    targets = [local_target(f'local{number}', tmp_path / str(number), sys.executable) for number in range(3)]
    poll = {'name': 'job', 'shell': log.job(0.5), 'async': 600, 'poll': 1, 'throttle': 1}
    run = drop_in(controller, targets, poll)
    assert run.rc == 0, run.output
    assert log.at_once() == 1


def test_delegated_to_another_host(controller: Controller, hosts: list[Target]) -> None:
    delegated: dict[str, t.Any] = {'delegate_to': hosts[1].name}
    run = controller.play(
        hosts,
        {
            'hosts': hosts[0].name,
            'tasks': [
                {'command': 'hostname', 'async': 600, 'poll': 1, 'register': 'polled', **delegated},
                start('hostname', **delegated),
                {
                    'async_status': {'jid': JOB},
                    'register': 'status',
                    'until': 'status.finished | bool',
                    'retries': 200,
                    'delay': 0.5,
                    **delegated,
                },
            ],
        },
        **DROP_IN,
    )
    assert [run[name]['stdout'] for name in ('polled', 'status')] == [hosts[1].shell('hostname').strip()] * 2
