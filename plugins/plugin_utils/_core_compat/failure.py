# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-core adds to the failure of an action. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError

_NO_TRACEBACK = 'NoneType: None'
"""What Python prints as the traceback where no exception is handled."""

Run = t.TypeVar('Run', bound=c.Callable[..., dict[str, t.Any]])


def without_empty_traceback(run: Run) -> Run:
    """Decorate the `run` of an action, so that its failures bring no empty traceback.

    AnsibleActionFail of ansible-core 2.16 to 2.18 puts the traceback of the exception that is just handled into its
    `result`. If there is none, people see "An exception occurred ... NoneType: None" before the message.
    """

    @functools.wraps(run)
    def decorated(*args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
        try:
            return run(*args, **kwargs)
        except AnsibleActionFail as error:
            result = getattr(error, 'result', {})  # empty from 2.19 on
            if str(result.get('exception')).strip() == _NO_TRACEBACK:
                del result['exception']
            raise

    return t.cast(Run, decorated)


def explained(error: AnsibleError) -> str:
    """What *error* says, and where in which file it is, if that is known.

    From 2.19 on, ansible-core keeps the latter apart, in the private ``AnsibleError._formatted_source_context``.
    """
    where = getattr(error, '_formatted_source_context', None)
    return f'{error.message}\n{where}' if where else str(error.message)
