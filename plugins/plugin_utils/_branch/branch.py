# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A branch, as it runs in the process of its job. Private to this collection."""

from __future__ import annotations

import contextlib
import contextvars
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
import typing as t

from ansible import constants as C
from ansible_collections.background.jobs.plugins.plugin_utils._branch.recorder import Recorder
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_play import BranchPlay
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_process import become_main_process
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_variables import SetVariables
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.executor import plain

LAYERS = 'branch_variables'
"""Where the result of a branch has the variables that its tasks have set. Nobody sees it but join_branch()."""
_LONGEST_DIRECTORY = 75
"""Bytes. The path of a socket has at most 107; ssh makes its own from a name of 10 and a suffix of 17."""
_PATIENCE_SECONDS = 5
"""For an ssh master to answer; the end of the job's processes ends it in any case."""


class Branch:
    """A block, or one action, that can run once, in a process that was forked for it.

    *summary*: what it does, on one line. *directory*: the path of its temporary directory, which exists only while it runs;
    if it ends by force, somebody else has to remove it. *passed_on*: variables of the environment of its process that its
    tasks get as well, wherever they run.
    """

    def __init__(self, play: BranchPlay, *, light: bool, summary: str, passed_on: tuple[str, ...] = ()) -> None:
        self._play = play
        self._light = light
        self._passed_on = passed_on
        self.summary = summary
        self.directory = _new_directory()

    def run(self, output: t.TextIO) -> dict[str, t.Any]:
        """The result, as JSON can hold it. Lines about tasks and their results go to *output* as they come.

        This process must have been forked from the worker that loaded the branch, for the branch alone: it is of no use
        for anything else of ansible's afterwards.
        """
        try:
            os.mkdir(self.directory, 0o700)
            # A context of its own: this process's has the task of the worker.
            return contextvars.Context().run(self._run, output)
        except BaseException as error:
            return {
                'failed': True,
                'changed': False,
                'msg': f'The branch ended with an error of ansible: {error}',
                'exception': traceback.format_exc(),
            }
        finally:
            _end_connections(self.directory)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self, output: t.TextIO) -> dict[str, t.Any]:
        become_main_process(self._play.worker, self.directory)
        sys.stderr = output  # warnings of ansible-core, and errors that it does not count to any task
        self._play.add_environment({name: os.environ[name] for name in self._passed_on})
        variables = SetVariables(self._play.variable_manager)
        recorder = Recorder(output, variables)
        if self._light:
            data, layers = self._play.run_first_task()
            return {**recorder.result_of_one(self._play.first_task, data), LAYERS: layers}
        recorder.hear_errors()
        code, stats, error = self._play.run(recorder)
        return {**recorder.result(code, error), 'stats': plain(stats), LAYERS: variables.layers()}


def _new_directory() -> str:
    """A path of which nobody else knows: where ansible-core has its temporary files, if that is short enough for sockets."""
    name = f'ansible-branch-{secrets.token_hex(4)}'
    path = os.path.join(os.path.dirname(C.DEFAULT_LOCAL_TMP), name)
    return path if len(os.fsencode(path)) <= _LONGEST_DIRECTORY else os.path.join(tempfile.gettempdir(), name)


def _end_connections(directory: str) -> None:
    """Ask the ssh masters whose sockets are in *directory* to end."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        for entry in os.scandir(directory):
            if stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode):
                subprocess.run(
                    ['ssh', '-O', 'exit', '-o', f'ControlPath={entry.path}', 'the-host-of-this-socket'],
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    timeout=_PATIENCE_SECONDS,
                )
