# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that do not come, or not whole, and hosts that say nothing."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import typing as t
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look, new_look
from ansible_collections.background.jobs.plugins.plugin_utils._places import remote as _remote
from ansible_collections.background.jobs.plugins.plugin_utils._places.loader import MARK
from ansible_collections.background.jobs.plugins.plugin_utils._places.watchdog import Watchdog
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import lifecycle as _lifecycle

GOOD = f'Be welcome\r\n{MARK}{json.dumps({"response": {"jobs": []}})}\r\n'


class Action:
    """As much of an action as a request by command needs: *outputs* are what its commands print."""

    def __init__(self, *outputs: str) -> None:
        self._outputs = list(outputs)
        self.modules = 0
        context = SimpleNamespace(no_log=False)
        self._connection = SimpleNamespace(
            _shell=SimpleNamespace(), has_pipelining=True, become=None, _play_context=context
        )
        self._task = SimpleNamespace(environment=[])

    def get_shell_option(self, option: str, default: str) -> str:
        return default

    def _low_level_execute_command(self, command: str, in_data: bytes | None) -> dict[str, t.Any]:
        return {'stdout': self._outputs.pop(0)}

    def _execute_module(self, **call: t.Any) -> dict[str, t.Any]:
        self.modules += 1
        return {'response': json.dumps({'jobs': []})}


@pytest.fixture(autouse=True)
def _python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_remote, 'python_of', lambda action, task_vars: ['python3'])


def remote(action: Action) -> _remote.Remote:
    return _remote.Remote(t.cast('t.Any', action), {})


@pytest.mark.parametrize('length', [len(MARK) + 12, len(MARK) + 20, len(GOOD.strip()) - 14])
def test_half_an_answer_is_a_lost_connection(length: int) -> None:
    action = Action('Be welcome\n' + GOOD.splitlines()[1][:length])
    with pytest.raises(AnsibleConnectionFailure, match='middle of the answer'):
        remote(action).ask('wait', ids=[], seconds=0)
    assert not action.modules


def test_no_answer_where_there_were_some_is_a_lost_connection() -> None:
    action = Action(GOOD, '')
    asked = remote(action)
    assert asked.ask('wait', ids=[], seconds=0) == []
    with pytest.raises(AnsibleConnectionFailure, match='before the answer'):
        asked.ask('wait', ids=[], seconds=0)
    assert not action.modules


def test_no_answer_at_all_means_to_go_by_modules() -> None:
    action = Action('sh: python3: not found')
    asked = remote(action)
    assert asked.ask('wait', ids=[], seconds=0) == asked.ask('wait', ids=[], seconds=0) == []
    assert action.modules == 2


_REACHED = 'Data could not be sent to remote host "192.0.2.1". Make sure this host can be reached'


@pytest.mark.parametrize(
    ('words', 'sent'),
    [
        ('Failed to connect to the host via ssh: ssh: connect to host 192.0.2.1 port 22: Connection refused', False),
        ('Failed to connect to the host via ssh: ssh: Could not resolve hostname x: Name or service not known', False),
        ('Failed to connect to the host via ssh: x@192.0.2.1: Permission denied (publickey).', False),
        (f'{_REACHED} over ssh: [Errno 32] Broken pipe', False),
        (f'{_REACHED} over SSH.', False),
        (f'{_REACHED} over ssh: client_loop: send disconnect: Broken pipe', True),
        ('Failed to connect to the host via ssh: Connection to 192.0.2.1 closed by remote host.', True),
        ('Failed to connect to the host via ssh: mux_client_request_session: read from master failed', True),
    ],
)
def test_what_may_have_been_started(words: str, sent: bool) -> None:
    assert _remote.was_sent(AnsibleConnectionFailure(words)) is sent


@pytest.mark.parametrize(
    ('arguments', 'forced'),
    [
        ('-C -o ControlMaster=auto -o ControlPersist=60s', False),
        ('-T -o RequestTTY=no', False),
        ('-F /home/me/-tt.conf', False),
        ('-tt', True),
        ('-C -t -o ControlMaster=auto', True),
        ('-o RequestTTY=force', True),
        ('-orequesttty=yes', True),
        (None, False),
    ],
)
def test_a_terminal_that_ssh_is_told_to_make(arguments: str | None, forced: bool) -> None:
    connection = SimpleNamespace(transport='ssh', get_option={'ssh_extra_args': arguments}.get)
    assert _remote._forces_terminal(t.cast('t.Any', connection)) is forced


def test_a_request_that_does_not_come_back_is_ended() -> None:
    began, threads = time.monotonic(), threading.active_count()
    with Watchdog(0.5) as watchdog:
        done = subprocess.run(['sleep', '60'], check=False)
    assert watchdog.barked
    assert done.returncode == -15
    assert time.monotonic() - began < 30
    assert threading.active_count() == threads


def test_a_request_that_ignores_term_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Watchdog(1):
        done = subprocess.run(['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'], check=False)
    assert done.returncode == -9


def test_a_request_that_comes_back_is_left_alone() -> None:
    threads = threading.active_count()
    with Watchdog(60) as watchdog:
        done = subprocess.run(['true'], check=False)
    assert (watchdog.barked, done.returncode, threading.active_count()) == (False, 0, threads)


class Away:
    """A host that answers no request."""

    host = 'web1'

    def ask(self, op: str, **details: t.Any) -> list[Look]:
        raise AnsibleConnectionFailure('gone')

    def reset(self) -> None:
        """Nothing to forget."""


def look(limit: int | None) -> Look:
    return new_look('j1', '/async', 'deploy', job={'name': None, 'state': 'running', 'limit': limit, 'elapsed': 0.0})


@pytest.mark.parametrize(('limit', 'timeout'), [(1, None), (None, 1), (1000, 1), (1, 1000)])
def test_a_host_that_never_answers_a_wait_is_given_up(limit: int | None, timeout: float | None) -> None:
    began = time.monotonic()
    with pytest.raises(AnsibleConnectionFailure) as caught:
        _lifecycle.wait(t.cast('t.Any', Away()), [look(limit)], SilentReporter(), timeout=timeout, margin=1)
    assert 2 <= time.monotonic() - began < 30
    assert 'last seen at' in str(caught.value)
    assert "['j1'] may still run there" in str(caught.value)
