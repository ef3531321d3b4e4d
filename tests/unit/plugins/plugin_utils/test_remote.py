# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that do not come, or not whole, and hosts that say nothing."""

from __future__ import annotations

import errno
import json
import math
import pathlib
import re
import signal
import subprocess
import threading
import time
import typing as t
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible_collections.background.jobs.plugins.module_utils._loader import MARK
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look, new_look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat import watchdog
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.watchdog import Watchdog
from ansible_collections.background.jobs.plugins.plugin_utils._places import command, patience
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import Remote, was_sent
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.collect import mark_collected
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.rounds import request_seconds
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import wait
from ansible_collections.background.jobs.tests.tools.nobody import as_nobody

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
        self._task = SimpleNamespace(environment=[], delegate_to=None)

    def get_shell_option(self, option: str, default: str) -> str:
        return default

    def _low_level_execute_command(self, command: str, in_data: bytes | None) -> dict[str, t.Any]:
        return {'stdout': self._outputs.pop(0)}

    def _execute_module(self, **call: t.Any) -> dict[str, t.Any]:
        self.modules += 1
        return {'response': json.dumps({'jobs': []})}


@pytest.fixture(autouse=True)
def _python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, 'python_command', lambda action, task_vars: ['python3'])


def remote(action: Action, **task_vars: t.Any) -> Remote:
    return Remote(t.cast('t.Any', action), task_vars)


@pytest.mark.parametrize('length', [len(MARK) + 12, len(MARK) + 20, len(GOOD.strip()) - 14])
def test_half_an_answer_is_a_lost_connection(length: int) -> None:
    action = Action('Be welcome\n' + GOOD.splitlines()[1][:length])
    with pytest.raises(AnsibleConnectionFailure, match='middle of the answer'):
        remote(action).ask('wait', ids=[], seconds=0)
    assert not action.modules


@pytest.mark.parametrize('response', [None, {}, {'jobs': {}}, {'jobs': [1]}, {'jobs': [{'ended': True, 'job': None}]}])
def test_an_answer_of_another_shape_is_named(response: t.Any) -> None:
    with pytest.raises(
        AnsibleActionFail, match=r'the answer to the request status cannot be understood: .*ansible_async'
    ):
        remote(Action(MARK + json.dumps({'response': response}))).ask('status', ids=[])


def test_an_error_of_the_target_controls_no_terminal() -> None:
    response = {'error': 'no such user: \x1b]0;owned\x07\nsecond line'}
    with pytest.raises(AnsibleActionFail, match=re.escape('no such user: \\x1b]0;owned\\x07\nsecond line')):
        remote(Action(MARK + json.dumps({'response': response}))).ask('status', ids=[])


def test_what_a_look_says_controls_no_terminal() -> None:
    hostile, harmless = 'a\x1b]0;owned\x07\nb', 'a\\x1b]0;owned\\x07\nb'
    look = new_look('j1.1', hostile, hostile, error=hostile, warning=hostile)
    response = {'jobs': [look._asdict()]}
    (safe,) = remote(Action(MARK + json.dumps({'response': response}))).ask('status', ids=['j1.1'])
    assert {safe.looked_in, safe.user, safe.error, safe.warning} == {harmless}


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
    assert was_sent(AnsibleConnectionFailure(words)) is sent


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
    assert command._forces_terminal(t.cast('t.Any', connection)) is forced


def test_a_request_that_does_not_come_back_is_ended() -> None:
    began, threads = time.monotonic(), set(threading.enumerate())
    with Watchdog(0.5) as dog:
        done = subprocess.run(['sleep', '60'], check=False)
    assert dog.expired
    assert done.returncode == -15
    assert time.monotonic() - began < 30
    assert set(threading.enumerate()) <= threads  # those of an earlier test may have ended meanwhile


def test_a_request_that_ignores_term_is_killed() -> None:
    with Watchdog(1):
        done = subprocess.run(['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'], check=False)
    assert done.returncode == -9


def test_a_request_that_comes_back_is_left_alone() -> None:
    threads = set(threading.enumerate())
    with Watchdog(60) as dog:
        done = subprocess.run(['true'], check=False)
    assert (dog.expired, done.returncode) == (False, 0)
    assert set(threading.enumerate()) <= threads


def test_what_is_no_process_is_interrupted() -> None:
    """The connection of paramiko, for example, is a thread that waits for a socket."""
    handler = signal.getsignal(signal.SIGUSR2)
    with pytest.raises(AnsibleConnectionFailure, match='gone'), Watchdog(0.5, 'gone'):
        threading.Event().wait(60)
    assert signal.getsignal(signal.SIGUSR2) == handler


def test_what_swallows_errors_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, '_PAUSE_SECONDS', 0.5)

    def hang() -> None:
        try:
            threading.Event().wait(60)
        finally:
            threading.Event().wait(60)  # as ActionBase removes its temporary directory

    with pytest.raises(AnsibleConnectionFailure), Watchdog(0.5):
        hang()


def test_a_request_that_belongs_to_root_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `become` on the local connection: the shell executes sudo in its own place."""
    monkeypatch.setattr(watchdog, '_PAUSE_SECONDS', 0.5)
    with subprocess.Popen(['sleep', '600']) as request:
        try:
            with pytest.raises(AnsibleConnectionFailure), as_nobody(), Watchdog(0.5):
                request.wait(60)
        finally:
            request.kill()


def test_where_no_program_tells_the_processes_the_request_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system without /proc that has no pgrep either."""
    monkeypatch.setattr(pathlib.Path, 'glob', lambda *_arguments: ())
    monkeypatch.setenv('PATH', '/nowhere')
    with pytest.raises(AnsibleConnectionFailure), Watchdog(0.5):
        threading.Event().wait(60)


class Silent(Action):
    """An action whose commands do not come back."""

    _templar = SimpleNamespace(template=lambda value: value)

    def _low_level_execute_command(self, command: str, in_data: bytes | None) -> dict[str, t.Any]:
        subprocess.run(['sleep', '60'], check=False)
        return {'stdout': ''}


@pytest.mark.parametrize(
    ('request_', 'words'),
    [
        ({'op': 'cancel', 'ids': ['j1.1'], 'grace': 1, 'check': False}, 'may have been asked to stop or not'),
        ({'op': 'remove', 'ids': ['j1.1']}, 'may have been removed or not'),
        ({'op': 'prune', 'older_than': 0}, 'may have been removed'),
        ({'op': 'start', 'jobs': []}, 'did not answer within [0-9]+ s'),
        ({'op': 'status', 'ids': ['j1.1']}, 'did not answer within [0-9]+ s'),
        ({'op': 'collect', 'ids': ['j1.1']}, 'did not answer within [0-9]+ s'),
        ({'op': 'list'}, 'did not answer within [0-9]+ s'),
    ],
    ids=lambda value: value.get('op') if isinstance(value, dict) else '',
)
def test_every_request_has_a_limit(monkeypatch: pytest.MonkeyPatch, request_: dict[str, t.Any], words: str) -> None:
    for name, value in (('_RUNTIME_BYTES', 0), ('_DIRECTORY_SECONDS', {})):
        monkeypatch.setattr(patience, name, value)
    action = Silent()
    with pytest.raises(AnsibleConnectionFailure, match=words):
        remote(action, background_jobs_request_timeout='1s').ask(**request_)
    assert not action.modules  # a host that says nothing is not asked in another way


def test_the_limit_of_a_request_grows_with_what_it_has_to_do() -> None:
    job = {'grace': 10, 'on_existing': 'attach', 'payload': 'x' * 1000}
    small = patience.limit({'op': 'start', 'jobs': [job]}, 60)
    assert small >= 60
    assert patience.limit({'op': 'start', 'jobs': [job] * 100}, 60) >= small + 99
    assert patience.limit({'op': 'start', 'jobs': [{**job, 'payload': 'x' * 3_000_000}]}, 60) >= small + 200
    assert patience.limit({'op': 'start', 'jobs': [{**job, 'on_existing': 'replace', 'grace': 50}]}, 60) >= small + 50
    assert patience.limit({'op': 'wait', 'ids': ['j1.1'], 'seconds': 60}, 60) >= 120
    assert patience.limit({'op': 'status', 'ids': ['j1.1']}, 600) >= 600


class Away:
    """A host that answers no request."""

    host = 'web1'

    def ask(self, op: str, **details: t.Any) -> list[Look]:
        raise AnsibleConnectionFailure('gone')

    def reset(self) -> None:
        """Nothing to forget."""

    def is_remote(self, ids: list[t.Any]) -> bool:
        return True


class Busy(Away):
    """A host that a controller without processes asks: *errors*, then the end of the job."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    def ask(self, op: str, **details: t.Any) -> list[Look]:
        if self._errors:
            raise self._errors.pop(0)
        return [look(None)._replace(ended=True)]


_NO_PROCESS = (
    AnsibleError('Unable to execute ssh command line on a controller.'),
    BlockingIOError(errno.EAGAIN, 'Resource temporarily unavailable'),
    RuntimeError("can't start new thread"),
)


@pytest.mark.parametrize('error', _NO_PROCESS, ids=lambda error: type(error).__name__)
def test_a_moment_without_processes_ends_no_wait(error: Exception) -> None:
    (last,) = wait(t.cast('t.Any', Busy(error)), [look(None)], SilentReporter())
    assert last.ended


@pytest.mark.parametrize('error', _NO_PROCESS, ids=lambda error: type(error).__name__)
def test_files_that_cannot_be_tidied_up_fail_no_task(error: Exception) -> None:
    mark_collected(t.cast('t.Any', Busy(error)), [look(None)._replace(ended=True)])


@pytest.mark.parametrize('error', [AnsibleError('The template is wrong.'), PermissionError(errno.EACCES, 'no')])
def test_other_errors_end_a_wait(error: Exception) -> None:
    with pytest.raises(AnsibleActionFail, match=r'; j1 may still run there\. .*: .*(wrong|no)'):
        wait(t.cast('t.Any', Busy(error)), [look(None)], SilentReporter())


def look(limit: int | None) -> Look:
    return new_look('j1', '/async', 'deploy', job={'name': None, 'state': 'running', 'limit': limit, 'elapsed': 0.0})


@pytest.mark.parametrize(('limit', 'timeout'), [(1, None), (None, 1), (1000, 1), (1, 1000)])
def test_a_host_that_never_answers_a_wait_is_given_up(limit: int | None, timeout: float | None) -> None:
    began = time.monotonic()
    with pytest.raises(AnsibleConnectionFailure) as caught:
        wait(t.cast('t.Any', Away()), [look(limit)], SilentReporter(), timeout=timeout, margin=1)
    assert 2 <= time.monotonic() - began < 30
    assert 'last seen at' in str(caught.value)
    assert 'j1 may still run there' in str(caught.value)


@pytest.mark.parametrize(('sharers', 'waited', 'most'), [(4, 30, 3), (4, 3600, 10), (40, 3600, 100), (1, 3600, 10)])
def test_processes_that_share_a_turn_ask_in_time(sharers: int, waited: float, most: float) -> None:
    """However long a host has waited, an end is noticed when all that share its turn have asked once."""
    seconds = request_seconds(math.inf, sharers, waited=waited, followed=False)
    assert 0 < seconds * sharers <= most


@pytest.mark.parametrize('waited', [1, 3600])
@pytest.mark.parametrize('hosts', [5_000, 9_968, 10_000, 20_000])
def test_a_process_that_asks_thousands_of_hosts_sends_few_requests(hosts: int, waited: float) -> None:
    """At most 200 a second. 10,000 hosts at 9,968 turns sent 2,000."""
    turns = 9_968
    seconds = request_seconds(math.inf, max(1.0, hosts / turns), waited=waited, followed=False, hosts=hosts)
    assert min(hosts, turns) / seconds <= 200
