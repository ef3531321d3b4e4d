# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others learn of a job, seen from outside: no_log, command lines, the journal, and who may look where."""

from __future__ import annotations

import base64
import collections.abc as c
import os
import re
import typing as t
import zlib

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import RUN, processes
from ansible_collections.background.jobs.tests.integration._targets import Target
from hosts import OPERATOR, PLAIN

pytestmark = [pytest.mark.hosts]
Play = c.Callable[..., Run]

SECRET = f'open-sesame-{os.getpid()}'  # others that run at the same time have one of their own
WAIT, STATUS, INFO, CANCEL, PRUNE = (
    f'background.jobs.async_{name}' for name in ('wait', 'status', 'info', 'cancel', 'prune')
)
PLACE = '/var/tmp/secrets'


@pytest.fixture
def host(hosts: list[Target]) -> c.Iterator[Target]:
    """The first host, without jobs and their files before and after; it knows the secret."""
    host = hosts[0].also(hosts[0].name, secret=SECRET)
    # Again and again, while a supervisor that is about to end still writes.
    remove = f'rm -rf ~deploy/.ansible_async ~root/.ansible_async {PLACE} 2>/dev/null'
    clean = f'pkill -x sleep; until {remove}; do sleep 0.1; done; mkdir -m 1777 {PLACE}'
    host.shell(clean, user='root')
    yield host
    host.shell(clean, user='root')


def readable(text: str) -> str:
    """*text*, and what everybody could make of its encoded parts."""
    found = [text]
    for word in re.findall(r'[A-Za-z0-9+/]{40,}', text):
        data = base64.b64decode(word[: len(word) // 4 * 4])
        try:
            found.append(readable(zlib.decompressobj().decompress(data).decode('latin-1')))
        except zlib.error:
            found.append(data.decode('latin-1'))
    return '\n'.join(found)


def leaks(text: str) -> list[str]:
    """The places in *text* where everybody could read the secret."""
    return re.findall(f'.{{0,60}}{SECRET}', readable(text))


@pytest.mark.any_core
def test_what_is_readable() -> None:
    padding = ''.join(map(chr, range(32, 127)))
    packed = zlib.compress((padding + SECRET).encode())
    for data in (SECRET.encode() * 9, packed):
        assert leaks(f'request={base64.b64encode(data).decode()} end')


# --- no_log ----------------------------------------------------------------------------------------------------------


def test_no_log_at_the_start_holds_for_every_look(controller: Controller, host: Target) -> None:
    """The tasks that look say nothing of no_log themselves."""
    says = {'shell': {'cmd': 'cat; echo $S; echo $S >&2; exit {{ item }}', 'stdin': '{{ secret }}'}}
    hangs = {'shell': {'cmd': 'cat; exec sleep 1000', 'stdin': '{{ secret }}'}}
    secret = {'environment': {'S': '{{ secret }}'}, 'no_log': True, 'ignore_errors': True}
    starts = [
        {RUN: {'task': says}, 'name': 'poll', 'loop': [0, 3], **secret, 'poll': 5},
        {RUN: {'tasks': [hangs, hangs]}, 'name': 'limit', **secret, 'async': 1, 'poll': 5},
        {RUN: {'task': says}, 'name': 'start', 'loop': [0, 3], **secret, 'poll': 0, 'register': 'started'},
        {RUN: {'task': hangs, 'name': 'hangs'}, 'name': 'hang', **secret, 'poll': 0},
    ]
    looks: list[dict[str, t.Any]] = [
        {WAIT: {'jobs': '{{ started }}'}, 'name': 'wait', 'register': 'waited'},
        {STATUS: {'jid': '{{ item.ansible_job_id }}'}, 'name': 'status', 'loop': '{{ started.results }}'},
        {RUN: {'task': hangs, 'name': 'hangs'}, 'environment': {'S': '{{ secret }}'}, 'name': 'attach', 'poll': 0},
        {INFO: {}, 'name': 'info'},
        {CANCEL: {'jobs': 'hangs'}, 'name': 'cancel'},
        {WAIT: {'jobs': 'hangs'}, 'name': 'wait for what was stopped'},
        {PRUNE: {'older_than': 0}, 'name': 'prune'},
    ]
    run = controller.play([host], {'tasks': starts}, {'tasks': looks, 'ignore_errors': True}, VERBOSITY='4')
    for look in looks:
        assert run.of(look['name']), f'{look["name"]} has not come about:\n{run.output}'
    assert [job['stdout'] for job in run['waited']['jobs']] == [f'{SECRET}\n{SECRET}'] * 2
    assert run.of('attach')[0].kind == 'ok', run.output
    assert [job['name'] for job in run.of('cancel')[0].result['jobs']] == ['hangs']  # what is no secret is told
    assert leaks(run.output) == []
    assert leaks(str(run.events)) == []


# --- Command lines, and the journal ----------------------------------------------------------------------------------

WAYS: dict[str, dict[str, t.Any]] = {
    'one command': {'ansible_pipelining': True},
    'one command, sudo with a password': {
        'ansible_become': True,
        'ansible_user': OPERATOR,
        'ansible_become_password': '{{ test_password }}',
    },
    'a module': {'ansible_ssh_extra_args': '-tt', 'ansible_become': True},
}


@pytest.mark.parametrize('way', WAYS)
def test_no_command_line_and_no_journal_has_a_secret(controller: Controller, host: Target, way: str) -> None:
    hangs = {'shell': {'cmd': 'cat; exec sleep 1000', 'stdin': '{{ secret }}'}}
    tasks = [
        {RUN: {'task': hangs}, 'environment': {'S': '{{ secret }}'}, 'no_log': True, 'poll': 0, 'register': 'job'},
        {STATUS: {'jid': '{{ job.ansible_job_id }}'}, 'register': 'status'},
        {'ansible.builtin.command': 'echo this is known to everybody'},
    ]
    target = host.also(host.name, **WAYS[way])
    since = host.shell('date "+%Y-%m-%d %H:%M:%S"').strip()
    run = controller.play([target], {'tasks': tasks}, VERBOSITY='4')
    assert run['status']['job']['state'] == 'running', run.output
    commands = '\n'.join(' '.join(process.command) for process in processes())
    assert 'sleep 1000' in commands
    host.shell('pkill -x sleep', user='root')
    wait = {WAIT: {'jobs': run['job']['ansible_job_id']}, 'ignore_errors': True, 'register': 'waited'}
    ended = controller.play([target], {'tasks': [wait]}, VERBOSITY='4')
    assert ended['waited']['jobs'][0]['stdout'] == SECRET
    journal = host.shell(f'journalctl --sync; journalctl --no-pager -o export --since "{since}"', user='root')
    assert 'this is known to everybody' in journal
    requests = '\n'.join(re.findall(r'^<.*> (?:SSH: )?(?:EXEC|PUT) .*', run.output + ended.output, re.MULTILINE))
    assert run['job']['ansible_job_id'] in readable(requests)
    for where, text in {'/proc': commands, 'requests': requests, 'journal': journal}.items():
        assert leaks(text) == [], where


# --- Who looks where -------------------------------------------------------------------------------------------------


def test_a_look_as_another_user_or_elsewhere_says_so(play: Play, host: Target) -> None:
    """Where it looked, as whom, and what to set."""
    root, shared = {'become': True}, {'vars': {'ansible_async_dir': f'{PLACE}/shared'}}
    elsewhere = {'vars': {'ansible_async_dir': f'{PLACE}/elsewhere'}}
    starts: dict[str, dict[str, t.Any]] = {
        'deploy': {},
        'root': root,
        'shared': {**root, **shared},
        'elsewhere': elsewhere,
    }
    # started as, looked up as: what is said of it
    wrong = {
        ('deploy', 'root'): [
            'user root has ',
            ' in /root/.ansible_async',
            '(become, become_user)',
            'ansible_async_dir',
        ],
        ('root', 'deploy'): ['user deploy has ', ' in /home/deploy/.ansible_async', '(become, become_user)'],
        ('elsewhere', 'deploy'): ['user deploy has ', ' in /home/deploy/.ansible_async', '(ansible_async_dir'],
        ('shared', 'deploy there'): [f'{PLACE}/shared belongs to user root', 'works as user deploy', 'become'],
    }
    ways: dict[str, dict[str, t.Any]] = {'root': root, 'deploy': {}, 'deploy there': shared}
    tasks: list[dict[str, t.Any]] = [
        {RUN: {'cmd': 'sleep 1000', 'name': name}, **keywords, 'poll': 0, 'register': name}
        for name, keywords in starts.items()
    ]
    looks = {STATUS: 'jid', WAIT: 'jobs', CANCEL: 'jobs'}
    for started, looked in wrong:
        jid = f'{{{{ {started}.ansible_job_id }}}}'
        tasks += [
            {look: {option: jid}, 'name': f'{look} {started} as {looked}', **ways[looked], 'ignore_errors': True}
            for look, option in looks.items()
        ]
    run = play(host, *tasks, {INFO: {}, 'register': 'own'}, {INFO: {}, **root, 'register': 'of_root'})
    for (started, looked), words in wrong.items():
        for look in looks:
            (event,) = run.of(f'{look} {started} as {looked}')
            assert event.kind == 'failed'
            for word in words:
                assert word in event.result['msg'], (look, started, looked)
            if looked != 'deploy there':
                assert run[started]['ansible_job_id'] in event.result['msg']
    for name, user in {'own': 'deploy', 'of_root': 'root'}.items():
        assert [job['name'] for job in run[name]['jobs']] == [user]


DIRECTORIES = {
    'foreign': (f'mkdir -m 755 {{}}; chown {PLAIN} {{}}', '{} belongs to user plain'),
    'group': (
        f'mkdir -m 775 {{}}; chown deploy:{PLAIN} {{}}',
        '{} can be written by others (mode 0775): run chmod go-w on it',
    ),
    'link': (f'mkdir -m 700 {{}}.real; ln -s {{}}.real {{}}; chown -h {PLAIN} {{}}', '{} belongs to user plain'),
    'unreadable': (f'mkdir -m 700 {{}}; chown {PLAIN} {{}}', '{} belongs to user plain'),
    'runtime': (
        f'mkdir -m 700 {{}} {{}}/.runtime; chown deploy {{}}; chown {PLAIN} {{}}/.runtime',
        '{}/.runtime belongs to user plain',
    ),
    'jobs': (
        'mkdir -m 700 {} {}/.jobs; chown deploy {} {}/.jobs; chmod o+w {}/.jobs',
        '{}/.jobs can be written by others (mode 0702)',
    ),
    'file': ('touch {}; chown deploy {}', '{} is not a directory'),
}


@pytest.mark.any_core
def test_a_directory_that_is_not_ours_is_refused(play: Play, host: Target) -> None:
    for name, (prepare, _words) in DIRECTORIES.items():
        host.shell(prepare.replace('{}', f'{PLACE}/{name}'), user='root')
    actions: list[dict[str, t.Any]] = [
        {RUN: {'cmd': f'touch {PLACE}/trace'}, 'poll': 0},
        {WAIT: {'jobs': 'j1.1'}},
    ]  # the others go the same way, which the tests of the runtime know
    there = {'vars': {'ansible_async_dir': f'{PLACE}/{{{{ item }}}}'}, 'loop': list(DIRECTORIES), 'ignore_errors': True}
    run = play(host, *({**action, **there, 'register': f'r{number}'} for number, action in enumerate(actions)))
    for number, action in enumerate(actions):
        results = run[f'r{number}']['results']
        for (name, (_prepare, words)), result in zip(DIRECTORIES.items(), results, strict=True):
            assert words.format(*[f'{PLACE}/{name}'] * 2) in result['msg'], action
            assert 'ansible_async_dir' in result['msg']
    foreign = f'{PLACE}/foreign {PLACE}/link.real {PLACE}/unreadable {PLACE}/runtime/.runtime'
    assert host.shell(f'find {foreign} -mindepth 1; ls -d {PLACE}/trace || true', user='root') == ''
