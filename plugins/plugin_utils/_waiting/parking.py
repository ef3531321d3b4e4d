# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parks the host of a worker: the worker leaves a ticket, and exits; a fresh one goes on when the jobs have ended.

The worker itself must be able to tell all that the fresh one needs; whatever is not as expected, the host is not parked, and
a child waits for its jobs instead (workers.py). Private to this collection.
"""

from __future__ import annotations

import json
import os
import pickle
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat import parked_task
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import (
    remove_local_files,
    task_of,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import strategy_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.warnings import (
    defer_warnings,
    deferred_warnings,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.worker import current_worker, task_of_worker
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import REQUEST, Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import ReportForm
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import label_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import tickets
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parked_hosts import (
    ParkedHosts,
    ParkedTask,
    Resumption,
    new_path,
    parked_hosts,
)

_STRATEGIES = ('linear', 'ansible.builtin.linear', 'free', 'ansible.builtin.free')

display = Display()


class Waiting(t.Protocol):
    """What an action needs to know to go on with its task: start.Started or wait.Waited. It can be pickled."""

    @property
    def poll(self) -> int:
        """Seconds between two reports."""

    @property
    def answered(self) -> float:
        """When the host last answered (time.monotonic())."""

    @property
    def follow(self) -> bool:
        """Whether live output is shown."""

    @property
    def on_interrupt(self) -> str:
        """What becomes of the jobs when the play is interrupted."""


class Parking(t.NamedTuple):
    """How a host may be parked."""

    remote: Remote | None
    """The target, if all of the jobs are there."""
    form: ReportForm
    until: float | None
    """When the task does not want to wait any longer (time.monotonic()); None: never."""
    of_action: Waiting


def park(action: ActionBase, looks: list[Look], parking: Parking, play_hosts: int) -> None:
    """Park the host until the jobs of *looks* have ended, and exit. Returns where a child must wait instead.

    *play_hosts*: how many hosts the play has.
    """
    try:
        why_not = _why_not(parking) or _park(action, looks, parking, play_hosts)
    except Exception as error:  # pickle calls code of what the task has in it, which may raise anything
        why_not = str(error)
    if why_not is None:
        os._exit(0)
    display.vvv(f'{parking.form.host}: this host is not parked: {why_not}')


def _park(action: ActionBase, looks: list[Look], parking: Parking, play_hosts: int) -> str | None:
    """Do all that this worker has to do before it exits. Returns None, or why the host cannot be parked."""
    main, remote, host = t.cast('ParkedHosts', parked_hosts()), t.cast('Remote', parking.remote), parking.form.host
    line = remote.command_line()
    if line is None:
        return 'not with this connection'
    jobs = {look.id: label_of(look) for look in looks if look.job and not look.ended}
    worker = current_worker()
    ticket = tickets.Ticket(
        argv=line.argv,
        control=line.control,
        placeholder=REQUEST,
        request=remote.request('wait', ids=[look.id for look in looks], offsets=None, output=False, results=False),
        hosts=play_hosts,
        poll=parking.of_action.poll,
        until=parking.until,
        answered=parking.of_action.answered,
    )
    parked = ParkedTask(
        keywords=parked_task.validated_keywords(task_of_worker(t.cast('t.Any', worker))),
        warnings=deferred_warnings(),
        form=parking.form,
        host=host,
        jobs=jobs,
        of_action=parking.of_action,
    )
    display.vvv(f'{host}: this host is parked until {", ".join(jobs.values())} ended')
    action.cleanup()
    remove_local_files(action)
    _leave_ticket(main, parked_task.key_of(worker), ticket, parked)
    return None


def _leave_ticket(main: ParkedHosts, key: parked_task.Key, ticket: tickets.Ticket, parked: ParkedTask) -> None:
    """Raises OSError, or whatever pickle raises. It removes the files first."""
    path = new_path()
    try:
        tickets.write_private(tickets.task_path(path), pickle.dumps(parked))
        tickets.write_private(path, json.dumps(ticket).encode())
        main.send(key, path)
    except BaseException:
        tickets.remove(path)
        raise


def _why_not(parking: Parking) -> str | None:
    """Why the host cannot be parked, or why a fresh worker could not run this task again. None: it can be parked."""
    if parking.remote is None:
        return 'not all of its jobs are on the target'
    if parking.of_action.follow:
        return 'its output is followed'
    if parking.of_action.on_interrupt == settings.CANCEL:
        return 'an interrupt is to cancel its jobs'
    worker = current_worker()
    main = parked_hosts()
    if worker is None or main is None or main.has_given_up():
        return 'its main process takes no tickets'
    task = task_of_worker(worker)
    for keyword in ('loop', 'loop_with', 'until', 'retries', 'timeout', 'throttle'):
        if getattr(task, keyword, None):
            return f'its task has {keyword}'
    return None if strategy_of(task) in _STRATEGIES else f'the strategy is {strategy_of(task)}'


class Resumed(t.NamedTuple):
    """What a fresh worker knows that goes on with the task of a parked host."""

    of_action: t.Any
    """What the action has left for it (Parking.of_action)."""
    looks: list[Look] | None
    """Looks at all jobs after their ends, or None if the host must be asked."""
    answered: float
    """When the host last answered (time.monotonic())."""


def resumed(action: ActionBase) -> Resumed | None:
    """In a fresh worker that goes on with the task of a parked host: what it needs; None in any other.

    Raises AnsibleActionFail if the files of the ticket are gone.
    """
    main = parked_hosts()
    resumption = None if main is None else main.resumption
    if main is None or resumption is None:
        return None
    main.resumption = None
    try:
        looks = _read_looks(resumption)
    finally:
        tickets.remove(resumption.path)
    if resumption.task is None:
        raise AnsibleActionFail(
            f'The files by which this host waited for its jobs are gone from {os.path.dirname(resumption.path)}. '
            'The jobs go on: look for them with async_info.'
        )
    defer_warnings(resumption.task.warnings)
    how = 'have ended' if looks is not None else 'are to be asked for'
    display.vvv(f'{task_of(action).get_name()}: goes on, because {", ".join(resumption.task.jobs.values())} {how}')
    return Resumed(resumption.task.of_action, looks, resumption.answered)


def _read_looks(resumption: Resumption) -> list[Look] | None:
    if not resumption.ended:
        return None
    try:
        with open(tickets.looks_path(resumption.path), encoding='utf-8') as file:
            return [Look(**look) for look in json.load(file)]
    except (OSError, ValueError):
        return None
