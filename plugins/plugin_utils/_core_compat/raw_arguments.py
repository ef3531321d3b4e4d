# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arguments of an action that ansible-core hands over as they were written, with templates in them.

- ``ActionBase.finalize_task_arg``, from 2.19 on, is experimental.
- ``Task._post_validate_args``, before 2.19, fills in the templates of all arguments. It is wrapped.

Private to this collection.
"""

from __future__ import annotations

import functools
import typing as t

from ansible.playbook.task import Task
from ansible.plugins.action import ActionBase

BLOCK = ('block', 'rescue', 'always')
"""The arguments of async_run that hold tasks, whose templates are filled in when these run."""
_NAMES = ('background.jobs.async_run', 'ansible.legacy.async_run', 'async_run')
"""How a task may call async_run: the second and third where ansible.cfg sets `action_plugins`, or by `collections`."""
_HAS_FINALIZE = hasattr(ActionBase, 'finalize_task_arg')


class WithRawArguments(ActionBase):
    """An action whose arguments BLOCK stay as they were written. Before 2.19 it takes keep_raw_arguments() as well."""

    @classmethod
    def finalize_task_arg(cls, name: str, value: t.Any, templar: t.Any, context: t.Any) -> t.Any:
        if name in BLOCK:
            return value
        return super().finalize_task_arg(name, value, templar, context)  # type: ignore[misc,unused-ignore]


def keep_raw_arguments() -> None:
    """From now on, leave the templates in the arguments BLOCK of async_run alone.

    Call it in ansible's main process, which forks the workers that fill in templates. From 2.19 on it does nothing.
    """
    original: t.Any = getattr(Task, '_post_validate_args', None)
    if _HAS_FINALIZE or original is None or hasattr(original, 'keeps_raw_arguments'):
        return

    @functools.wraps(original)
    def keeping(self: t.Any, attr: str, value: t.Any, templar: t.Any) -> t.Any:
        raw = {}
        if isinstance(value, dict) and (getattr(self, 'resolved_action', None) or self.action) in _NAMES:
            raw = {name: value[name] for name in BLOCK if name in value}
        if not raw:
            return original(self, attr, value, templar)
        rest = {name: item for name, item in value.items() if name not in raw}
        return {**original(self, attr, rest, templar), **raw}

    t.cast('t.Any', keeping).keeps_raw_arguments = True
    Task._post_validate_args = keeping
