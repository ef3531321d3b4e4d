# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line by which a connection runs a command, for a process without Ansible. Private to this collection."""

from __future__ import annotations

import os
import re
import typing as t

from ansible.plugins.action import ActionBase

_SSH = 'ansible.plugins.connection.ssh'
_LOCAL = 'ansible.plugins.connection.local'
_CONTROL_PATH = re.compile(r'ControlPath[= ]"?(/[^"%]+)"?', re.IGNORECASE)


class CommandLine(t.NamedTuple):
    """How to run one command on a target. The last word of *argv* is what a shell runs there."""

    argv: list[str]
    control: str | None
    """The path of the socket of ssh's master connection, or None where it is not known."""


def command_line(action: ActionBase, command: str) -> CommandLine | None:
    """The command line that runs *command* on the target of *action*, without a terminal, input or a password.

    None for connections other than ssh and local, and where a password may have to be typed.
    """
    connection: t.Any = action._connection
    kind = type(connection).__module__
    if kind not in (_SSH, _LOCAL) or (connection.become and connection.become.expect_prompt()):
        return None
    if kind == _SSH and connection.get_option('password'):
        return None
    words = _words(action, command)
    if kind == _LOCAL:
        return CommandLine(['/bin/sh', '-c', words], None)
    # 2.16 to 2.22
    # As exec_command() does first: ansible-core makes the path of the control socket from it.
    connection.host = connection.get_option('host') or connection._play_context.remote_addr
    built = connection._build_command(connection.get_option('ssh_executable'), 'ssh', connection.host, words)
    argv = [os.fsdecode(word) for word in built]
    paths = [match[1] for match in map(_CONTROL_PATH.fullmatch, argv) if match]
    return CommandLine(argv, paths[0] if paths and '-S' not in argv else None)  # ssh takes the first of them


def _words(action: ActionBase, command: str) -> str:
    """What *action* has its connection execute to run *command*: within a shell, and as another user if need be."""
    connection: t.Any = action._connection
    caught: list[str] = []

    def catch(cmd: str, *_args: t.Any, **_kwargs: t.Any) -> tuple[int, bytes, bytes]:
        caught.append(cmd)
        return 0, b'', b''

    connection.exec_command = catch
    try:
        action._low_level_execute_command(command)
    finally:
        del connection.exec_command
    return caught[0]
