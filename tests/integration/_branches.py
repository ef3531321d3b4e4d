# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks of plays with branches, and what they have registered."""

from __future__ import annotations

import typing as t

from ansible_collections.background.jobs.tests.integration._controller import Run
from ansible_collections.background.jobs.tests.integration._playing import RUN
from ansible_collections.background.jobs.tests.integration._targets import Target

COMMAND, DEBUG, SET, WAIT, CANCEL, INFO = (
    'ansible.builtin.command',
    'ansible.builtin.debug',
    'ansible.builtin.set_fact',
    'background.jobs.async_wait',
    'background.jobs.async_cancel',
    'background.jobs.async_info',
)


def branch(*block: dict[str, t.Any], poll: int = 1, **more: t.Any) -> dict[str, t.Any]:
    """A task that runs *block* in the background. *more*: options of async_run, and keywords of the task."""
    options = {key: more.pop(key) for key in ('name', 'rescue', 'always') if key in more}
    return {RUN: {'block': list(block), **options}, 'async': 300, 'poll': poll, **more}


def echo(words: str, register: str, **more: t.Any) -> dict[str, t.Any]:
    return {COMMAND: f'echo {words}', 'register': register, **more}


def seen(**expressions: str) -> dict[str, t.Any]:
    """A task that registers the values of *expressions* as `seen`."""
    return {DEBUG: {'msg': {name: f'{{{{ {value} }}}}' for name, value in expressions.items()}}, 'register': 'seen'}


def values(run: Run, host: Target) -> dict[str, t.Any]:
    assert run.rc == 0, run.output
    return t.cast('dict[str, t.Any]', run.registered[host.name]['seen']['msg'])
