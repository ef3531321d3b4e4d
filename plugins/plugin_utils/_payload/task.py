# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user wrote as `task` -> the module's name and its arguments. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import task_of, template
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.constants import (
    PLAYBOOK_ACTIONS,
    TASK_BRINGERS,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import untemplated_arguments

Path = tuple[str | int, ...]
"""Where something stands in the arguments of a task, as keys and positions."""


def written(path: Path) -> str:
    """*path* as people write it: ``tasks[0].on_end``."""
    return ''.join(f'[{step}]' if isinstance(step, int) else f'.{step}' for step in path).removeprefix('.')


def parse(action: ActionBase, task: t.Any, path: Path) -> tuple[str, dict[str, t.Any]]:
    """(module name, arguments) of *task*, as the same lines would give them in a task of their own.

    *path*: where it stands in the arguments of *action*. Raises AnsibleActionFail for what is no
    such task.
    """
    option = written(path)
    if not isinstance(task, c.Mapping) or len(task) != 1:
        given = ', '.join(map(str, task)) or 'none' if isinstance(task, c.Mapping) else repr(task)
        raise WrongValue(f"'{option}' must be a mapping of one module name to its arguments", given)
    name, arguments = next(iter(task.items()))
    if not isinstance(name, str):
        raise WrongValue(f"'{option}' must begin with the name of a module", repr(name))
    if name in PLAYBOOK_ACTIONS and name not in TASK_BRINGERS:
        raise AnsibleActionFail(f"'{name}' cannot run in the background: it is no module, but part of the playbook.")
    source = _source_text(action, (*path, name)) if isinstance(arguments, str) else None
    try:
        parsed = _parse_one(name, arguments if source is None else source, task_of(action).collections)
    except AnsibleError as error:
        raise AnsibleActionFail(f"'{option}' cannot be run: {error.message}") from None
    if source is None:
        return name, parsed
    if parsed == {'_raw_params': source}:  # ansible-core has filled in its templates already; a lookup may be slow
        return name, {'_raw_params': arguments}
    return name, template(action, parsed)


def _parse_one(name: str, arguments: t.Any, collections: list[str] | None) -> dict[str, t.Any]:
    return t.cast('dict[str, t.Any]', Task.load({name: arguments, 'collections': collections or []}).args)


def _source_text(action: ActionBase, path: tuple[str | int, ...]) -> str | None:
    """The free-form text at *path* as the playbook has it, with its templates, or None if it is not there.

    ansible-core takes ``key=value`` out of free-form text before it fills in templates. Done afterwards, a
    variable that holds ``creates=/x`` would become an option of the command.
    """
    try:
        source: t.Any = _source_arguments(action)
        for step in path:
            source = source[step]
    except (AnsibleError, AttributeError, LookupError, TypeError):
        return None
    return source if isinstance(source, str) else None


@functools.lru_cache(maxsize=1)  # each of a hundred `tasks` asks for the arguments of the same action
def _source_arguments(action: ActionBase) -> t.Any:
    return untemplated_arguments(task_of(action))
