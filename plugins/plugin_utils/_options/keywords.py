# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The `async:` and `poll:` keywords of a task that does its own waiting. Private to this collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleActionFail

_TAKEN = '_background_jobs_keywords'


@dataclasses.dataclass(frozen=True)
class Keywords:
    """*limit*: seconds the job may run, None without a limit. *poll*: seconds between looks, 0 to not wait."""

    limit: int | None
    poll: int


def take(task: t.Any) -> Keywords:
    """The keywords of *task*, which the executor does not see any more: it would poll a second time.

    `until` brings the same task object back for each attempt, so they are kept with it.
    """
    taken: Keywords | None = getattr(task, _TAKEN, None)
    if taken is None:
        if task.async_val < 0 or task.poll < 0:
            raise AnsibleActionFail(
                f"'async' and 'poll' must not be negative, found async: {task.async_val}, poll: {task.poll}."
            )
        taken = Keywords(task.async_val or None, task.poll)
        setattr(task, _TAKEN, taken)
        task.async_val = 0
    return taken
