# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results that tasks of this run have registered. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import typing as t


def hosts_with_job(task_vars: dict[str, t.Any], job_id: str) -> list[str]:
    """The other hosts that have registered a result of the job *job_id*, in order; for a hint, so nothing where that is unknown."""
    manager = getattr(task_vars.get('hostvars'), '_variable_manager', None)  # of HostVars, 2.16 to 2.22
    registered = getattr(manager, '_nonpersistent_fact_cache', {})  # of VariableManager, 2.16 to 2.22
    return sorted(
        host
        for host, variables in registered.items()
        if host != task_vars.get('inventory_hostname') and any(_has(one, job_id) for one in variables.values())
    )


def _has(value: t.Any, job_id: str) -> bool:
    if isinstance(value, list):
        return any(_has(one, job_id) for one in value)
    if not isinstance(value, c.Mapping):
        return False
    return value.get('ansible_job_id') == job_id or any(_has(value.get(key), job_id) for key in ('results', 'jobs'))
