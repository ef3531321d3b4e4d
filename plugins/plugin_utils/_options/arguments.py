# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of a task -> the options of an action, checked. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import difflib
import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._arguments import OPTIONS
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import task_of

_GROUP = 'group/background.jobs.jobs'
_CLASS = re.compile(r"<class '(?:\w+\.)*_?(?:AnsibleTagged|Ansible)?(\w+)'>")
"""How a message of ansible-core writes the type of a value."""
_TYPES = {
    'str': 'text',
    'dict': 'a mapping',
    'list': 'a list',
    'int': 'a number',
    'float': 'a number',
    'bool': 'a boolean',
}


def arguments(action: ActionBase, spec: dict[str, t.Any]) -> dict[str, t.Any]:
    """The options of the task of *action*, as *spec* (of module_utils/_arguments.py) has them.

    Raises AnsibleActionFail for what is wrong. It names unknown options before missing ones, because a wrong spelling causes
    both. `module_defaults` of the group hand each action the options of the others; it ignores those.
    """
    name = name_of(action)
    options = spec['argument_spec']
    known = [*options, *(alias for option in options.values() for alias in option.get('aliases', ()))]
    task = task_of(action)
    unknown = [str(key) for key in task.args if key not in known]
    of_others = [key for key in unknown if key in OPTIONS and _may_be_default(task, key, (_GROUP,))]
    if of_others:
        task.args = {key: value for key, value in task.args.items() if key not in of_others}
        unknown = [key for key in unknown if key not in of_others]
    if unknown:
        raise AnsibleActionFail(' '.join(_unknown(name, key, known) for key in unknown))
    try:
        return t.cast('dict[str, t.Any]', action.validate_argument_spec(**spec)[1])
    except AnsibleActionFail as error:
        raise AnsibleActionFail(_CLASS.sub(_type, error.message)) from None


def name_of(action: ActionBase) -> str:
    """The short name of *action*, as in ``async_run``."""
    return str(task_of(action).action).rpartition('.')[2]


def refuse(action: ActionBase, option: str, why: str) -> None:
    """Raise AnsibleActionFail, because the task sets *option*, which has no effect.

    Do nothing if `module_defaults` may have set it.

    ansible-core merges the two before an action sees them. A task whose defaults have the option, for this action or its
    group, counts as one that does not set it, even if it does.
    """
    name = name_of(action)
    if not _may_be_default(task_of(action), option, (_GROUP, name)):
        raise AnsibleActionFail(f"'{option}' of {name} has no effect: {why}")


def _may_be_default(task: Task, option: str, names: c.Collection[str]) -> bool:
    """Whether `module_defaults` may have set *option* of *task*. *names*: of the group, and of actions without their collection."""
    return any(
        not isinstance(options, c.Mapping) or option in options  # or a template, with who knows what
        for defaults in task.module_defaults or []
        for key, options in defaults.items()
        if key in names or key.rpartition('.')[2] in names
    )


def refuse_follow(action: ActionBase, options: dict[str, t.Any]) -> None:
    """Raise AnsibleActionFail if the task of an action that does not wait sets `follow`."""
    if options['follow'] is not None:
        refuse(action, 'follow', 'only async_run and async_wait wait for jobs, and can show what they print meanwhile.')


def _unknown(name: str, key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        hint = f"did you mean '{close[0]}'?"
    elif key in Task.fattributes:
        hint = 'it is a keyword of the task, and stands in the same column as the name of the module.'
    else:
        hint = f'its options are {", ".join(sorted(known))}.'
    return f"{name} has no option '{key}': {hint}"


def _type(match: re.Match[str]) -> str:
    return _TYPES.get(match[1].lower(), match[1].lower())
