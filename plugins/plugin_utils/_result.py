# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at jobs -> the results that tasks return. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._payload import Payload


def started(look: dict[str, t.Any], payload: Payload) -> dict[str, t.Any]:
    """The result of a task that does not wait."""
    result = {
        'ansible_job_id': look['id'], 'started': True, 'finished': False, 'changed': True,
        'results_file': look['results_file'], 'job': look['job'],
    }
    if payload.facts:
        result['ansible_facts'] = payload.facts
    return result


def ended(look: dict[str, t.Any], payload: Payload) -> dict[str, t.Any]:
    """The result of a job that has ended: its module's own, or what happened to it instead."""
    job = look['job']
    if job is None:
        return {
            'failed': True, 'ansible_job_id': look['id'], 'started': True, 'finished': True,
            'msg': f"Job {look['id']} is gone: its files in {look['looked_in']} were removed while this task waited for it.",
        }
    output = look['output']
    if job['state'] in ('succeeded', 'failed') and output['rc'] is not None:
        result = payload.result(output)
        if job['state'] == 'failed':
            result['failed'] = True
    else:
        result = {'failed': True, 'msg': job['reason'], 'changed': False}
        result.update({f'module_{name}': output[name] for name in ('stdout', 'stderr') if output[name]})
    result.update(ansible_job_id=look['id'], started=True, finished=True, job=job)
    return result
