# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""async_status where it takes the place of ansible-core's own: what differs from background.jobs.async_status.

Private to this collection.
"""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.core import status
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import (
    connection_of,
    other_action,
    task_of,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.connection import is_windows
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import belongs_to_a_play
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._show import events
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import Reporter
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.interrupt import wait_interruptibly
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.rounds import SILENCE_SECONDS
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN_SECONDS
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.workers import Worker

display = Display()

_BY_NAME = 'background.jobs.'
_GIVES_UP_FIRST = status.is_before(__version__, (2, 18))
"""Whether ansible-core stops polling at the limit, some seconds before its async_wrapper stops the module."""


def is_used(action: ActionBase) -> bool:
    """Whether *action* was called as ansible-core's async_status, not as background.jobs.async_status."""
    return not action.ansible_name.startswith(_BY_NAME)


def as_core(look: Look, result: dict[str, t.Any]) -> dict[str, t.Any]:
    """*result*, made of *look*, with the messages and types that this ansible-core gives."""
    return t.cast('dict[str, t.Any]', status.as_core(__version__, look, result))


def is_of_windows(action: ActionBase) -> bool:
    """Whether ansible-core's own code runs the jobs of this target, because drop-in does not know Windows."""
    return is_windows(connection_of(action))


def of_core(action: ActionBase, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of ansible-core's own async_status for the task of *action*."""
    return other_action(action, 'ansible.builtin.async_status').run(task_vars=task_vars)


class Polling:
    """The loop of ansible-core that polls a job: it sleeps `poll` seconds, asks async_status, and so on.

    ansible-core makes the action just before its first sleep, so the time until the action runs is `poll`. The first
    run of the action does not return before the job has ended, and sends the events of the polls meanwhile.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()

    def wait(self, action: ActionBase, remote: Place, look: Look, task_vars: dict[str, t.Any]) -> Look:
        """A look at the job of *look* after its end, with the content of its result file.

        If the host stays out of reach until the limit is over, it is *look* with an error.
        """
        poll = max(1, round(time.monotonic() - self._began))
        if _GIVES_UP_FIRST and look.job['limit'] and poll >= look.job['limit']:
            return look  # ansible-core takes no other
        margin = settings.duration(action, task_vars, 'background_jobs_margin', MARGIN_SECONDS)
        follow = settings.follow(action, task_vars, None)
        on_interrupt = settings.on_interrupt(action, task_vars)
        worker = Worker(action, task_vars)
        labels = {look.id: look.job['module']}
        reporter = Reporter(action, task_vars, labels, poll=poll, follow=follow, together=False, drop_in=True)
        events.send(action, 'poll', status.status(look))
        turns = worker.give_back([look])
        try:
            return wait_interruptibly(
                remote,
                [look],
                reporter,
                on_interrupt=on_interrupt,
                margin=margin,
                turns=turns,
                results=True,
            )[0]
        except AnsibleConnectionFailure as error:
            return look._replace(error=error.message)

    def remove(self, remote: Place, job_id: str) -> Look:
        """Remove the files of the job that has been polled, as far as the host is in reach.

        ansible-core has the result already, so a host that went away with the end of its job fails no task.
        """
        try:
            return remote.ask('remove', within=SILENCE_SECONDS, ids=[job_id])[0]
        except (AnsibleActionFail, AnsibleConnectionFailure) as error:
            display.warning(f'{remote.host}: the files of job {job_id} could not be removed: {error.message}')
            return status.failed_look(job_id, error.message)

    def result(self, look: Look, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """*result*, made of *look*, as this ansible-core sees it when it polls.

        A look that has failed, but not finished, ends the loop with ansible-core's own message.
        """
        gives_up = _GIVES_UP_FIRST and look.job and look.job['state'] == 'timed_out'
        return {**result, 'finished': 0} if gives_up else result


def polling(action: ActionBase) -> Polling | None:
    """The loop of ansible-core that has made *action*, or None. The task that it makes for a poll is in no play."""
    return None if belongs_to_a_play(task_of(action)) else Polling()
