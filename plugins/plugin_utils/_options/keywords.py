# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The `async:` and `poll:` keywords of a task that does its own waiting. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

_TAKEN = '_background_jobs_keywords'
_SHORT_SECONDS = 5

display = Display()


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


def warn_of_short_limits(limits: c.Iterable[int | None]) -> None:
    """Warn about *limits* of jobs that no task waits for, if they are so short that somebody may have counted on more.

    ansible-core before 2.18 runs a module some ten seconds at least, whatever its limit is.
    """
    for limit in sorted({limit for limit in limits if limit is not None and limit < _SHORT_SECONDS}):
        display.warning(
            f'A limit of {limit} s with poll: 0 stops the job after {limit} s. ansible-core before 2.18 would let it run for some '
            '10 s. If the job needs longer, to reboot for example, set its limit to what it needs.'
        )
