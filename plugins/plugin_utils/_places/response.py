# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks what a target has sent, which may be anything. Standard library only. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import STATES


def looks_of(response: t.Any) -> list[dict[str, t.Any]]:
    """The looks of *response* (protocol.Look). Raises ValueError if they have not the shape of looks."""
    looks = response.get('jobs') if isinstance(response, dict) else None
    if not isinstance(looks, list) or not all(map(_is_look, looks)):
        raise ValueError('the response of the runtime has no looks at jobs')
    return looks


def _is_look(look: t.Any) -> bool:
    return (
        isinstance(look, dict) and 'ended' in look and 'job' in look and (look['job'] is None or _is_job(look['job']))
    )


def _is_job(job: t.Any) -> bool:
    return isinstance(job, dict) and 'id' in job and job.get('state') in STATES
