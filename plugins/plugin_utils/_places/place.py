# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The target of an inventory host, as a place where jobs live.

`Remote.ask()` sends one request to the runtime on a target and returns the looks of its response. How the request
travels is the business of a transport, which is chosen here: by command (command.py) if that works, by module
(module.py) if not, and under mitogen its own way (mitogen.py). Private to this collection.
"""

from __future__ import annotations

import errno
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION, Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import connection_of, target_name
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.command_line import CommandLine, command_line
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.connection import (
    hidden_commands,
    hides_commands,
    is_of_mitogen,
    is_windows,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.watchdog import Watchdog
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._places import mitogen, patience
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._places.command import Command
from ansible_collections.background.jobs.plugins.plugin_utils._places.module import Module
from ansible_collections.background.jobs.plugins.plugin_utils._places.response import looks_of
from ansible_collections.background.jobs.plugins.plugin_utils._places.transport import (
    SHOWN_VERBOSITY,
    CannotCarry,
    Transport,
)
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import readable_lines

_NOT_SENT = (
    'ssh: connect to host ',
    'ssh: Could not resolve hostname ',
    'Permission denied (',
    'Host key verification failed',
    'can be reached over ssh: [Errno ',
    'can be reached over SSH.',
)
"""What ssh says if there was no connection to begin with. The last two are ansible-core's (before 2.19, and from it on)
if ssh ended before it had taken the whole request; a part of a request starts nothing."""
_EXHAUSTED = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_NO_PROCESS = ('Unable to execute ssh command line on a controller', "can't start new thread")
"""What ansible-core and Python say if this machine makes no process for ssh, or no thread for the Watchdog."""
REQUEST = 'background.jobs.request'
"""Stands for a request in Remote.command_line()."""
_RESET_SECONDS = 30
_UNCERTAIN = {
    'cancel': 'The jobs may have been asked to stop or not: run the task again when the host can be reached.',
    'remove': 'The files of the jobs may have been removed or not: run the task again when the host can be reached.',
    'prune': 'Some of the ended jobs may have been removed: run the task again when the host can be reached.',
}
"""What may have happened on a host whose answer was lost: operation -> sentence. Whoever starts jobs, or waits for them,
asks again and knows more; other operations only look."""

display = Display()


def was_sent(error: AnsibleConnectionFailure) -> bool:
    """Whether the request that *error* ended may have reached the target."""
    return not any(words in str(error.message) for words in _NOT_SENT)


def may_succeed_later(error: Exception) -> bool:
    """Whether the request that *error* ended may succeed if it is sent again.

    The connection was lost, or this machine could make no process for it at the moment.
    """
    if isinstance(error, OSError):
        return error.errno in _EXHAUSTED
    return isinstance(error, AnsibleConnectionFailure) or any(words in str(error) for words in _NO_PROCESS)


def _transports(action: ActionBase, task_vars: dict[str, t.Any], has_answered: bool) -> list[Transport]:
    """The ways to the target of *action*, the best one first; the last one never raises CannotCarry."""
    if is_of_mitogen(connection_of(action)):
        return [mitogen.Mitogen(action, task_vars)]
    return [Command(action, task_vars, has_answered=has_answered), Module(action, task_vars)]


class Remote(Place):
    """The runtime of one target, reached over the connection of one action.

    *has_answered*: whether it has answered an earlier process of the same task by command.
    """

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any], *, has_answered: bool = False) -> None:
        self._action = action
        self.host = target_name(action, task_vars)
        self._async_dir = action.get_shell_option('async_dir', default='~/.ansible_async')
        self._silence = settings.request_timeout(action, task_vars)
        self._transports = _transports(action, task_vars, has_answered)
        if is_windows(connection_of(action)):
            raise AnsibleActionFail(
                "background.jobs does not run on Windows targets: use ansible-core's own async there."
            )

    def ask(self, op: str, within: float | None = None, **details: t.Any) -> list[Look]:
        request = self.request(op, **details)
        if within is None and self._silence:
            within = patience.limit(request, self._silence)
        connection = connection_of(self._action)
        if hides_commands(connection) or display.verbosity < SHOWN_VERBOSITY:
            return self._looks(request, within)
        looks = self._looks(dict(request, shown=True), within)
        if any(look.withheld for look in looks):
            with hidden_commands(connection):  # not for the first request: it would hide why a host cannot be reached
                looks = self._looks(request, within)
        return looks

    def request(self, op: str, **details: t.Any) -> dict[str, t.Any]:
        """The request that ask() sends."""
        return dict(details, version=VERSION, op=op, async_dir=self._async_dir)

    def command_line(self) -> CommandLine | None:
        """How a process without Ansible can send a request, in the place of the word REQUEST (Base64).

        None where it cannot: because of the connection, or because requests do not travel as commands.
        """
        first = self._transports[0]
        line = first.line(REQUEST) if isinstance(first, Command) else None
        return None if line is None else command_line(self._action, line)

    def _looks(self, request: dict[str, t.Any], within: float | None) -> list[Look]:
        try:
            with Watchdog(within, f'The host did not answer within {within or 0:g} s.') as watchdog:
                response = self._send(request, watchdog)
        except AnsibleConnectionFailure as error:
            uncertain = _UNCERTAIN.get(request['op'])
            if uncertain and was_sent(error):
                raise AnsibleConnectionFailure(f'{error.message} {uncertain}') from error
            raise
        if isinstance(response, dict) and 'error' in response:
            raise AnsibleActionFail(readable_lines(response['error']))
        try:
            return [Look(**look) for look in looks_of(response)]
        except (TypeError, ValueError) as error:
            raise AnsibleActionFail(
                f'{self.host}: the answer to the request {request["op"]} cannot be understood: {error}. Look on the host '
                f'what is wrong with the files in {self._async_dir}.'
            ) from None

    def _send(self, request: dict[str, t.Any], watchdog: Watchdog) -> dict[str, t.Any]:
        """The response to *request*, by the first transport that can carry it."""
        *others, last = self._transports
        for transport in others:
            try:
                return transport.send(request)
            except CannotCarry as error:
                if watchdog.expired:
                    raise
                if not error.for_now:
                    self._transports.remove(transport)  # it would cost time again in each request
        return last.send(request)

    def reset(self) -> None:
        connection = connection_of(self._action)
        if type(connection).reset is not ConnectionBase.reset:  # which only warns that there is nothing to do
            try:
                with Watchdog(_RESET_SECONDS):
                    connection.reset()
            except AnsibleConnectionFailure:
                pass  # paramiko connects again at once; the next request tells that it cannot

    def is_remote(self, ids: list[t.Any]) -> bool:
        return True
