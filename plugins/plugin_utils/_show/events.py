# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events that ansible-core's own polling sends to callback plugins, sent from here. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.core import status as _status
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import task_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.worker import current_worker, send_event

display = Display()


def as_told(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """*result* of an event, with the types that this ansible-core gives."""
    return t.cast('dict[str, t.Any]', _status.as_told_by(__version__, {**result}))


def send(action: ActionBase, event: t.Literal['poll', 'ok', 'failed'], result: dict[str, t.Any]) -> None:
    """Call ``v2_runner_on_async_<event>`` with *result* of the task of *action*.

    No task fails because of an event: where the internals of ansible-core are not as expected, nothing is sent.
    """
    worker = current_worker()
    if worker is None:
        return
    result = as_told(result)
    try:
        send_event(worker, f'v2_runner_on_async_{event}', task_of(action), result)
    except (AttributeError, TypeError) as error:
        display.vvv(f'Callback plugins are not told of this job: {error}')
