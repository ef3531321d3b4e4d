# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at jobs -> the results that tasks return. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import task_of

Read = c.Callable[[dict[str, t.Any]], dict[str, t.Any]]
"""What a module printed (``{"rc": int, "stdout": str, "stderr": str}``) -> the module's result."""


def of(look: Look, read: Read) -> dict[str, t.Any]:
    """The result of one job of a task that started it, or attached to it."""
    if look.error:
        return {
            'failed': True,
            'changed': False,
            'ansible_job_id': look.id,
            'started': False,
            'finished': True,
            'msg': f"Job {look.id} was not started: {look.error}",
        }
    if not look.ended and look.job:
        return live(look, changed=not look.attached)
    result = ended(look, read)
    if look.attached:
        result['changed'] = False
    return result


def live(look: Look, *, changed: bool) -> dict[str, t.Any]:
    """The result of a job that has not ended."""
    return {
        'ansible_job_id': look.id,
        'started': True,
        'finished': False,
        'changed': changed,
        'results_file': look.results_file,
        'job': look.job,
        **hidden(look),
    }


def hidden(look: Look) -> dict[str, t.Any]:
    """What a result needs beside the rest if its job was started with `no_log`, whoever looks at it now."""
    return {'_ansible_no_log': True} if look.no_log else {}


def hide_loop(action: ActionBase, result: dict[str, t.Any]) -> None:
    """Hide the results of a loop as a whole, too, where *result* is one of them: ansible-core 2.16 asks the task of that."""
    if result.get('_ansible_no_log'):
        task_of(action).no_log = True


def ended(look: Look, read: Read) -> dict[str, t.Any]:
    """The result of a job that has ended: its module's own, or what happened to it instead."""
    job, output = look.job, look.output
    if job is None:
        return {
            'failed': True,
            'changed': False,
            'ansible_job_id': look.id,
            'started': True,
            'finished': True,
            'msg': f"Job {look.id} is gone: somebody removed its files from {look.looked_in} while this task waited.",
        }
    if job['state'] in ('succeeded', 'failed') and output['rc'] is not None:
        result = read(output)
        if job['state'] == 'failed':
            result['failed'] = True
        if 'signal' in job:
            result['msg'] = job['reason']
        job = as_read(job, result)
    else:
        result = {'failed': True, 'msg': job['reason'], 'changed': False}
        result.update({f'module_{name}': output[name] for name in ('stdout', 'stderr') if output[name]})
    result.update(ansible_job_id=look.id, started=True, finished=True, job=job, **hidden(look))
    return result


def as_read(job: dict[str, t.Any], result: dict[str, t.Any]) -> dict[str, t.Any]:
    """*job*, failed if the target took its module for a success, but ansible-core has refused to read the *result*."""
    if job['state'] != 'succeeded' or not result.get('failed'):
        return job
    return {**job, 'state': 'failed', 'reason': f"ansible-core cannot read the module's result: {result.get('msg')}"}


def many(results: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """The result of a task of many jobs, which fails where one of them did, and is hidden where one of them is."""
    failed = [result for result in results if result.get('failed')]
    together: dict[str, t.Any] = {'jobs': results, 'changed': any(result.get('changed') for result in results)}
    if failed:
        together['failed'] = True
        together['msg'] = f'{len(failed)} of {len(results)} jobs failed: ' + '; '.join(map(_failure, failed))
    if any(result.get('_ansible_no_log') for result in results):
        together['_ansible_no_log'] = True
    return together


def in_time(together: dict[str, t.Any], timeout: float | None) -> dict[str, t.Any]:
    """*together* of many(), failed if a job has not ended after *timeout* seconds."""
    late = [result for result in together['jobs'] if not result['finished']]
    if late:
        names = ', '.join(result['job']['name'] or result['ansible_job_id'] for result in late)
        told = [f'{len(late)} of {len(together["jobs"])} jobs had not ended after {timeout:g} s and go on: {names}']
        together.update(failed=True, msg='. '.join([*told, together['msg']] if 'msg' in together else told))
    return together


def _failure(result: dict[str, t.Any]) -> str:
    job = result.get('job') or {}
    return f"{job.get('name') or result['ansible_job_id']} ({job.get('state', 'gone')}: {result.get('msg') or 'no message'})"


def with_facts(result: dict[str, t.Any], facts: dict[str, t.Any]) -> dict[str, t.Any]:
    """*result*, and the *facts* that its task has found by the way, if any."""
    return {**result, 'ansible_facts': {**result.get('ansible_facts', {}), **facts}} if facts else result


def check_known(looks: list[Look]) -> None:
    """Raise AnsibleActionFail that tells of all unknown jobs, where they were looked for and as whom."""
    unknown = [_written(look) for look in looks if not look.known]
    if unknown:
        raise AnsibleActionFail(
            f"could not find the jobs {', '.join(unknown)}: user {looks[0].user} has none of them in {looks[0].looked_in}. "
            'Look them up as the user they run as (become, become_user) and with the async directory they were started '
            'with (ansible_async_dir, or ANSIBLE_ASYNC_DIR in environment).'
        )
    foreign = [_written(look) for look in looks if not look.job]
    if foreign:
        raise AnsibleActionFail(
            f"the jobs {', '.join(foreign)} were started by ansible-core or mitogen, which cannot tell whether they live: "
            'look at them with async_status.'
        )


def _written(look: Look) -> str:
    return str(look.id['name'] if isinstance(look.id, dict) else look.id)
