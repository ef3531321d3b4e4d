# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How bytes travel: one request to the runtime on the target, one response. The only file that knows.

The runtime lies on the target as files named by their hash, put there at the first contact, and a request is one
command. What may hold secrets goes over its standard input, the rest in its arguments. Where that does not work (a
terminal is forced, a connection or become method without standard input, a Python that is not known yet), the same
runtime runs as an ordinary module, if not under mitogen. Private to this collection.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import typing as t
import zlib

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION, Look
from ansible_collections.background.jobs.plugins.plugin_utils._payload.build import python_of
from ansible_collections.background.jobs.plugins.plugin_utils._places import mitogen as _mitogen
from ansible_collections.background.jobs.plugins.plugin_utils._places.loader import COMMAND, MARK, digest, runtime_files
from ansible_collections.background.jobs.plugins.plugin_utils._places.watchdog import Watchdog

_OPEN = frozenset(('wait', 'status', 'collect', 'cancel', 'list', 'prune', 'remove'))
"""The operations whose requests hold nothing that other users of the target must not see."""
_LONGEST_ARGUMENT = 100_000
"""Bytes; the kernel takes 128 KiB in one argument."""
_SHOWN = 3
"""The verbosity from which on a connection shows what its commands print: secrets too, unless it is told of no_log."""
_TERMINAL = re.compile(r'(?:^|\s)(?:-t+(?=\s|$)|-o\s*["\']?(?i:RequestTTY)[=\s]\s*(?:yes|force))')
"""In the arguments of ssh."""
_NOT_SENT = (
    'ssh: connect to host ',
    'ssh: Could not resolve hostname ',
    'Permission denied (',
    'Host key verification failed',
    'can be reached over ssh: [Errno ',
    'can be reached over SSH.',
)
"""What ssh says when there was no connection to begin with. The last two are ansible-core's (before 2.19, and from it on)
when ssh ended before it had taken the whole request, of which a part starts nothing."""


display = Display()


def was_sent(error: AnsibleConnectionFailure) -> bool:
    """Whether the request that *error* ended may have reached the target."""
    return not any(words in str(error.message) for words in _NOT_SENT)


def _forces_terminal(connection: ConnectionBase) -> bool:
    """Whether ssh is told to make a terminal. Not has_tty: that is true for every connection of ansible-core 2.16."""
    if getattr(connection, 'transport', None) != 'ssh':
        return False
    options = ('ssh_args', 'ssh_common_args', 'ssh_extra_args')
    return any(_TERMINAL.search(connection.get_option(option) or '') for option in options)


class Remote:
    """The runtime of one target, reached over the connection of one action."""

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any]) -> None:
        self._action = action
        self._task_vars = task_vars
        self.host = str(task_vars.get('inventory_hostname', ''))
        self._async_dir = action.get_shell_option('async_dir', default='~/.ansible_async')
        self._as_command = True
        self._answered = False
        self._refused: str | None = None
        if getattr(action._connection._shell, '_IS_WINDOWS', False):
            raise AnsibleActionFail(
                "background.jobs does not run on Windows targets: use ansible-core's own async there."
            )

    def ask(self, op: str, within: float | None = None, **details: t.Any) -> list[Look]:
        """Send one request; the looks of its response (module_utils/_runtime/protocol.py).

        *within*: seconds after which an answer is no longer waited for. Raises AnsibleActionFail with what the runtime
        said was wrong, or why it could not be run, and AnsibleConnectionFailure where the answer was lost.
        """
        request = dict(details, version=VERSION, op=op, async_dir=self._async_dir)
        context = self._action._connection._play_context
        if context.no_log or display.verbosity < _SHOWN:
            return self._respond(request, within)
        looks = self._respond(dict(request, shown=True), within)
        if any(look.withheld for look in looks):
            context.no_log = True  # only now: the reason why a host cannot be reached would be hidden, too
            try:
                looks = self._respond(request, within)
            finally:
                context.no_log = False
        return looks

    def _respond(self, request: dict[str, t.Any], within: float | None) -> list[Look]:
        with Watchdog(within) as watchdog:
            try:
                response = self._by_command(request) if self._as_command else None
                if response is None:
                    response = self._by_module(request)
            except (AnsibleActionFail, AnsibleConnectionFailure):
                if watchdog.barked:
                    raise AnsibleConnectionFailure(f'The host did not answer within {within:g} s.') from None
                raise
        if 'error' in response:
            raise AnsibleActionFail(response['error'])
        return [Look(**look) for look in response['jobs']]

    def reset(self) -> None:
        """Forget a connection that broke; the next request makes a new one."""
        connection = self._action._connection
        if type(connection).reset is not ConnectionBase.reset:  # which only warns that there is nothing to do
            try:
                connection.reset()
            except AnsibleConnectionFailure:
                pass  # paramiko connects again at once; the next request tells that it cannot

    def _by_command(self, request: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """The response, or None where the request cannot travel like this."""
        if _mitogen.carries(self._action._connection):
            _mitogen.connect(self._action._connection)
        python = python_of(self._action, self._task_vars)
        if python is None:
            return None
        call: dict[str, t.Any] = {'request': request}
        answer = self._run(python, call)
        if answer is not None and 'missing' in answer:
            answer = self._run(python, {**call, 'files': runtime_files()})
        if answer is None and self._answered:
            raise AnsibleConnectionFailure('The connection ended before the answer had come.')
        response = None if answer is None else answer.get('response')
        self._refused = None if answer is None else answer.get('refused')
        self._answered = self._answered or response is not None
        self._as_command = response is not None  # what does not work once is not tried again
        return response

    def _run(self, python: list[str], call: dict[str, t.Any]) -> dict[str, t.Any] | None:
        """What the loader on the target answers to *call*, or None where it did not."""
        data = zlib.compress(json.dumps(call).encode())  # as text, because a terminal obeys bytes: one is ^Z
        argument = base64.b64encode(data).decode()
        if call['request']['op'] not in _OPEN or 'files' in call or len(argument) > _LONGEST_ARGUMENT:
            if not self._takes_input():
                return None
            argument = '-'
        command = ' '.join(shlex.quote(word) for word in [*python, '-I', '-S', '-c', *COMMAND, digest(), argument])
        result = self._action._low_level_execute_command(
            command, in_data=base64.encodebytes(data) if argument == '-' else None
        )
        for line in result['stdout'].splitlines():
            if line.startswith(MARK):
                try:
                    return t.cast('dict[str, t.Any]', json.loads(line[len(MARK) :]))
                except ValueError:
                    raise AnsibleConnectionFailure('The connection ended in the middle of the answer.') from None
        return None

    def _takes_input(self) -> bool:
        """Whether a command can be given data, which both the connection and the become method must allow."""
        connection = self._action._connection
        if _mitogen.carries(connection):
            return True
        if _forces_terminal(connection):
            return False  # sudo waits for ever on a terminal that is full of data nobody reads
        return bool(connection.has_pipelining and getattr(connection.become, 'pipelining', True))

    def _by_module(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        if _mitogen.carries(self._action._connection):
            raise _mitogen.no_other_way(self._refused)
        task = self._action._task
        # ansible-core would put it into a command line; the jobs have theirs in the request.
        environment, task.environment = task.environment, []
        try:
            result = self._action._execute_module(
                module_name='background.jobs.async_wrapper',
                module_args={'request': base64.b64encode(zlib.compress(json.dumps(request).encode())).decode()},
                task_vars=self._task_vars,
            )
        finally:
            task.environment = environment
        if 'response' not in result:
            parts = [result.get(key) for key in ('msg', 'module_stderr', 'exception')]
            told = [part.strip() for part in parts if isinstance(part, str)]  # from 2.19 on, an exception is an object
            raise AnsibleActionFail(
                'The runtime of background.jobs, which needs Python 3.6 or later, could not be run on the target: '
                + '\n'.join(told)
            )
        return t.cast('dict[str, t.Any]', json.loads(result['response']))
