# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of async_run -> the jobs to start. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.names import check_new_name
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import StoreError
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import GRACE, OUTPUT_LIMIT
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import task_of
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._payload.build import build
from ansible_collections.background.jobs.plugins.plugin_utils._payload.payload import Payload

OPTIONS = {
    'task': {'type': 'raw'},
    'tasks': {'type': 'list', 'elements': 'raw'},
    'cmd': {'type': 'str'},
    'name': {'type': 'str'},
    'on_existing': {'type': 'str', 'choices': ['attach', 'fail', 'replace'], 'default': 'attach'},
    'queue': {'type': 'str'},
    'slots': {'type': 'int', 'default': 1},
    'grace': {'type': 'float', 'default': GRACE},
    **_settings.OF_THE_GROUP,
}
WAYS = ('task', 'tasks', 'cmd')
_OF_EACH = ('name', 'async', 'queue', 'slots')


@dataclasses.dataclass
class JobRequest:
    """One job that is to be started. *limit*: seconds or None. *slots*: places of its queue, where it has one."""

    payload: Payload
    limit: int | None
    name: str | None = None
    on_existing: str = 'attach'
    queue: str | None = None
    slots: int = 1
    grace: float = GRACE
    no_log: bool = False
    output_limit: int = OUTPUT_LIMIT


def job_requests(
    action: ActionBase, args: dict[str, t.Any], limit: int | None, task_vars: dict[str, t.Any]
) -> list[JobRequest]:
    """One request for each job that *args* (the validated options) ask for; nothing has been started by then.

    Raises AnsibleActionFail for whatever is wrong with any of them.
    """
    common = {key: args[key] for key in ('name', 'on_existing', 'queue', 'slots', 'grace')}
    common['limit'] = limit
    common['no_log'] = bool(task_of(action).no_log)
    common['output_limit'] = _settings.number(action, task_vars, 'background_jobs_output_limit', OUTPUT_LIMIT)
    if args['tasks'] is None:
        task = args['task'] if args['cmd'] is None else {'ansible.builtin.command': {'cmd': args['cmd']}}
        found = [JobRequest(payload=build(action, task, ('task',), task_vars), **_checked(common, 'async_run'))]
    elif not args['tasks']:
        raise AnsibleActionFail("'tasks' is empty: there is nothing to run.")
    elif args['name'] is not None:
        raise AnsibleActionFail("'name' names one job: give each of 'tasks' its own.")
    else:
        found = [_of_each(action, number, task, common, task_vars) for number, task in enumerate(args['tasks'])]
    names = [request.name for request in found if request.name is not None]
    try:
        for name in names:
            check_new_name(str(name))
    except StoreError as error:
        raise AnsibleActionFail(str(error)) from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AnsibleActionFail(f"A name can be given to one job only: {', '.join(twice)}.")
    return found


def _of_each(
    action: ActionBase,
    number: int,
    task: t.Any,
    common: dict[str, t.Any],
    task_vars: dict[str, t.Any],
) -> JobRequest:
    where = f'tasks[{number}]'
    if not isinstance(task, c.Mapping):
        raise AnsibleActionFail(f"'{where}' must be a mapping of one module name to its arguments, found: {task!r}.")
    own = {key: task[key] for key in _OF_EACH if task.get(key) is not None}
    if 'async' in own:
        own['limit'] = _whole(own.pop('async'), f'async of {where}', 0) or None
    if 'slots' in own:
        own['slots'] = _whole(own['slots'], f'slots of {where}', 1)
    module = {key: value for key, value in task.items() if key not in _OF_EACH}
    payload = build(action, module, ('tasks', number), task_vars)
    return JobRequest(payload=payload, **_checked({**common, **own}, where))


def _checked(options: dict[str, t.Any], where: str) -> dict[str, t.Any]:
    if options['slots'] < 1:
        raise AnsibleActionFail(f"'slots' of {where} must be 1 or more, found {options['slots']}.")
    if options['grace'] < 0:
        raise AnsibleActionFail(f"'grace' of {where} must not be negative, found {options['grace']}.")
    return options


def _whole(value: t.Any, what: str, least: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = least - 1
    if number < least:
        raise AnsibleActionFail(f"'{what}' must be a whole number of {least} or more, found {value!r}.")
    return number
