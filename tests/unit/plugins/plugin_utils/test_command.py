# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests go over the master connection of ssh, and what happens when it does not carry them."""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.background.jobs.plugins.module_utils._loader import MARK
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.command_line import CommandLine
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.watchdog import Watchdog
from ansible_collections.background.jobs.plugins.plugin_utils._places import command
from ansible_collections.background.jobs.tests.unit.plugins.plugin_utils._master import master


def answered(by: str) -> bytes:
    return f'Be welcome\n{MARK}{json.dumps({"response": by})}\n'.encode()


class Ssh:
    """An action with the connection ssh: `commands` are those that a process of ssh has run."""

    def __init__(self) -> None:
        self._connection = SimpleNamespace(has_pipelining=True, become=None)
        self.commands: list[str] = []

    def _low_level_execute_command(self, line: str, in_data: bytes | None) -> dict[str, t.Any]:
        self.commands.append(line)
        return {'stdout': answered('ssh').decode()}


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The path of the control socket, where there may be a master connection."""
    path = str(tmp_path / 'control')
    monkeypatch.setattr(command, 'python_command', lambda *_arguments: ['python3'])
    monkeypatch.setattr(command, 'command_line', lambda _action, line: CommandLine(['ssh', 'host', line], path))
    return path


def ask(action: Ssh, op: str) -> t.Any:
    return command.Command(t.cast('t.Any', action), {}).send({'op': op, 'ids': []})


@pytest.mark.parametrize('op', ['wait', 'status', 'collect', 'list'])
def test_what_may_be_repeated_takes_no_process_of_ssh(control: str, op: str) -> None:
    action = Ssh()
    with master(control, answered('master')) as sent:
        assert ask(action, op) == 'master'
    assert action.commands == []
    assert len(sent) == 1
    assert b'python3 -I -S' in sent[0]


@pytest.mark.parametrize('op', ['start', 'cancel', 'remove', 'prune'])
def test_what_must_arrive_once_is_sent_by_ssh(control: str, op: str) -> None:
    action = Ssh()
    with master(control, answered('master')) as sent:
        assert ask(action, op) == 'ssh'
    assert (len(action.commands), sent) == (1, [])


@pytest.mark.parametrize(
    'answer',
    [None, b'', b'sudo: a password is required\n', answered('master')[:-9]],
    ids=['no master', 'refused', 'no answer', 'half an answer'],
)
def test_where_the_master_brings_no_answer_ssh_is_asked(control: str, answer: bytes | None) -> None:
    action = Ssh()
    with contextlib.nullcontext() if answer is None else master(control, answer):
        assert ask(action, 'status') == 'ssh'
    assert len(action.commands) == 1


def test_a_user_who_wants_to_see_commands_sees_them(control: str, monkeypatch: pytest.MonkeyPatch) -> None:
    action = Ssh()
    monkeypatch.setattr(command.display, 'verbosity', 3)
    with master(control, answered('master')) as sent:
        assert ask(action, 'status') == 'ssh'
    assert (len(action.commands), sent) == (1, [])


def test_a_master_that_answers_nothing_is_given_up(control: str) -> None:
    action = Ssh()
    with master(control, None), pytest.raises(AnsibleConnectionFailure, match='silent'), Watchdog(0.5, 'silent'):
        ask(action, 'status')
    assert action.commands == []  # ssh would wait for the same master
