# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the user wrote as `block`, or as the action of a `task` -> a branch, checked before anything starts.

Private to this collection.
"""

from __future__ import annotations

import collections.abc as c
import threading
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.background.jobs.plugins.plugin_utils._branch.branch import Branch
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import connection_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_play import BranchPlay
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_process import missing_internals
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.connection import is_of_mitogen
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.raw_arguments import BLOCK
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.worker import current_worker
from ansible_collections.background.jobs.plugins.plugin_utils._payload.summary import one_line, summary_of

_CANNOT = 'Blocks and actions that work on the controller cannot run in the background %s'
_INTERNALS = _CANNOT % 'with this ansible-core, whose internals are not as expected'
_TEMPLATES_BEGIN = ('{{', '{%', '{#')


def load_branch(action: ActionBase, task_vars: dict[str, t.Any], raw: c.Mapping[str, t.Any]) -> Branch:
    """A branch of the tasks in *raw*: block, rescue and always, with their templates, as the playbook has them.

    Raises AnsibleActionFail for mistakes in it, such as a module that does not exist, and where no branch can run.
    """
    parts = {key: raw[key] for key in BLOCK if raw.get(key) is not None}
    for key, tasks in parts.items():
        if not isinstance(tasks, list):
            raise AnsibleActionFail(f"'{key}' must be a list of tasks, written here: it cannot come from a variable.")
        for index, task in enumerate(tasks):
            if not isinstance(task, c.Mapping):
                raise WrongValue(f"'{key}[{index}]' must be a task", repr(task))
    if not parts.get('block'):
        raise AnsibleActionFail("'block' has no tasks: there is nothing to run.")
    play = _load(action, task_vars, parts)
    return Branch(play, light=False, summary=_names(parts['block']))


def load_action(
    action: ActionBase,
    task_vars: dict[str, t.Any],
    name: str,
    args: dict[str, t.Any],
    passed_on: c.Iterable[str] = (),
) -> Branch:
    """A branch of one action *name* with *args*, whose templates have been filled in.

    Its result is that of the action. Of an include or import, which brings tasks of its own, it is as for a block.
    *passed_on*: variables of the environment of its process that its tasks get as well, wherever they run. Raises
    AnsibleActionFail as load_branch() does.
    """
    play = _load(action, task_vars, {'block': [{name: _as_text(args)}]})
    summary = summary_of(args)
    return Branch(play, light=not play.needs_a_play(), summary=summary or name, passed_on=tuple(passed_on))


def _load(action: ActionBase, task_vars: dict[str, t.Any], raw: dict[str, t.Any]) -> BranchPlay:
    worker = current_worker()
    if worker is None or is_of_mitogen(connection_of(action)):
        raise AnsibleActionFail(
            _CANNOT % "under this strategy: they take worker processes as ansible-core's own strategies make them."
        )
    if threading.active_count() != 1:
        raise AnsibleActionFail(
            _CANNOT % 'from a process with threads: some plugin that this task uses has started one.'
        )
    missing = missing_internals(worker)
    if missing:
        raise AnsibleActionFail(f'{_INTERNALS}: it has no {", ".join(missing)}.')
    try:
        return BranchPlay(worker, task_vars, raw)
    except AnsibleError as error:
        why, where = f'The tasks cannot be loaded: {error.message}', error.obj
    except (AttributeError, TypeError) as error:
        why, where = f'{_INTERNALS}: {error}', None
    # Not made above: before 2.19, ansible-core shows people the traceback of an exception that is being handled.
    raise AnsibleActionFail(why, obj=where)


def _as_text(value: t.Any) -> t.Any:
    """*value*, in which nothing is a template any more.

    Texts that look like none stay as they are: ansible-core refuses an unsafe condition of `assert`, or `var` of `debug`.
    """
    if isinstance(value, c.Mapping):
        return {_as_text(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_text(item) for item in value]
    if isinstance(value, str) and any(begin in value for begin in _TEMPLATES_BEGIN):
        return wrap_var(value)
    return value


def _names(tasks: list[t.Any]) -> str:
    """What a block does, for a person: the names of its tasks, or else of their actions."""
    names = [str(task.get('name') or next(iter(task), '')) for task in tasks if isinstance(task, c.Mapping)]
    return one_line(', '.join(names))
