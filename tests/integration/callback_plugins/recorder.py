# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes what a run of Ansible did as JSON: every event of every task, and every registered variable with its types."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorder
type: aggregate
short_description: Record a run for the integration tests
description: Writes the events and the registered variables of a run to a file.
requirements: [the environment variable BACKGROUND_JOBS_RECORD]
"""

# Longer strings are recorded by their length and hash: some tests move 50 MB.
_LONGEST = 1_000_000
_EVENTS = (
    'runner_on_ok',
    'runner_on_failed',
    'runner_on_skipped',
    'runner_on_unreachable',
    'runner_retry',
    'runner_item_on_ok',
    'runner_item_on_failed',
    'runner_item_on_skipped',
    'runner_on_async_poll',
    'runner_on_async_ok',
    'runner_on_async_failed',
)


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'aggregate'
    CALLBACK_NAME = 'recorder'
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._events: list[dict[str, t.Any]] = []
        self._starts: list[str] = []
        self._names: set[str] = set()
        self._play: t.Any = None

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._play = play

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        register = task.register or ()
        self._names.update([register] if isinstance(register, str) else register)  # from 2.21 on a mapping of names

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._starts.append(host.get_name())

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        variables = self._play.get_variable_manager()
        registered = {}
        for host in variables._inventory.get_hosts(ignore_limits=True):
            found = variables.get_vars(play=self._play, host=host)
            registered[host.name] = {name: found[name] for name in self._names if name in found}
        record = {'events': self._events, 'starts': self._starts, 'registered': _plain(registered)}
        with open(os.environ['BACKGROUND_JOBS_RECORD'], 'w', encoding='ascii') as stream:
            json.dump(record, stream, default=str)  # a module with a serialization profile of its own may return times

    def record(self, kind: str, result: t.Any) -> None:
        new = hasattr(result, 'result')  # ansible-core 2.19
        self._events.append(
            {
                'kind': kind,
                'host': (result.host if new else result._host).get_name(),
                'task': (result.task if new else result._task).name,
                'result': _plain(result.result if new else result._result),
            }
        )


def _recording(event: str) -> t.Callable[..., None]:
    kind = event.removeprefix('runner_').replace('on_', '', 1)

    def method(self: CallbackModule, result: t.Any, ignore_errors: bool = False) -> None:
        self.record(kind, result)

    return method


for _event in _EVENTS:
    setattr(CallbackModule, f'v2_{_event}', _recording(_event))


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):  # an error or a warning of ansible-core 2.19, without its place in the playbook
        shown = (field.name for field in dataclasses.fields(value) if field.name != 'formatted_source_context')
        return {'type': type(value).__name__, **{name: _plain(getattr(value, name)) for name in shown}}
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, str) and len(value) > _LONGEST:
        digest = hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()
        return f'<{len(value)} characters, sha256 {digest}>'
    return value
