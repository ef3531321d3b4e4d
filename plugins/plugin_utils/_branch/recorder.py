# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens in a branch: lines for the people who watch it, and the results of its tasks.

Private to this collection.
"""

from __future__ import annotations

import typing as t

from ansible.plugins.callback import CallbackBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_play import registered_names
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_variables import SetVariables
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.executor import plain
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task_result import part
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import printable

_CENSORED = 'censored'
"""The key that ansible-core puts into results that `no_log` hides."""
_INTERNAL = '_ansible_'
"""What keys of results begin with that are for ansible-core alone."""
_NO_LOG = '_ansible_no_log'
"""The one of these keys that hides the result."""
_BAD = ('failed', 'ignored', 'unreachable')

display = Display()


class Recorder(CallbackBase):
    """Hears of all tasks of a branch, in the place of the callback plugins.

    *output*: takes a line for each task that starts and each result. *variables*: is told which variables are hidden.
    """

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'stdout'
    CALLBACK_NAME = 'background.jobs.branch'

    def __init__(self, output: t.TextIO, variables: SetVariables) -> None:
        super().__init__()
        self._output = output
        self._variables = variables
        self._tasks: list[dict[str, t.Any]] = []
        self._failure: str | None = None

    def hear_errors(self) -> None:
        """Take down the errors that ansible-core shows: of some, for one of a role that is not there, no task has a result."""
        show = display.error

        def error(msg: t.Any, *args: t.Any, **options: t.Any) -> None:
            self._failure = str(msg)
            show(msg, *args, **options)

        display.error = error

    def result(self, code: int, error: str | None) -> dict[str, t.Any]:
        """The result of the branch, which has ended with the exit *code* of a play. *error*: what ended it before its time."""
        result: dict[str, t.Any] = {
            'failed': code != 0,
            'changed': any(task['changed'] for task in self._tasks),
            'tasks': self._tasks,
        }
        if error is not None:
            result['msg'] = f'the tasks could not go on: {error}'
        elif code:
            result['msg'] = self._failure or f'the tasks ended with code {code}'
        return result

    def result_of_one(self, task: t.Any, data: dict[str, t.Any]) -> dict[str, t.Any]:
        """*data*, the result of *task*, which ran alone, as the synchronous task would have returned it.

        An action may hide its own result, as include_vars does with variables of a vault.
        """
        hidden = {_NO_LOG: True} if task.no_log or data.get(_NO_LOG) else {}
        shown = plain({key: value for key, value in data.items() if not key.startswith(_INTERNAL)})
        failed = bool(shown.pop('unreachable', False) or shown.get('failed'))
        kind = (
            'failed' if failed else 'skipped' if shown.get('skipped') else 'changed' if shown.get('changed') else 'ok'
        )
        self._line(kind, task, _message(shown) if failed and not hidden else None)
        return {**shown, 'failed': failed, 'changed': bool(shown.get('changed')), **hidden}

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._started('TASK', task)

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._started('HANDLER', task)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._ended(result, 'changed' if part(result, 'result').get('changed') else 'ok')

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._ended(result, 'ignored' if ignore_errors else 'failed')

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._ended(result, 'skipped')

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._ended(result, 'unreachable')

    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        self._item(result, 'changed' if part(result, 'result').get('changed') else 'ok')

    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        self._item(result, 'failed')

    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        self._item(result, 'skipped')

    def v2_runner_retry(self, result: t.Any) -> None:
        data = part(result, 'result')
        self._line('retrying', part(result, 'task'), f'{data["retries"] - data["attempts"]} retries left')

    def _started(self, kind: str, task: t.Any) -> None:
        self._variables.task_started()
        self._write(f'{kind} [{task.get_name()}]')

    def _ended(self, result: t.Any, kind: str) -> None:
        task, data = part(result, 'task'), plain(part(result, 'result'))
        hidden = _CENSORED in data
        if hidden:
            self._variables.hide(registered_names(task))
        entry = {
            'name': task.get_name(),
            'action': str(task.action),
            'changed': bool(data.get('changed')),
            'failed': kind == 'failed',
            'ignored': kind == 'ignored',
            'skipped': kind == 'skipped',
            'unreachable': kind == 'unreachable',
            'msg': None if hidden else _said(data),
            'result': {key: value for key, value in data.items() if not key.startswith(_INTERNAL)},
        }
        self._tasks.append(entry)
        if entry['failed'] or entry['unreachable']:
            self._failure = _failure(entry)
        self._line(kind, task, _message(data) if kind in _BAD and not hidden else None)

    def _item(self, result: t.Any, kind: str) -> None:
        data = part(result, 'result')
        label = data.get('_ansible_item_label', data.get(data.get('ansible_loop_var') or 'item'))
        hidden = _CENSORED in data
        self._line(kind, part(result, 'task'), None if hidden or label is None else f'(item={label})')

    def _line(self, kind: str, task: t.Any, more: str | None) -> None:
        self._write(f'{kind}: {task.get_name()}' + (f': {more}' if more else ''))

    def _write(self, line: str) -> None:
        self._output.write(f'{printable(line)}\n')
        self._output.flush()


def _failure(task: dict[str, t.Any]) -> str:
    """What is said of a branch in which *task* (an entry of `tasks`) was the last that failed."""
    return f"the task '{task['name']}' {'could not reach the host' if task['unreachable'] else 'failed'}" + (
        f': {task["msg"]}' if task['msg'] else ''
    )


def _said(data: dict[str, t.Any]) -> t.Any:
    """The message of a result, or None. Before 2.20, ansible-core gives that of an include another name."""
    return data.get('msg') or data.get('reason')


def _message(data: dict[str, t.Any]) -> str:
    """The message of a result on one line."""
    return ' '.join(str(_said(data) or 'no message').split())
