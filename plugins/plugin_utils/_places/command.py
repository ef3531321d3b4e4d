# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests that travel as one command: Python with the loader (loader.py), which finds the runtime on the target.

A request that may hold secrets goes to the standard input of that command, any other into its arguments. Private to
this collection.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import shlex
import typing as t
import zlib

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import connection_of, run_command
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.command_line import command_line
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_build import python_command
from ansible_collections.background.jobs.plugins.plugin_utils._places.loader import command, digest, runtime_files
from ansible_collections.background.jobs.plugins.plugin_utils._places.master import output_over_master
from ansible_collections.background.jobs.plugins.plugin_utils._places.response import answer_in
from ansible_collections.background.jobs.plugins.plugin_utils._places.transport import (
    SHOWN_VERBOSITY,
    CannotCarry,
    Transport,
)

_WITHOUT_SECRETS = frozenset(('wait', 'status', 'collect', 'cancel', 'list', 'prune', 'remove'))
"""The operations whose requests other users of the target may see."""
_REPEATABLE = frozenset(('wait', 'status', 'collect', 'list'))
"""Those of them that may be sent again when it is not known whether the first request has arrived."""
_LONGEST_ARGUMENT_BYTES = 100_000
"""The kernel takes 128 KiB in one argument."""
_LINE_BYTES = 3000
"""A line of standard input has 4,000 characters of Base64: a terminal takes no line of more than 4,095."""
_NO_PYTHON = 'no Python was found there that answers, set ansible_python_interpreter to Python 3.6 or later'
_TERMINAL = re.compile(r'(?:^|\s)(?:-t+(?=\s|$)|-o\s*["\']?(?i:RequestTTY)[=\s]\s*(?:yes|force))')
"""The arguments that tell ssh to make a terminal."""

display = Display()


class Command(Transport):
    """One command for each request, over the connection of an action.

    *has_answered*: whether the target has answered such a command before. From then on, a missing answer is a lost
    connection; until then, it means that the target may have no Python.
    """

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any], *, has_answered: bool = False) -> None:
        self._action = action
        self._task_vars = task_vars
        self._has_answered = has_answered

    def send(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        python = python_command(self._action, self._task_vars)
        if python is None:
            raise CannotCarry(_NO_PYTHON, for_now=True)
        call: dict[str, t.Any] = {'request': request}
        answer = self._run(python, call)
        if 'missing' in answer:
            answer = self._run(python, {**call, 'files': runtime_files()})
        if 'response' not in answer:
            raise CannotCarry(answer.get('refused', 'the runtime was not there after it had been sent'))
        self._has_answered = True
        return t.cast('dict[str, t.Any]', answer['response'])

    def line(self, argument: str) -> str | None:
        """The command that hands *argument*, a request in Base64, to the runtime, which answers with a line after MARK.

        None if no request has been answered that way, or no other process can use the connection.
        """
        python = python_command(self._action, self._task_vars) if self._has_answered else None
        return None if python is None else _line(python, argument)

    def _run(self, python: list[str], call: dict[str, t.Any]) -> dict[str, t.Any]:
        """What the loader on the target answers to *call*."""
        data = _compressed(call)
        argument = base64.b64encode(data).decode()
        if call['request']['op'] not in _WITHOUT_SECRETS or 'files' in call or len(argument) > _LONGEST_ARGUMENT_BYTES:
            if not self._takes_input():
                raise CannotCarry('the connection or the become method gives no standard input to a command')
            argument = '-'
        line = _line(python, argument)
        if argument != '-' and call['request']['op'] in _REPEATABLE:
            answer = self._ask_master(line)
            if answer is not None:
                return answer
        result = run_command(self._action, line, _lines(data) if argument == '-' else None)
        try:
            answer = answer_in(result['stdout'])
        except ValueError:
            raise AnsibleConnectionFailure('The connection ended in the middle of the answer.') from None
        if answer is not None:
            return answer
        if self._has_answered:
            raise AnsibleConnectionFailure('The connection ended before the answer had come.')
        raise CannotCarry(_NO_PYTHON)

    def _ask_master(self, line: str) -> dict[str, t.Any] | None:
        """The answer to *line* over the master connection of ssh, which takes no process of ssh and no terminal.

        None where there is no such connection, or no whole answer comes: then ssh itself is asked, and tells what is wrong.
        """
        if display.verbosity >= SHOWN_VERBOSITY:
            return None  # the user wants to see the command
        way = command_line(self._action, line)
        if way is None or way.control is None:
            return None
        try:
            return answer_in(output_over_master(way.control, way.argv[-1]).decode(errors='replace'))
        except (OSError, ValueError):
            return None

    def _takes_input(self) -> bool:
        """Whether a command can be given data, which both the connection and the become method must allow."""
        connection = connection_of(self._action)
        if _forces_terminal(connection):
            return False  # sudo would wait for ever on a terminal that is full of data nobody reads
        return bool(connection.has_pipelining and getattr(connection.become, 'pipelining', True))


def _compressed(call: dict[str, t.Any]) -> bytes:
    text = json.dumps(call).encode()
    if call['request']['op'] != 'start':
        return zlib.compress(text)
    # Most of a start is a module, which ansible-core has compressed. To search it for repetitions takes four times as long,
    # and saves 4 % of the bytes.
    stream = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)
    return stream.compress(text) + stream.flush()


def _lines(data: bytes) -> bytes:
    """*data* in Base64, in lines of text, because a terminal would act on some bytes: one of them is ^Z."""
    return b''.join(
        binascii.b2a_base64(data[start : start + _LINE_BYTES]) for start in range(0, len(data), _LINE_BYTES)
    )


def _line(python: list[str], argument: str) -> str:
    return ' '.join(shlex.quote(word) for word in [*python, '-I', '-S', '-c', *command(), digest(), argument])


def _forces_terminal(connection: ConnectionBase) -> bool:
    """Whether ssh is told to make a terminal. Not has_tty: that is true for every connection of ansible-core 2.16."""
    if getattr(connection, 'transport', None) != 'ssh':
        return False
    options = ('ssh_args', 'ssh_common_args', 'ssh_extra_args')
    return any(_TERMINAL.search(connection.get_option(option) or '') for option in options)
