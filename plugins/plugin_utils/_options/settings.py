# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that set how the collection works, whatever the task. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible import constants as C
from ansible import context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import template
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue
from ansible_collections.background.jobs.plugins.plugin_utils._options.durations import seconds
from ansible_collections.background.jobs.plugins.plugin_utils._options.numbers import whole

CANCEL, LEAVE = 'cancel', 'leave'
"""What becomes of the jobs that a play waits for when it is interrupted."""
_REQUEST_TIMEOUT = '60s'


def flag(action: ActionBase, task_vars: dict[str, t.Any], name: str, default: bool) -> bool:
    """The variable *name* as a boolean."""
    value = _value(action, task_vars, name, default)
    try:
        return bool(boolean(value))
    except TypeError:
        raise WrongValue(f"The variable '{name}' must be true or false", repr(value)) from None


def follow(action: ActionBase, task_vars: dict[str, t.Any], option: bool | None) -> bool:
    """Whether live output is shown: the task's own *option*, or the variable."""
    return flag(action, task_vars, 'background_jobs_follow', False) if option is None else option


def on_interrupt(action: ActionBase, task_vars: dict[str, t.Any]) -> str:
    """CANCEL or LEAVE: what becomes of the jobs that the task waits for when the play is interrupted."""
    value = _value(action, task_vars, 'background_jobs_on_interrupt', LEAVE)
    if value not in (CANCEL, LEAVE):
        raise WrongValue(f"The variable 'background_jobs_on_interrupt' must be {CANCEL} or {LEAVE}", repr(value))
    return str(value)


def number(action: ActionBase, task_vars: dict[str, t.Any], name: str, default: int) -> int:
    """The variable *name* as a whole number of 0 or more."""
    value = _value(action, task_vars, name, default)
    count = whole(value)
    if count is None or count < 0:
        raise WrongValue(f"The variable '{name}' must be a whole number of 0 or more", repr(value))
    return count


def text(action: ActionBase, task_vars: dict[str, t.Any], name: str, default: str) -> str:
    """The variable *name* as a text that is not empty."""
    value = _value(action, task_vars, name, default)
    if not isinstance(value, str) or not value.strip():
        raise WrongValue(f"The variable '{name}' must be a text", repr(value))
    return value


def duration(action: ActionBase, task_vars: dict[str, t.Any], name: str, default: float | str) -> float:
    """The variable *name*, a duration like ``7d``, in seconds."""
    return seconds(_value(action, task_vars, name, default), name)


def request_timeout(action: ActionBase, task_vars: dict[str, t.Any]) -> float:
    """For how many seconds a host may be silent, beyond the time that a request itself takes. 0: without a limit."""
    return duration(action, task_vars, 'background_jobs_request_timeout', _REQUEST_TIMEOUT)


def forks() -> int:
    """How many forks this run of ansible has."""
    return int(context.CLIARGS.get('forks') or C.DEFAULT_FORKS)  # no command line where ansible-core is a library


def _value(action: ActionBase, task_vars: dict[str, t.Any], name: str, default: t.Any) -> t.Any:
    return template(action, task_vars[name]) if name in task_vars else default
