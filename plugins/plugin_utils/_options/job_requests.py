# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of async_run -> the jobs to start. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import math
import os
import pwd
import socket
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.errors import StoreError
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.names import check_new_name
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import (
    CONTROLLER,
    GRACE,
    OUTPUT_LIMIT,
    TARGET,
    Resources,
)
from ansible_collections.background.jobs.plugins.plugin_utils._branch.payload import BranchPayload
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import task_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import refuse
from ansible_collections.background.jobs.plugins.plugin_utils._options.dependencies import of_each, of_the_task
from ansible_collections.background.jobs.plugins.plugin_utils._options.durations import seconds
from ansible_collections.background.jobs.plugins.plugin_utils._options.numbers import whole
from ansible_collections.background.jobs.plugins.plugin_utils._options.payloads import (
    end_payload,
    only_payload,
    payload_of,
)
from ansible_collections.background.jobs.plugins.plugin_utils._options.references import Reference
from ansible_collections.background.jobs.plugins.plugin_utils._options.resources import resources
from ansible_collections.background.jobs.plugins.plugin_utils._options.settings import forks, number
from ansible_collections.background.jobs.plugins.plugin_utils._payload.payload import Payload
from ansible_collections.background.jobs.plugins.plugin_utils._payload.summary import one_line
from ansible_collections.background.jobs.plugins.plugin_utils._payload.task import Path, written

_OWN = ('name', 'async', 'queue', 'slots', 'resources')
"""What each of `tasks` may carry that can be read without the other tasks."""
_OF_EACH = (*_OWN, 'after', 'after_any', 'on_end')
"""What each of `tasks` may carry beside its module."""
_FREE_FORM = '_raw_params'
"""Where ansible-core leaves the words of an argument string that are no ``key=value``."""
_BRANCHES = 'branches'
"""The queue of branches that have no other."""
_NESTED = 'BACKGROUND_JOBS_BRANCH'
"""The environment variable that a branch, and whatever it starts, has."""


@dataclasses.dataclass
class JobRequest:
    """One job that is to be started.

    *about*: what people want to know of it (protocol.ABOUT). *item*: which of `tasks` it is, as in ``tasks[1]``, None
    where it is the only one. *limit*: seconds, or None. *slots*: places of its queue. *grace*: seconds. *output_limit*: bytes.
    *after*: the jobs that it waits for; a number is the index of another request of the task. *after_any*: however these end.
    *on_end*: a job that starts when this one has ended.
    """

    payload: Payload | BranchPayload
    about: dict[str, str | None]
    item: str | None
    limit: int | None
    resources: Resources
    name: str | None = None
    on_existing: str = 'attach'
    queue: str | None = None
    slots: int = 1
    after: list[Reference | int] = dataclasses.field(default_factory=list)
    after_any: bool = False
    on_end: JobRequest | None = None
    grace: float = GRACE
    no_log: bool = False
    output_limit: int = OUTPUT_LIMIT

    @property
    def is_branch(self) -> bool:
        return isinstance(self.payload, BranchPayload)

    @property
    def place(self) -> str:
        """Where the job will live."""
        return CONTROLLER if self.is_branch else TARGET

    @property
    def environment(self) -> dict[str, str]:
        """What is added to the environment of the body."""
        return {_NESTED: '1'} if isinstance(self.payload, BranchPayload) else self.payload.environment


def take_free_form(action: ActionBase) -> None:
    """Make an option `cmd` of a command line that was written without it, as in ``ansible -a 'sleep 1'``.

    Of ``cmd=/usr/bin/long --do-stuff``, ansible-core makes a `cmd` and the rest.
    """
    args = dict(task_of(action).args)
    rest = args.pop(_FREE_FORM, None)
    if rest:
        args['cmd'] = ' '.join(str(words) for words in (args.get('cmd'), rest) if words)
        task_of(action).args = args


def job_requests(
    action: ActionBase, options: dict[str, t.Any], limit: int | None, task_vars: dict[str, t.Any]
) -> list[JobRequest]:
    """One request for each job that *options* (of async_run, checked) ask for. Nothing has been started by then.

    Raises AnsibleActionFail for whatever is wrong with any of them.
    """
    common = {key: options[key] for key in ('name', 'on_existing', 'queue')}
    common['limit'] = _limit(options['limit'], 'limit') if limit is None and options['limit'] is not None else limit
    common['resources'] = resources(options['resources'] or {}, 'resources')
    common['grace'] = seconds(options['grace'], 'grace')
    common['no_log'] = bool(task_of(action).no_log)
    common['output_limit'] = number(action, task_vars, 'background_jobs_output_limit', OUTPUT_LIMIT)
    if options['after_any'] and options['after'] is None:
        refuse(action, 'after_any', "it is about the jobs of 'after', and there is no 'after'.")
    common['slots'] = 1 if options['slots'] is None else _slots(options['slots'], 'slots')
    if options['tasks'] is None:
        if options['in_order']:
            refuse(action, 'in_order', "it is for 'tasks', and there is one task.")
        requests = [_request(action, only_payload(action, options, task_vars), None, common, task_vars)]
    elif not options['tasks']:
        raise AnsibleActionFail("'tasks' is empty: there is nothing to run.")
    else:
        if options['name'] is not None:
            refuse(action, 'name', "it names one job. Give each of 'tasks' its own.")
            common['name'] = None
        requests = [_of_each(action, index, task, common, task_vars) for index, task in enumerate(options['tasks'])]
    _check_names(requests)
    all_dependencies = [of_the_task(options)] if options['tasks'] is None else of_each(options)
    for request, dependencies in zip(requests, all_dependencies, strict=True):
        request.after, request.after_any = dependencies
    for request, (on_end, path) in zip(requests, _on_ends(options), strict=True):
        if on_end is not None:
            request.on_end = _on_end(action, on_end, path, request, task_vars)
    if options['slots'] is not None and not any(request.queue for request in requests):
        refuse(action, 'slots', "it counts the jobs of a 'queue' that run at once, and there is no 'queue'.")
    _queue_branches(action, requests, task_vars)
    _check_dependencies(requests)
    return requests


def _of_each(
    action: ActionBase,
    index: int,
    task: t.Any,
    common: dict[str, t.Any],
    task_vars: dict[str, t.Any],
) -> JobRequest:
    item = f'tasks[{index}]'
    if not isinstance(task, c.Mapping):
        raise WrongValue(f"'{item}' must be a mapping of one module name to its arguments", repr(task))
    own = {key: task[key] for key in _OWN if task.get(key) is not None}
    own.update({key: _text(own[key], f'{key} of {item}') for key in ('name', 'queue') if key in own})
    if 'async' in own:
        own['limit'] = _limit(own.pop('async'), f'async of {item}')
    if 'resources' in own:
        own['resources'] = resources(own['resources'], f'resources of {item}')
    if 'slots' in own:
        own['slots'] = _slots(own['slots'], f'slots of {item}')
        if not own.get('queue', common['queue']):
            raise AnsibleActionFail(f"'slots' of {item} has no effect: the job has no 'queue'.")
    module = {key: value for key, value in task.items() if key not in _OF_EACH}
    payload = payload_of(action, module, ('tasks', index), task_vars)
    return _request(action, payload, item, {**common, **own}, task_vars)


def _request(
    action: ActionBase,
    payload: Payload | BranchPayload,
    item: str | None,
    common: dict[str, t.Any],
    task_vars: dict[str, t.Any],
) -> JobRequest:
    return JobRequest(payload=payload, about=_about(action, payload, task_vars), item=item, **common)


def _queue_branches(action: ActionBase, requests: list[JobRequest], task_vars: dict[str, t.Any]) -> None:
    """Give branches without a queue the one that all such branches of the controller share."""
    if _NESTED in os.environ:
        return  # a branch that waits for one that it has started must not hold the slot that this one waits for
    for request in requests:
        if request.is_branch and request.queue is None:
            request.queue = _BRANCHES
            request.slots = number(action, task_vars, 'background_jobs_branches', forks())
            if not request.slots:
                raise AnsibleActionFail(
                    "The variable 'background_jobs_branches' must be 1 or more: no branch could run."
                )


def _on_ends(options: dict[str, t.Any]) -> list[tuple[t.Any, Path]]:
    """What is to run when each job has ended, or None, and where it stands."""
    common: tuple[t.Any, Path] = options['on_end'], ('on_end',)
    if options['tasks'] is None:
        return [common]
    return [
        (task['on_end'], ('tasks', index, 'on_end')) if 'on_end' in task else common
        for index, task in enumerate(options['tasks'])
    ]


def _on_end(action: ActionBase, task: t.Any, path: Path, first: JobRequest, task_vars: dict[str, t.Any]) -> JobRequest:
    """The job that starts when that of *first* has ended, however. *path*: where it stands."""
    limit = None
    if isinstance(task, c.Mapping) and task.get('async') is not None:
        limit = _limit(task['async'], f'async of {written(path)}')
    module = {key: value for key, value in task.items() if key != 'async'} if isinstance(task, c.Mapping) else task
    payload: Payload | BranchPayload
    if first.is_branch:
        payload = end_payload(action, module, path, task_vars)
    else:
        payload = payload_of(action, module, path, task_vars)
        if isinstance(payload, BranchPayload):
            raise AnsibleActionFail(
                f"'{written(path)}' must be a module that runs on the target, found {payload.module}."
            )
    about = _about(action, payload, task_vars)
    about['task'] = f'{about["task"]}: on_end' if about['task'] else 'on_end'
    return JobRequest(
        payload=payload,
        about=about,
        item=None,
        limit=limit,
        resources=resources({}, 'resources'),
        after_any=True,
        grace=first.grace,
        no_log=first.no_log,
        output_limit=first.output_limit,
    )


def _limit(value: t.Any, what: str) -> int | None:
    """The limit that *value*, a duration, stands for, in seconds; None: without a limit, written as 0."""
    return math.ceil(seconds(value, what)) or None


def _about(action: ActionBase, payload: Payload | BranchPayload, task_vars: dict[str, t.Any]) -> dict[str, str | None]:
    """What people want to know of a job (protocol.ABOUT). `no_log` hides what it does, not what its task is called."""
    task = task_of(action)
    return {
        'task': one_line(task.name) if task.name else None,
        'summary': None if task.no_log else payload.summary,
        'host': str(task_vars['inventory_hostname']) if 'inventory_hostname' in task_vars else None,
        'started_by': _started_by(),
    }


@functools.cache
def _started_by() -> str:
    """user@controller."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a user without a name
        user = str(os.getuid())
    return f'{user}@{socket.gethostname()}'


def _check_dependencies(requests: list[JobRequest]) -> None:
    """Refuse jobs of the task that wait for one of the other place: neither place knows the jobs of the other."""
    for request in requests:
        for other in (requests[index] for index in request.after if isinstance(index, int)):
            if request.is_branch != other.is_branch:
                raise AnsibleActionFail(
                    f'{request.item} ({request.payload.module}) runs on the {request.place} and cannot wait for {other.item} '
                    f'({other.payload.module}), which runs on the {other.place}. Put tasks that follow one another into one '
                    'block.'
                )


def _check_names(requests: list[JobRequest]) -> None:
    names = [request.name for request in requests if request.name is not None]
    try:
        for name in names:
            check_new_name(name)
    except StoreError as error:
        raise AnsibleActionFail(str(error)) from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AnsibleActionFail(f"A name can be given to one job only: {', '.join(twice)}.")


def _slots(value: t.Any, what: str) -> int:
    count = whole(value)
    if count is None or count < 1:
        raise WrongValue(f"'{what}' must be a whole number of 1 or more", f"'{value}'")
    return count


def _text(value: t.Any, what: str) -> str:
    """*value* as a text: a template like ``"{{ build_number }}"`` makes a number from ansible-core 2.19 on."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise WrongValue(f"'{what}' must be a text", repr(value))
    return str(value)
