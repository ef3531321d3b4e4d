# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places where jobs of one host live, as one: nobody has to know where a job is.

Ids and names are looked up on the controller first, which costs a look into a directory, and then on the target. Private to
this collection.
"""

from __future__ import annotations

import functools
import time
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import target_name
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._places.controller import Controller
from ansible_collections.background.jobs.plugins.plugin_utils._places.place import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import written

_FOLLOWED_SECONDS = 0.5
"""For how long each place may wait for output that is followed, where there are jobs at both."""
_OF_EACH_JOB = ('ids', 'offsets')
"""The details of a request that are lists with one item for each job."""


class HostPlaces(Place):
    """The jobs of the host of *action*, on this controller and on the target.

    *was_parked*: whether this process goes on with the task of a parked host. Only a host that has answered by command is
    ever parked.
    """

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any], *, was_parked: bool = False) -> None:
        self.host = target_name(action, task_vars)
        self._action = action
        self._task_vars = task_vars
        self._was_parked = was_parked
        self._controller = Controller(action, task_vars)

    @functools.cached_property
    def _target(self) -> Remote:
        """The target. Not made before it is needed, because it may be one that runs no jobs."""
        return Remote(self._action, self._task_vars, has_answered=self._was_parked)

    def ask(self, op: str, within: float | None = None, **details: t.Any) -> list[Look]:
        if op == 'start':
            return self._start(within, **details)
        if 'ids' not in details:
            return self._list(op, within, details)
        are_branches = [self._controller.has(reference) for reference in details['ids']]
        if not any(are_branches):
            return self._target.ask(op, within, **details)
        if all(are_branches):
            return self._controller.ask(op, within, **details)
        if op == 'wait':
            return self._wait(within, are_branches, **details)
        if op == 'cancel' and not details['check']:  # a place stops none of its jobs if it does not know one of them
            looks = self._ask_both(op, within, are_branches, {**details, 'check': True})
            if not all(look.job and not look.error for look in looks):
                return looks
        return self._ask_both(op, within, are_branches, details)

    def reset(self) -> None:
        if '_target' in self.__dict__:
            self._target.reset()

    def target_of(self, ids: list[t.Any]) -> Remote | None:
        """The target, if all of the jobs *ids* live there."""
        return None if any(map(self._controller.has, ids)) else self._target

    def is_remote(self, ids: list[t.Any]) -> bool:
        return not all(map(self._controller.has, ids))

    def _start(self, within: float | None, **details: t.Any) -> list[Look]:
        """The target first: if it cannot be reached, nothing has been started."""
        jobs, functions = details.pop('jobs'), details.pop('functions')
        are_branches = [job['id'] in functions for job in jobs]
        self._check_dependencies(jobs, are_branches)
        target_jobs, branch_jobs = _part(jobs, are_branches, False), _part(jobs, are_branches, True)
        for name in _names(target_jobs):
            self._controller.check_name(name)
        remote = self._target.ask('start', within, jobs=target_jobs, **details) if target_jobs else []
        for name in _names([job for job, look in zip(target_jobs, remote, strict=True) if not look.error]):
            self._controller.forget_name(name)
        local = self._start_branches(branch_jobs, functions, alone=not target_jobs) if branch_jobs else []
        return _merged(are_branches, local, remote)

    def _start_branches(self, jobs: list[t.Any], functions: t.Any, *, alone: bool) -> list[Look]:
        """Start *jobs* on the controller. Not *alone*: others run on the target by now, so a failure is one of each job."""
        try:
            return self._controller.ask('start', jobs=jobs, bases={}, functions=functions)
        except AnsibleActionFail as error:
            if alone:
                raise
            return [self._controller.unknown(job['id'])._replace(error=error.message) for job in jobs]

    def _check_dependencies(self, jobs: list[t.Any], are_branches: list[bool]) -> None:
        """Refuse jobs that are to start after jobs of the other place: neither place knows the jobs of the other.

        *are_branches*: which of *jobs* are to run on the controller. Raises AnsibleActionFail.
        """
        own = {job['id'] for job in jobs}
        for job, is_branch in zip(jobs, are_branches, strict=True):
            for reference in job['after']:
                is_own = isinstance(reference, str) and reference in own  # of the same task, which has been checked
                if is_own or self._controller.has(reference) == is_branch:
                    continue
                other = written(reference)
                if is_branch:
                    raise AnsibleActionFail(
                        f'A branch cannot start after job {other}: {self._controller.host} has no such branch on this '
                        'controller. A branch waits for branches of its host. Wait for a job of the target in the branch '
                        'itself, with the task async_wait, for one. Nothing was started.'
                    )
                raise AnsibleActionFail(
                    f'A job of the target cannot start after job {other} of {self._controller.host}: that is a branch, of '
                    'which the target knows nothing. Put what is to follow a branch into its block. Nothing was started.'
                )

    def _list(self, op: str, within: float | None, details: dict[str, t.Any]) -> list[Look]:
        remote = self._target.ask(op, within, **details)
        if not self._controller.is_used():
            return remote
        looks = [*self._controller.ask(op, **details), *remote]
        known = [look for look in looks if look.job]
        return sorted(known, key=lambda look: look.job['created']) + [look for look in looks if not look.job]

    def _ask_both(
        self, op: str, within: float | None, are_branches: list[bool], details: dict[str, t.Any]
    ) -> list[Look]:
        remote = self._target.ask(op, within, **_parts(details, are_branches, False))
        return _merged(are_branches, self._controller.ask(op, **_parts(details, are_branches, True)), remote)

    def _wait(self, within: float | None, are_branches: list[bool], **details: t.Any) -> list[Look]:
        """One place after the other: the wait is over when the jobs of both have ended."""
        if details.get('offsets'):
            details['seconds'] = min(details['seconds'], _FOLLOWED_SECONDS)
        deadline = time.monotonic() + details['seconds']
        remote = self._target.ask('wait', within, **_parts(details, are_branches, False))
        details['seconds'] = max(0.0, deadline - time.monotonic())
        local = self._controller.ask('wait', **_parts(details, are_branches, True))
        return _merged(are_branches, local, remote)


def _names(jobs: list[t.Any]) -> list[str]:
    return [job['name'] for job in jobs if job['name'] is not None]


def _part(items: list[t.Any], are_branches: list[bool], which: bool) -> list[t.Any]:
    return [item for item, is_branch in zip(items, are_branches, strict=True) if is_branch == which]


def _parts(details: dict[str, t.Any], are_branches: list[bool], which: bool) -> dict[str, t.Any]:
    """*details* of a request for one of the places."""
    lists = {key: _part(details[key], are_branches, which) for key in _OF_EACH_JOB if details.get(key)}
    return {**details, **lists}


def _merged(are_branches: list[bool], local: list[Look], remote: list[Look]) -> list[Look]:
    sources = {True: iter(local), False: iter(remote)}
    return [next(sources[is_branch]) for is_branch in are_branches]
