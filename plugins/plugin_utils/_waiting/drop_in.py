# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""async_status in the place of ansible-core's own: what is not the same as by the name background.jobs.async_status.

Private to this collection.
"""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible_collections.background.jobs.plugins.module_utils._runtime.core import status as _status
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._payload.build import around
from ansible_collections.background.jobs.plugins.plugin_utils._places.remote import Remote
from ansible_collections.background.jobs.plugins.plugin_utils._show import events as _callbacks
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import Reporter
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import lifecycle as _lifecycle
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import workers as _workers

_BY_NAME = 'background.jobs.'


def is_used(action: ActionBase) -> bool:
    """Whether *action* stands in for the one of ansible-core, not called by its own name."""
    return not action.ansible_name.startswith(_BY_NAME)


def as_told_by_core(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """*result* with the types that this ansible-core gives."""
    return t.cast('dict[str, t.Any]', _status.as_told_by(__version__, result))


def is_of_windows(action: ActionBase) -> bool:
    """Whether the jobs of this target are ansible-core's own, which drop-in leaves as they are."""
    return bool(getattr(action._connection._shell, '_IS_WINDOWS', False))


def of_core(action: ActionBase, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
    """What ansible-core's own async_status returns for the task of *action*."""
    own = action._shared_loader_obj.action_loader.get(
        'ansible.builtin.async_status',
        task=action._task,
        **around(action),
    )
    return own.run(task_vars=task_vars)


class Polling:
    """The loop in which ansible-core waits for a job: it sleeps `poll` seconds, looks, and so on.

    It makes its action just before the first sleep, so that the first look tells what `poll` is. That look then does
    not come back before the job has ended, and sends the events of the looks that there would have been meanwhile.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()

    def wait(self, action: ActionBase, remote: Remote, look: Look, task_vars: dict[str, t.Any]) -> Look:
        """A look at the job of *look* after its end, as ``status`` takes it.

        A host that stays out of reach ends the wait after the limit, with an error in the look.
        """
        poll = max(1, round(time.monotonic() - self._began))
        margin = _settings.duration(action, task_vars, 'background_jobs_margin', _lifecycle.MARGIN)
        follow = _settings.follow(action, task_vars, None)
        labels = {look.id: look.job['module']}
        reporter = Reporter(action, task_vars, labels, poll=poll, follow=follow, together=False, drop_in=True)
        _callbacks.send(action, 'poll', _status.status(look))
        place = _workers.give_back(action, task_vars, [look.id])
        try:
            _lifecycle.wait(remote, [look], reporter, margin=margin, place=place)
        except AnsibleConnectionFailure as error:
            return look._replace(error=error.message)
        return remote.ask('status', ids=[look.id])[0]


def polling(action: ActionBase) -> Polling | None:
    """The loop of ansible-core that *action* was made by, if it was: its task belongs to no play."""
    return Polling() if action._task._parent is None else None
