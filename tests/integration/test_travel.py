# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How requests reach the runtime: how many remote operations they take, and who can touch the runtime there."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible.plugins.become import su
from ansible_collections.background.jobs.tests.integration._controller import Controller, Run
from ansible_collections.background.jobs.tests.integration._playing import (
    Meeting,
    Playing,
    Process,
    eventually,
    shell,
)
from ansible_collections.background.jobs.tests.integration._targets import CORE, Target, local_target
from ansible_collections.background.jobs.tests.integration.conftest import ROOT
from hosts import OPERATOR, PLAIN, Fleet

VERBOSE = {'VERBOSITY': '3'}
RUNTIME = '~/.ansible_async/.runtime'
SHELL = 'ansible.builtin.shell'

START = {'name': 'start', **shell('id -un'), 'async': 100, 'poll': 0, 'register': 'job'}
# Ansible does not tell of the requests of the process that waits for parked hosts.
CHILD = {'vars': {'background_jobs_park': False}}
POLLED = {'name': 'polled', **shell('id -un'), 'async': 100, 'poll': 30, 'register': 'polled', **CHILD}
STATUS = {'name': 'status', 'background.jobs.async_status': {'jid': '{{ job.ansible_job_id }}'}, 'register': 'status'}
WAIT = {'name': 'wait', 'background.jobs.async_wait': {'jobs': '{{ job }}'}, 'register': 'waited'}
WARM_UP = {'name': 'warm-up', **shell('true'), 'async': 100, 'poll': 0}
CLEANUP = {
    'name': 'cleanup',
    'background.jobs.async_status': {'jid': '{{ job.ansible_job_id }}', 'mode': 'cleanup'},
}
WAYS = [WARM_UP, START, WAIT, STATUS, CLEANUP, POLLED]


def operations(run: Run, task: str) -> int:
    """How many commands and files Ansible sent to the target for *task*."""
    parts = re.split(r'^TASK \[(.*?)\] .*$', run.output, flags=re.MULTILINE)
    text = ''.join(text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name == task)
    assert text, f'no task {task}:\n{run.output}'
    return len(re.findall(r'^<[^>]*> (?:SSH: )?(?:EXEC|PUT|FETCH) ', text, flags=re.MULTILINE))


def with_variables(target: Target, **variables: t.Any) -> Target:
    return dataclasses.replace(target, variables={**target.variables, **variables})


SUDO = {'ansible_become': True, 'ansible_become_user': 'root'}
PASSWORD = {'ansible_become_password': '{{ test_password }}'}


@pytest.mark.hosts
@pytest.mark.parametrize('pipelining', ['1', '0'], ids=['pipelining', 'no pipelining'])
@pytest.mark.parametrize(
    ('variables', 'user'),
    [
        ({}, 'deploy'),
        (SUDO, 'root'),
        ({**SUDO, 'ansible_become_user': PLAIN}, PLAIN),
        ({**SUDO, **PASSWORD, 'ansible_user': OPERATOR}, 'root'),
        ({'ansible_ssh_use_tty': False}, 'deploy'),
    ],
    ids=['no become', 'sudo', 'sudo to a user', 'sudo with a password', 'use_tty off'],
)
def test_one_operation_for_a_request(
    controller: Controller, hosts: list[Target], variables: dict[str, t.Any], user: str, pipelining: str
) -> None:
    target = with_variables(hosts[0], **variables)
    run = controller.play([target], {'tasks': WAYS}, PIPELINING=pipelining, **VERBOSE)
    assert run['waited']['jobs'][0]['stdout'] == run['polled']['stdout'] == user, run.output
    assert operations(run, 'start') == 1
    assert operations(run, 'status') == 1
    assert operations(run, 'cleanup') == 1
    assert operations(run, 'polled') == 3  # start, wait, tidy up
    assert operations(run, 'wait') <= 3  # look, wait, fetch


@pytest.mark.hosts
def test_one_operation_for_a_poll(controller: Controller, hosts: list[Target]) -> None:
    polled = {'name': 'polled', **shell('sleep 5'), 'async': 100, 'poll': 1, **CHILD}
    run = controller.play([hosts[0]], {'tasks': [WARM_UP, polled]}, **VERBOSE)
    # Start, tidy up, and a wait for each second at most: fewer where the machine is slow.
    assert 4 <= operations(run, 'polled') <= 2 + 6


@pytest.mark.spine
@pytest.mark.hosts
@pytest.mark.parametrize('variables', [{}, SUDO], ids=['no become', 'sudo'])
def test_a_look_takes_no_process_of_ssh(
    controller: Controller, hosts: list[Target], tmp_path: Path, variables: dict[str, t.Any]
) -> None:
    """It goes over the master connection that ssh has made for the start."""
    ssh, log = tmp_path / 'ssh', tmp_path / 'log'
    ssh.write_text(f'#!/bin/sh\necho x >> {log}; exec ssh "$@"\n')
    ssh.chmod(0o700)
    count = {'ansible.builtin.debug': {'msg': f"{{{{ lookup('file', '{log}').split() | length }}}}"}}
    before, after = ({'name': name, **count} for name in ('before', 'after'))
    target = with_variables(hosts[0], ansible_ssh_executable=str(ssh), **variables)
    run = controller.play([target], {'tasks': [START, before, STATUS, WAIT, after]})
    assert run['waited']['jobs'][0]['rc'] == 0, run.output
    counts = [run.of(name)[0].result['msg'] for name in ('before', 'after')]
    assert counts[0] == counts[1], run.output


@pytest.mark.spine
@pytest.mark.hosts
def test_two_operations_for_the_first_contact(controller: Controller, hosts: list[Target]) -> None:
    hosts[0].shell(f'rm -rf {RUNTIME}')
    run = controller.play([hosts[0]], {'tasks': [{**START, 'name': 'first'}, START]}, **VERBOSE)
    assert (operations(run, 'first'), operations(run, 'start')) == (2, 1), run.output


@pytest.mark.hosts
@pytest.mark.parametrize(
    ('variables', 'user'),
    [
        ({**SUDO, 'ansible_become_method': 'su', **PASSWORD}, 'root'),
        ({'ansible_ssh_extra_args': '-tt'}, 'deploy'),
        ({'ansible_ssh_extra_args': '-tt', **SUDO}, 'root'),
        ({'ansible_ssh_extra_args': '-tt', **SUDO, **PASSWORD, 'ansible_user': OPERATOR}, 'root'),
    ],
    ids=['su', 'a forced terminal', 'a forced terminal, sudo', 'a forced terminal, sudo with a password'],
)
def test_what_has_no_standard_input_works_by_modules(
    controller: Controller, hosts: list[Target], variables: dict[str, t.Any], user: str
) -> None:
    run = controller.play([with_variables(hosts[0], **variables)], {'tasks': WAYS}, PIPELINING='0', **VERBOSE)
    assert run['waited']['jobs'][0]['stdout'] == run['polled']['stdout'] == user, run.output
    assert run['status']['stdout'] == user
    if getattr(su.BecomeModule, 'pipelining', True) and variables.get('ansible_become_method') == 'su':
        return  # ansible-core of this version gives it standard input
    assert operations(run, 'start') > 1  # so it was by a module, or this test shows nothing


def test_a_connection_without_pipelining(controller: Controller, tmp_path: Path) -> None:
    target = with_variables(local_target('local', tmp_path, sys.executable), ansible_connection='no_pipelining')
    run = controller.play([target], {'tasks': WAYS}, PIPELINING='1', **VERBOSE)
    assert run['polled']['rc'] == run['status']['rc'] == run['waited']['jobs'][0]['rc'] == 0, run.output
    assert operations(run, 'start') > 1


@pytest.mark.hosts
@pytest.mark.skipif(CORE >= (2, 21), reason='ansible-core has no paramiko any more')
def test_paramiko(controller: Controller, hosts: list[Target], fleet: Fleet) -> None:
    target = with_variables(
        hosts[0],
        ansible_connection='paramiko_ssh',
        ansible_host_key_checking=False,
        ansible_paramiko_private_key_file=str(fleet.state / 'id_ed25519'),
    )
    run = controller.play([target], {'tasks': WAYS}, **VERBOSE)
    assert run['waited']['jobs'][0]['stdout'] == run['polled']['stdout'] == 'deploy', run.output


# --- The runtime on the target ---------------------------------------------------------------------------------------


@pytest.mark.any_core
@pytest.mark.hosts
def test_the_runtime_is_private(controller: Controller, hosts: list[Target]) -> None:
    host = hosts[0]
    host.shell(f'rm -rf {RUNTIME}')
    assert controller.play([host], {'tasks': [START]}).rc == 0
    modes = host.shell(f'cd {RUNTIME}; find . -not -name "*.pyc" -printf "%m %u %y %f\\n"').splitlines()
    assert {mode.split()[0] for mode in modes if mode.split()[2] == 'd'} == {'700'}
    assert {mode.split()[0] for mode in modes if mode.split()[2] == 'f'} == {'600'}
    assert {mode.split()[1] for mode in modes} == {'deploy'}


EVIL = 'open("/tmp/evil", "w").close()'


DAMAGES = {
    'appended': (f"echo '{EVIL}' | tee -a r*", True),
    'replaced': (f"echo '{EVIL}' | tee r*", True),
    'planted': (f"echo '{EVIL}' > base64.py; touch __init__.py", False),
    'added': (f"mkdir json; echo '{EVIL}' > json/__init__.py", False),
    'removed': ('rm r*', True),
    'cut': ('truncate -s 100 r*', True),
}
"""What is done to the runtime: the command, and whether the runtime has to be sent again."""


@pytest.mark.any_core
@pytest.mark.hosts
def test_a_runtime_that_is_not_whole_is_replaced(controller: Controller, hosts: list[Target]) -> None:
    """What lies beside it is not imported."""
    tasks: list[dict[str, t.Any]] = []
    for name, (damage, _sent) in DAMAGES.items():
        tasks += [
            START,
            {SHELL: f'rm -f /tmp/evil; cd {RUNTIME}; {damage}'},
            {**START, 'name': f'{name}, first'},
            {**START, 'name': f'{name}, next'},
            {'name': f'{name}, evil', SHELL: f'rm -r {RUNTIME}; ls /tmp/evil 2>/dev/null || true'},
        ]
    run = controller.play(hosts[:1], {'tasks': tasks}, **VERBOSE)
    assert run.rc == 0, run.output
    for name, (_damage, sent) in DAMAGES.items():
        assert run.of(f'{name}, evil')[0].result['stdout'] == '', name
        found = operations(run, f'{name}, first'), operations(run, f'{name}, next')
        assert found == (2 if sent else 1, 1), name


@pytest.mark.any_core
@pytest.mark.hosts
@pytest.mark.parametrize('place', ['planted', 'planted/deeper/async'])
@pytest.mark.parametrize('transport', ['by command', 'by module'])
def test_root_does_not_follow_the_link_of_a_user(
    controller: Controller, hosts: list[Target], place: str, transport: str
) -> None:
    host = hosts[0]
    host.shell('rm -rf ~/planted; ln -s /root/precious ~/planted; sudo mkdir -p -m 0700 /root/precious')
    target = with_variables(host, ansible_become=True, ansible_async_dir=f'/home/deploy/{place}')
    if transport == 'by module':
        target = with_variables(target, ansible_ssh_extra_args='-tt')
    run = controller.play([target], {'tasks': [START]}, PIPELINING='0')
    left = host.shell('sudo find /root/precious -mindepth 1; sudo rm -r /root/precious; rm ~/planted')
    assert left == ''
    assert run.rc
    assert f'/home/deploy/{place}' in run.of('start')[0].result['msg']


WRITABLE = {
    'directory of a group': 'sudo chgrp plain {0}; chmod g+w {0}',
    'directory of all': 'chmod o+w {0}',
    'file of a group': 'sudo chgrp plain {0}/r*; chmod g+w {0}/r*',
    'directory of another user': 'sudo chown plain {0}',
    'all of another user': 'sudo chown -R plain {0}',
}


@pytest.mark.any_core
@pytest.mark.hosts
def test_a_runtime_that_others_can_write_is_not_run(controller: Controller, hosts: list[Target]) -> None:
    plant = f'echo {shlex.quote(EVIL)} | tee -a ~deploy/.ansible_async/.runtime/r*'
    tasks: list[dict[str, t.Any]] = []
    for name, damage in WRITABLE.items():
        tasks += [
            START,
            {SHELL: f'rm -f /tmp/evil; {damage.format(RUNTIME)}; sudo sh -c {shlex.quote(plant)}'},
            {**START, 'name': f'{name}, start', 'ignore_errors': True},
            {**WAIT, 'when': 'job is not failed'},
            {'name': f'{name}, evil', SHELL: f'sudo rm -r {RUNTIME}; ls /tmp/evil 2>/dev/null || true'},
        ]
    try:
        run = controller.play(hosts[:1], {'tasks': tasks}, **VERBOSE)
    finally:
        hosts[0].shell(f'sudo rm -rf {RUNTIME} /tmp/evil')
    assert run.rc == 0, run.output
    for name in WRITABLE:
        assert run.of(f'{name}, evil')[0].result['stdout'] == '', name
        (started,) = run.of(f'{name}, start')
        if started.kind == 'failed':
            assert '/.ansible_async/.runtime' in started.result['msg'], name
        else:
            assert operations(run, f'{name}, start') > 2, f'{name}: by an ordinary module'


@pytest.mark.any_core
@pytest.mark.hosts
def test_two_versions_side_by_side(tmp_path: Path, controller: Controller, hosts: list[Target], fleet: Fleet) -> None:
    copy = tmp_path / 'other/ansible_collections/background/jobs'
    for part in ('plugins', 'meta'):
        shutil.copytree(ROOT / part, copy / part)
    shutil.copy(ROOT / 'galaxy.yml', copy)
    with open(copy / 'plugins/module_utils/_runtime/core/status.py', 'a', encoding='utf-8') as stream:
        stream.write('# Another version.\n')
    (tmp_path / 'other controller').mkdir()
    other = Controller(tmp_path / 'other controller', tmp_path / 'other', fleet.inventory)
    hosts[0].shell(f'rm -rf {RUNTIME}')
    meeting = '/tmp/versions'
    hosts[0].shell(f'rm -rf {meeting}; mkdir {meeting}')
    came = f'touch {meeting}/$$; until [ $(ls {meeting} | wc -l) -ge 2 ]; do sleep 0.1; done'
    job = {'name': 'job', **shell(came), 'async': 100, 'poll': 1, 'register': 'r'}
    with Playing(tmp_path, controller, hosts[:1], {'tasks': [job]}) as playing:
        run = other.play(hosts[:1], {'tasks': [job]})
        assert playing.result()['r']['rc'] == run['r']['rc'] == 0
    assert len(hosts[0].shell(f'ls {RUNTIME}').split()) == 2


@pytest.mark.any_core
@pytest.mark.hosts
@pytest.mark.parametrize('login_shell', ['/bin/dash', '/bin/bash'])
def test_login_shells(controller: Controller, hosts: list[Target], login_shell: str) -> None:
    host = hosts[0]
    before = host.shell(f'getent passwd {PLAIN} | cut -d: -f7').strip()
    home = f'~{PLAIN}'
    host.shell(f'sudo cp -a {home}/.bashrc {home}/.bashrc.before')
    host.shell(f'sudo usermod -s {login_shell} {PLAIN}; echo "echo Be welcome, {{}}" | sudo tee {home}/.bashrc')
    try:
        run = controller.play([with_variables(host, ansible_user=PLAIN)], {'tasks': WAYS}, **VERBOSE)
    finally:
        host.shell(f'sudo usermod -s {before} {PLAIN}; sudo mv {home}/.bashrc.before {home}/.bashrc')
    assert run['polled']['stdout'] == run['waited']['jobs'][0]['stdout'] == PLAIN, run.output
    assert operations(run, 'start') == 1


# --- Waiting ---------------------------------------------------------------------------------------------------------


@pytest.mark.any_core
@pytest.mark.parametrize('give_back', [True, False])
def test_the_end_is_noticed_whatever_poll_says(controller: Controller, local: Target, give_back: bool) -> None:
    job = {**shell('sleep 3'), 'async': 1000, 'poll': 300}
    began = time.monotonic()
    run = controller.play([local], {'tasks': [job], 'vars': {'background_jobs_give_back_forks': give_back}})
    assert run.rc == 0, run.output
    assert 3 <= time.monotonic() - began < 150  # far from 300


@pytest.mark.any_core
@pytest.mark.parametrize('park', [True, False])
def test_many_hosts_notice_the_end_whatever_poll_says(controller: Controller, tmp_path: Path, park: bool) -> None:
    targets = [local_target(f'h{n}', tmp_path / f'h{n}', sys.executable) for n in range(6)]
    job = {**shell('sleep 3'), 'async': 2000, 'poll': 1200, 'vars': {'background_jobs_park': park}}
    began = time.monotonic()
    run = controller.play(targets, {'tasks': [job]}, FORKS='1')
    assert run.rc == 0, run.output
    # Hosts that are not parked take turns: by the poll divided among them it would be 1200.
    assert time.monotonic() - began < 600


@pytest.mark.any_core
def test_a_wait_costs_no_processor_time(controller: Controller, local: Target, tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / 'meeting')
    job = {**shell(meeting.wait()), 'async': 100, 'poll': 60}

    # The processes of the child's way are counted.
    with Playing(tmp_path, controller, [local], {'tasks': [{**job, **CHILD}]}) as playing:
        with meeting.closed():
            eventually(lambda: meeting.came() and playing.waiting(), 'the task waits')
            request = eventually(lambda: playing.requests(sys.executable), 'the host is asked')
            watched = [*playing.waiting()[0], *request]
            eventually(lambda: used(watched, 1) == 0, 'all is at rest')
            assert used(watched, 8) < 0.1
        assert playing.result().rc == 0


def used(watched: list[Process], seconds: float) -> float:
    """How much processor time one of the processes takes at most in that time.

    A busy loop would take most of it; a tick each 0.1 s, tenths of a second.
    """
    before = [process.cpu() for process in watched]
    time.sleep(seconds)
    return max(process.cpu() - early for process, early in zip(watched, before, strict=True))
