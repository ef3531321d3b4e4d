# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-core adds to the failure of an action. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import hides_result

_NO_TRACEBACK = 'NoneType: None'
"""What Python prints as the traceback where no exception is handled."""

Run = t.TypeVar('Run', bound=c.Callable[..., dict[str, t.Any]])


class WrongValue(AnsibleActionFail):
    """What the user wrote breaks a *rule*. *found*: how the message shows it, unless `no_log` hides it (with_clean_failures())."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(f'{rule}, found {found}.')
        self.rule = rule


def with_clean_failures(run: Run) -> Run:
    """Decorate the `run` of an action, so that its failures bring no empty traceback, and no value that `no_log` hides.

    AnsibleActionFail of ansible-core 2.16 to 2.18 puts the traceback of the exception that is just handled into its
    `result`. If there is none, people see "An exception occurred ... NoneType: None" before the message. ansible-core 2.21
    shows the message of a failed task in spite of `no_log`.
    """

    @functools.wraps(run)
    def decorated(action: ActionBase, *args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
        try:
            return run(action, *args, **kwargs)
        except AnsibleActionFail as error:
            failure = error
        # Not above: a new failure would have the traceback of the old one, and with it the value.
        if isinstance(failure, WrongValue) and hides_result(action):
            failure = AnsibleActionFail(f'{failure.rule}. What was found is hidden by no_log.')
        result = getattr(failure, 'result', {})  # empty from 2.19 on
        if str(result.get('exception')).strip() == _NO_TRACEBACK:
            del result['exception']
        raise failure

    return t.cast(Run, decorated)


def explained(error: AnsibleError) -> str:
    """What *error* says, and where in which file it is, if that is known.

    From 2.19 on, ansible-core keeps the latter apart, in the private ``AnsibleError._formatted_source_context``.
    """
    where = getattr(error, '_formatted_source_context', None)
    return f'{error.message}\n{where}' if where else str(error.message)
