# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a person types before or while hosts are parked means what it does without parked hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._controller import Controller
from ansible_collections.background.jobs.tests.integration._parking import (
    NEXT,
    Many,
    job_of,
    parked,
    why_not_parked,
)
from ansible_collections.background.jobs.tests.integration._playing import kinds
from ansible_collections.background.jobs.tests.integration._targets import Target
from ansible_collections.background.jobs.tests.tools.screen import Screen
from hosts import PASSWORD

SCREEN = 1000, 50  # so wide that no line is wrapped


def said(screen: Screen) -> str:
    screen.close()
    return '\n'.join(screen.all_lines())


def test_the_task_debugger_does_a_parked_task_again(
    person: Controller, screen: Screen, many: Many, tmp_path: Path
) -> None:
    """Each host fails once. It is parked again when its task is done again."""
    flag = f'{tmp_path}/failed-{{{{ inventory_hostname }}}}'
    job = job_of(f'sleep 1; test -e {flag} || {{ touch {flag}; exit 3; }}', debugger='on_failed')
    screen.type('redo\nredo\n')
    run = person.play(many(2), {'tasks': [job, NEXT]}, VERBOSITY='3')
    text = said(screen)
    for host in ('h1', 'h2'):
        assert [event.kind for event in run.of('job', host)] == ['failed', 'ok'], text
    assert kinds(run, 'next') == {'h1': 'ok', 'h2': 'ok'}, text
    assert text.count('this host is parked until ') == 4


def test_step_asks_once_for_a_task_of_parked_hosts(person: Controller, screen: Screen, many: Many) -> None:
    """`y` runs the task on all hosts, `n` none."""
    tasks = [job_of('sleep 1'), job_of('sleep 1', name='refused'), NEXT]
    book = person.write('playbook.yml', [{'hosts': 'all', 'gather_facts': False, 'tasks': tasks}])
    screen.type('y\nn\ny\n')
    run = person.book(many(2), book, '--step', VERBOSITY='3')
    text = said(screen)
    assert kinds(run, 'job') == kinds(run, 'next') == {'h1': 'ok', 'h2': 'ok'}, text
    assert kinds(run, 'refused') == {}
    assert text.count('this host is parked until ') == 2
    assert text.count('Perform task: TASK: job ') == 2  # the question, and ansible-core's heading after it


@pytest.mark.hosts
def test_a_host_with_a_typed_password_of_ssh_is_not_parked(
    controller: Controller, takes_passwords: Target, tmp_path: Path
) -> None:
    """The room has no password, and nobody types it again for a new connection."""
    password = tmp_path / 'password'
    password.write_text(f'{PASSWORD}\n', encoding='utf-8')
    host = takes_passwords.also(takes_passwords.name, ansible_ssh_private_key_file='/dev/null')
    book = controller.write('playbook.yml', [{'hosts': 'all', 'gather_facts': False, 'tasks': [job_of('sleep 1')]}])
    ssh = '-o ControlMaster=auto -o ControlPersist=60s -o PreferredAuthentications=password'
    run = controller.book([host], book, '--connection-password-file', str(password), VERBOSITY='3', SSH_ARGS=ssh)
    assert kinds(run, 'job') == {host.name: 'ok'}, run.output
    assert parked(run) == 0
    assert why_not_parked(run) == {'not with this connection'}
