# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users write for jobs -> their ids and names. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible_collections.background.jobs.plugins.module_utils._runtime.files.ids import is_job_id
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue

Reference = str | dict[str, str]
"""A job as requests name it: its id, or ``{"name": text}``."""


def references(value: t.Any, option: str = 'jobs') -> list[Reference]:
    """The jobs in *value*, that of an *option*, in order.

    It is an id, a name, a registered result (of a loop, of many jobs, or of async_info), or a list of these. Jobs that
    a loop skipped are left out. Raises AnsibleActionFail that tells of all values that are no job.
    """
    jobs: list[Reference] = []
    wrong: list[str] = []
    _walk(value, jobs, wrong)
    if wrong:
        raise WrongValue(f"'{option}' takes job ids, names and registered results of background jobs", ', '.join(wrong))
    return jobs


def reference(text: str) -> Reference:
    """The job of which *text* is the id or the name."""
    return str(text) if is_job_id(text) else {'name': str(text)}


def _walk(value: t.Any, jobs: list[Reference], wrong: list[str]) -> None:
    if isinstance(value, str) and value:
        jobs.append(reference(value))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        # A template like "{{ build_number }}" makes a number from ansible-core 2.19 on.
        jobs.append(reference(str(value)))
    elif isinstance(value, c.Mapping):
        many = value.get('jobs', value.get('results'))
        if value.get('ansible_job_id'):
            jobs.append(str(value['ansible_job_id']))
        elif 'state' in value and is_job_id(value.get('id')):  # a job itself, as async_info lists it
            jobs.append(str(value['id']))
        elif isinstance(many, list):
            _walk(many, jobs, wrong)
        elif not value.get('skipped'):
            wrong.append(f"a result without a job ({value.get('msg') or ', '.join(map(str, value)) or 'empty'})")
    elif isinstance(value, c.Sequence) and not isinstance(value, (str, bytes)):
        for one in value:
            _walk(one, jobs, wrong)
    else:
        wrong.append(repr(value))
