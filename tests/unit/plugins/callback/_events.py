# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events as ansible-core sends them to callbacks, with jobs in them."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

CREATED = '2026-11-22T08:00:00.000000Z'
STARTED = '2026-11-22T08:00:05.000000Z'


def job(job_id: str = 'j1.1', state: str = 'running', **more: t.Any) -> dict[str, t.Any]:
    """A `job` of a result, as documented: made at 08:00:00, executed at 08:00:05."""
    started = None if state == 'queued' else STARTED
    known = {'name': None, 'module': 'ansible.builtin.command', 'limit': None, 'queue': None, 'created': CREATED}
    return {'id': job_id, 'state': state, **known, 'started': started, 'ended': None, 'elapsed': None, **more}


def of_one(told: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    """The content of a result that is about one job."""
    return {'ansible_job_id': told['id'], 'started': True, 'finished': bool(told['ended']), 'job': told, **more}


def of_many(*told: dict[str, t.Any]) -> dict[str, t.Any]:
    ids = ', '.join(one['id'] for one in told)
    return {'ansible_job_id': ids, 'started': True, 'finished': False, 'jobs': [of_one(one) for one in told]}


def event(
    content: dict[str, t.Any], *, host: str = 'web1', task: str | None = 'Back up', uuid: str = 'u1', poll: int = 15
) -> t.Any:
    """A task result with *content*, under the names of every ansible-core."""
    of_host = SimpleNamespace(get_name=lambda: host)
    of_task = SimpleNamespace(name=task, _uuid=uuid, delegate_to=None, poll=poll)
    public = {'host': of_host, 'task': of_task, 'result': content}
    private = {f'_{name}': value for name, value in public.items()}
    return SimpleNamespace(**public, **private, task_name=task or 'background.jobs.async_run')


CENSORED = {'censored': "the output has been hidden due to the fact that 'no_log: true' was specified for this result"}
