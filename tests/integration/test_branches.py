# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Blocks in the background: what works inside them, and what the play sees of them afterwards."""

from __future__ import annotations

import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._branches import (
    CANCEL,
    COMMAND,
    INFO,
    SET,
    WAIT,
    branch,
    echo,
    seen,
    values,
)
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._playing import RUN
from ansible_collections.background.jobs.tests.integration._targets import CORE, Target
from hosts import PASSWORD, PLAIN

SECRET = 'open-sesame-4711'
OTHER = '{{ ansible_play_hosts_all | difference([inventory_hostname]) | first }}'


@pytest.fixture
def files(tmp_path: Path, controller: Controller) -> Path:
    """Beside the playbook: a role with everything a role can have, files of tasks, and a file of a vault."""
    role = {
        'defaults/main.yml': 'of_role: default\n',
        'files/note.txt': 'note\n',
        'templates/page.j2': 'page of {{ parameter }}\n',
        'handlers/main.yml': f'- name: Role handler\n  {COMMAND}: echo {{{{ of_role }}}}\n  register: role_handled\n',
        'tasks/main.yml': (
            f'- name: Of the role\n  {COMMAND}: echo {{{{ of_role }}}} {{{{ parameter }}}} '
            "{{ lookup('file', 'note.txt') }}\n  register: role_out\n  notify: Role handler\n"
            '- name: Template\n  ansible.builtin.template: {src: page.j2, dest: /tmp/page.txt, mode: "0644"}\n'
        ),
    }
    for name, text in role.items():
        path = tmp_path / 'roles/site' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    controller.write('more.yml', [echo('{{ more }}', 'included')])
    controller.write('static.yml', [echo('static', 'imported')])
    controller.write('inner.yml', [branch(echo('deep', 'deep'), register='inner')])
    (tmp_path / 'layer.yml').write_text('weak: read\nstrong: read\n', encoding='utf-8')
    (tmp_path / 'password').write_text('of the vault\n', encoding='utf-8')
    (tmp_path / 'vault.yml').write_text('vaulted: from the vault\n', encoding='utf-8')
    vault = [str(Path(sys.executable).parent / 'ansible-vault'), 'encrypt', '--vault-password-file']
    subprocess.run([*vault, str(tmp_path / 'password'), str(tmp_path / 'vault.yml')], check=True, capture_output=True)
    return tmp_path


@pytest.mark.hosts
@pytest.mark.spine
def test_what_works_inside(controller: Controller, hosts: list[Target], files: Path, temporary: Path) -> None:
    """One play for all of it: on two hosts, over ssh, with tags."""
    block: list[dict[str, t.Any]] = [
        {COMMAND: "sh -c 'echo $OF_PLAY $OF_TASK $(pwd)'", 'register': 'environments'},
        {COMMAND: 'whoami', 'become': True, 'become_user': PLAIN, 'register': 'user'},
        echo('{{ inventory_hostname }} {{ of_task }} {{ before }} {{ vaulted }}', 'delegated', delegate_to=OTHER),
        {COMMAND: 'hostname', 'delegate_to': OTHER, 'register': 'delegated_to'},
        echo(SECRET, 'secret', no_log=True),
        {SET: {'kept_secret': '{{ secret.stdout }}'}, 'no_log': True},
        {
            'ansible.builtin.shell': 'echo x >> /tmp/until; wc -l < /tmp/until',
            'register': 'tried',
            'until': 'tried.stdout | int > 1',
            'delay': 0,
            'notify': 'topic',
        },
        echo(
            '{{ item }}{{ index }}', 'looped', loop=['a', 'b'], loop_control={'index_var': 'index'}, when="item != 'b'"
        ),
        {'ansible.builtin.include_tasks': 'more.yml', 'vars': {'more': 'more'}},
        {'ansible.builtin.import_tasks': 'static.yml'},
        {'ansible.builtin.include_role': {'name': 'site'}, 'vars': {'parameter': 'p'}},
        echo('never', 'left_out', when='vaulted is not defined'),
        {
            'block': [{'name': 'Fails', COMMAND: 'false'}, {'ansible.builtin.fail': {'msg': 'not reached'}}],
            'rescue': [{SET: {'rescued': '{{ ansible_failed_task.name }}'}}],
            'always': [{SET: {'always_ran': True}}],
        },
        {'ansible.builtin.setup': {'gather_subset': ['!all', '!min', 'env']}},
        {SET: {'given': 'by {{ inventory_hostname }}'}, 'delegate_to': OTHER, 'delegate_facts': True},
        {
            'ansible.builtin.copy': {'content': 'new', 'dest': '/tmp/never-written'},
            'check_mode': True,
            'diff': True,
            'register': 'checked',
        },
        {'ansible.builtin.stat': {'path': '/tmp/never-written'}, 'register': 'not_written'},
        {'ansible.builtin.include_tasks': 'inner.yml'},
    ]
    play = {
        'vars_files': ['vault.yml'],
        'environment': {'OF_PLAY': 'of-play'},
        'module_defaults': {COMMAND: {'chdir': '/usr'}},
        'tags': ['chosen'],
        'handlers': [echo('handled', 'handled', name='Play handler', listen='topic')],
        'tasks': [
            {COMMAND: 'rm -f /tmp/until /tmp/page.txt'},
            {SET: {'before': 'set-before'}},
            branch(*block, environment={'OF_TASK': 'of-task'}, vars={'of_task': 'of-task'}, register='result'),
            seen(
                environments='environments.stdout',
                user='user.stdout',
                delegated='delegated.stdout',
                delegated_to='delegated_to.stdout == ' + OTHER.strip('{ }'),
                attempts='tried.attempts | string',
                looped="looped.results | map(attribute='stdout', default='') | list",
                included='included.stdout',
                imported='imported.stdout',
                role='role_out.stdout',
                role_handled='role_handled.stdout',
                handled='handled.stdout',
                left_out='left_out is skipped',
                rescued='[rescued, always_ran]',
                facts='ansible_facts.env.OF_TASK',
                given='given',
                checked='[checked.changed, checked.diff | length > 0, not_written.stat.exists]',
                deep='deep.stdout',
                inner="inner.tasks | map(attribute='result.stdout') | list",
                secret="[secret is defined, kept_secret is defined, (result | string) is search('open-sesame')]",
                rescues='[result.failed, result.stats.rescued, result.stats.failures]',
                first="[result.tasks[0].action, result.tasks[0].result.stdout == environments.stdout]",
            ),
        ],
    }
    book = controller.write('playbook.yml', [{'hosts': 'all', 'gather_facts': False, **play}])
    arguments = ['--tags', 'chosen', '--vault-password-file', str(files / 'password')]
    run = controller.book(hosts, book, *arguments, LOCAL_TEMP=str(temporary))
    other = {hosts[0].name: hosts[1].name, hosts[1].name: hosts[0].name}
    for host in hosts:
        assert values(run, host) == {
            'environments': 'of-play of-task /usr',
            'user': PLAIN,
            'delegated': f'{host.name} of-task set-before from the vault',
            'delegated_to': True,
            'attempts': '2',
            'looped': ['a0', ''],
            'included': 'more',
            'imported': 'static',
            'role': 'default p note',
            'role_handled': 'default',
            'handled': 'handled',
            'left_out': True,
            'rescued': ['Fails', True],
            'facts': 'of-task',
            'given': f'by {other[host.name]}',
            'checked': [True, True, False],
            'deep': 'deep',
            'inner': ['deep'],
            'secret': [False, False, False],
            'rescues': [False, 1, 0],
            'first': [COMMAND, True],
        }
        assert host.shell('cat /tmp/page.txt') == 'page of p\n'
    assert SECRET not in run.output
    assert list(temporary.iterdir()) == []


def test_roles_tags_check_mode_and_the_end_of_a_host(controller: Controller, local: Target, tmp_path: Path) -> None:
    """A role that is imported, what runs with which tags, and a run with --check and --diff."""
    role = {
        'defaults/main.yml': 'word: default\nother: of-the-role\n',
        'files/note.txt': 'note\n',
        'handlers/main.yml': f'- name: Small handler\n  {COMMAND}: echo {{{{ word }}}}\n  register: role_handled\n',
        'tasks/main.yml': (
            f"- name: Say\n  {COMMAND}: echo {{{{ word }}}} {{{{ other }}}} {{{{ lookup('file', 'note.txt') }}}}\n"
            '  register: said\n  notify: Small handler\n'
        ),
    }
    for name, text in role.items():
        path = tmp_path / 'roles/small' / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding='utf-8')
    copied = {'ansible.builtin.copy': {'content': 'new\n', 'dest': f'{tmp_path}/copied', 'mode': '0600'}}
    tasks = [
        branch(
            {'ansible.builtin.import_role': {'name': 'small'}, 'vars': {'word': 'given'}},
            {**echo('tagged', 'tagged'), 'tags': ['tagged']},
            {**echo('left', 'left'), 'tags': ['left']},
            {**echo('never', 'never'), 'tags': ['never']},
        ),
        branch(echo('before', 'before'), {'meta': 'end_host'}, echo('after', 'after'), register='ended'),
        branch({**copied, 'register': 'copied'}, echo('skipped', 'command')),
        seen(
            said='said.skipped | default(said.stdout)',
            handled="role_handled.stdout | default('none')",
            tags='[tagged is defined, left is defined, never is defined]',
            ended='[before is defined, after is defined, ended.failed]',
            copied='[copied.changed, copied.diff is defined, command.skipped | default(false)]',
        ),
    ]
    book = controller.write('playbook.yml', [{'hosts': 'all', 'gather_facts': False, 'tasks': tasks}])
    found = {
        'tags': [True, False, False],
        'ended': [True, False, False],
        'copied': [True, True, True],
        'said': True,
        'handled': 'none',
    }
    run = controller.book([local], book, '--skip-tags', 'left', '--check', '--diff')
    assert values(run, local) == found
    assert not (tmp_path / 'copied').exists()
    run = controller.book([local], book, '--skip-tags', 'left', '--diff')
    assert values(run, local) == {
        **found,
        'copied': [True, True, False],
        'said': 'given of-the-role note',
        'handled': 'given',
    }
    assert (tmp_path / 'copied').read_text(encoding='utf-8') == 'new\n'


def test_what_the_play_sees_afterwards(controller: Controller, local: Target, files: Path) -> None:
    """Nothing without a join; then everything, each variable as strong as it would have been, also of a failed branch."""
    block: list[dict[str, t.Any]] = [
        {'ansible.builtin.include_vars': 'layer.yml'},
        {SET: {'strong': 'set in the branch'}},
        {'ansible.builtin.setup': {'gather_subset': ['!all', '!min', 'env']}},
        echo("'{{ \"{{ 6 * 7 }}\" }}'", 'template'),
        {'name': 'Breaks', COMMAND: 'false', 'register': 'broken'},
    ]
    names = ('strong', 'template', 'broken', 'ansible_facts.env')
    cache = f"lookup('ansible.builtin.pipe', 'grep -rs ansible_env {files}/facts | wc -l')"
    ended = "apart.jobs[0].state not in ('queued', 'running')"
    run = controller.play(
        [local],
        {
            'strategy': 'free',
            'tasks': [
                {SET: {'weak': 'set before'}},
                branch(*block, poll=0, name='apart', register='started'),
                {INFO: {'names': ['apart']}, 'register': 'apart', 'until': ended, 'retries': 600, 'delay': 0.1},
                {**seen(**{name: f'{name} is defined' for name in names}, cache=cache), 'register': 'unseen'},
                {WAIT: {'jobs': '{{ started }}'}, 'register': 'joined', 'ignore_errors': True},
                seen(
                    weak='weak',
                    strong='strong',
                    facts='ansible_facts.env is defined',
                    template='template.stdout',
                    broken='broken.rc | string',
                    cache=cache,
                ),
                branch(
                    {
                        RUN: {'cmd': 'sleep 1'},
                        'poll': 1,
                    },  # leaves its worker, and its run is none that an item left before
                    {SET: {'item_{{ item }}': '{{ item }}{{ number }}'}},
                    loop=[1, 2],
                    vars={'number': 7},
                    register='loop',
                ),
                {**seen(loop='[item_1, item_2]'), 'register': 'looped'},
            ],
        },
        CACHE_PLUGIN='jsonfile',
        CACHE_PLUGIN_CONNECTION=str(files / 'facts'),
    )
    assert values(run, local) == {
        'weak': 'set before',
        'strong': 'set in the branch',
        'facts': True,
        'template': '{{ 6 * 7 }}',
        'broken': '1',
        'cache': '1',
    }
    assert run['unseen']['msg'] == {**dict.fromkeys(names, False), 'cache': '0'}
    assert run['looped']['msg'] == {'loop': ['17', '27']}
    assert "the task 'Breaks' failed" in run['joined']['msg']
    assert 'branch_variables' not in str(run['joined'])


def test_what_one_action_sets_joins_the_play_like_what_a_block_sets(
    controller: Controller, local: Target, files: Path
) -> None:
    tasks: list[dict[str, t.Any]] = [
        {SET: {'x': 'set'}},
        {'include_vars': 'layer.yml'},
        {'gather_facts': {}},
    ]
    cacheable = {SET: {'cached': 'in the cache', 'cacheable': True}}
    shown = seen(x='x', weak='weak', env='ansible_facts.env is defined')
    run = controller.play(
        [local],
        {
            'vars': {'x': 'play', 'weak': 'play'},
            'module_defaults': {'ansible.builtin.setup': {'gather_subset': ['!all', '!min', 'env']}},
            'tasks': [
                {RUN: {'task': {SET: {'x': 'waited'}}}, 'poll': 1},
                {**shown, 'register': 'waited'},
                {RUN: {'tasks': tasks}, 'poll': 0, 'register': 'started'},
                {**shown, 'register': 'unseen'},
                {WAIT: {'jobs': '{{ started }}'}},
                {RUN: {'task': cacheable}, 'poll': 1},
                shown,
            ],
        },
        CACHE_PLUGIN='jsonfile',
        CACHE_PLUGIN_CONNECTION=str(files / 'facts'),
    )
    assert values(run, local) == {'x': 'set', 'weak': 'read', 'env': True}
    assert run['waited']['msg'] == run['unseen']['msg'] == {'x': 'waited', 'weak': 'play', 'env': False}
    (cache,) = (files / 'facts').glob(f'*{local.name}')
    cached = cache.read_text(encoding='utf-8').replace('\\"', '"')
    assert [f'"{name}"' in cached for name in ('cached', 'ansible_env', 'x', 'weak')] == [True, True, False, False]


def test_the_item_of_a_loop_is_what_a_branch_sees(controller: Controller, local: Target) -> None:
    """Also if a loop around has set the variable as a parameter, or somebody has set or registered one of that name."""
    block: list[dict[str, t.Any]] = [
        {SET: {'seen_{{ item }}': '{{ item }} {{ ansible_loop.index }} {{ more }}'}},
        {'ansible.builtin.import_tasks': 'more.yml'},
    ]
    loop: dict[str, t.Any] = {'loop': ['a', 'b'], 'loop_control': {'extended': True}, 'vars': {'more': 'of the task'}}
    controller.write('more.yml', [{SET: {'imported_{{ item }}': '{{ item }}'}}])
    controller.write('around.yml', [branch(*block, **loop)])
    shown = seen(found='[seen_a, seen_b, imported_a, imported_b]')
    run = controller.play(
        [local],
        {
            'tasks': [
                {SET: {'item': 'set', 'more': 'set'}},
                {
                    'ansible.builtin.include_tasks': 'around.yml',
                    'loop': ['around'],
                    'loop_control': {'extended': True},
                },
                shown,
                {SET: {'seen_a': '', 'seen_b': '', 'imported_a': '', 'imported_b': ''}},
                {'name': 'Registers the name', COMMAND: 'true', 'register': 'item'},
                branch(*block, **loop),
                {**shown, 'register': 'again'},
            ]
        },
    )
    assert values(run, local) == {'found': ['a 1 set', 'b 2 set', 'a', 'b']}
    assert run['again']['msg'] == {'found': ['a 1 set', 'b 2 set', 'a', 'b']}


def test_a_local_action_runs_its_block_on_the_controller(controller: Controller, local: Target) -> None:
    """The host itself cannot be reached."""
    away = local.also('away', ansible_connection='ssh', ansible_host='127.0.0.1', ansible_port=1)
    block = [echo('{{ inventory_hostname }}', 'said')]
    action = {'module': RUN, 'block': block}
    run = controller.play([away], {'tasks': [{'local_action': action, 'poll': 1}, seen(said='said.stdout')]})
    assert values(run, away) == {'said': 'away'}


@pytest.mark.hosts
def test_a_branch_that_ends_by_force_leaves_the_connection(
    controller: Controller, hosts: list[Target], temporary: Path
) -> None:
    """Nobody but the branch has connected to the host: it opens the ssh master."""
    wait = {
        'ansible.builtin.wait_for': {'path': '/tmp/branch-is-there'},
        'delegate_to': 'localhost',
        'vars': {'ansible_connection': 'local', 'ansible_python_interpreter': sys.executable},
    }
    start: list[dict[str, t.Any]] = [
        {COMMAND: 'true'},
        {**wait, 'ansible.builtin.wait_for': {'path': '/nowhere', 'timeout': 600}},
    ]
    run = controller.play(
        hosts[:1],
        {
            'tasks': [
                branch(*start, poll=0, register='started', name='forced'),
                {CANCEL: {'jobs': 'forced', 'grace': 1}, 'register': 'cancelled'},
                echo('still-there', 'next'),
            ]
        },
        LOCAL_TEMP=str(temporary),
    )
    assert run.rc == 0, run.output
    assert run['next']['stdout'] == 'still-there'
    assert run['cancelled']['jobs'][0]['state'] == 'cancelled'
    assert list(temporary.iterdir()) == []


@pytest.mark.hosts
def test_passwords_that_were_typed(controller: Controller, takes_passwords: Target, tmp_path: Path) -> None:
    """-k and -K, which ansible keeps in memory alone; in a play of its own, and without one around the task."""
    password = tmp_path / 'password'
    password.write_text(f'{PASSWORD}\n', encoding='utf-8')
    arguments = ['--become-password-file', str(password)]
    host, settings = takes_passwords, {}
    if CORE >= (2, 19) or shutil.which('sshpass'):  # ansible-core before 2.19 cannot do without sshpass
        host = host.also(host.name, ansible_ssh_private_key_file='/dev/null')
        arguments += ['--connection-password-file', str(password)]
        settings['SSH_ARGS'] = '-o ControlMaster=auto -o ControlPersist=60s -o PreferredAuthentications=password'
    tasks = [
        branch({COMMAND: 'whoami', 'become': True, 'register': 'user'}),
        {RUN: {'task': {'ansible.builtin.script': 'whoami.sh'}}, 'become': True, 'poll': 1, 'register': 'script'},
        seen(user='user.stdout', script='script.stdout | trim'),
    ]
    (tmp_path / 'whoami.sh').write_text('#!/bin/sh\nwhoami\n', encoding='utf-8')
    book = controller.write('playbook.yml', [{'hosts': 'all', 'gather_facts': False, 'tasks': tasks}])
    run = controller.book([host], book, *arguments, **settings)
    assert values(run, host) == {'user': 'root', 'script': 'root'}
