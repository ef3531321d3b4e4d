# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads and checks what a target has sent, which may be anything. Standard library only. Private to this collection."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.background.jobs.plugins.module_utils._loader import MARK
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import STATES
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import readable_lines

_SHOWN = ('error', 'warning', 'user', 'looked_in')
"""The fields of a look that tasks show as they are."""


def answer_in(output: str) -> dict[str, t.Any] | None:
    """The answer of the loader in *output*, which may have other lines; None if there is none.

    Raises ValueError if a part of it is missing.
    """
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    return None if line is None else t.cast('dict[str, t.Any]', json.loads(line[len(MARK) :]))


def looks_of(response: t.Any) -> list[dict[str, t.Any]]:
    """The looks of *response* (protocol.Look); the texts that tasks show as they are, are safe for any terminal.

    Raises ValueError if they have not the shape of looks.
    """
    looks = response.get('jobs') if isinstance(response, dict) else None
    if not isinstance(looks, list) or not all(map(_is_look, looks)):
        raise ValueError('the response of the runtime has no looks at jobs')
    return [_safe(look) for look in looks]


def _is_look(look: t.Any) -> bool:
    return (
        isinstance(look, dict) and 'ended' in look and 'job' in look and (look['job'] is None or _is_job(look['job']))
    )


def _safe(look: dict[str, t.Any]) -> dict[str, t.Any]:
    texts = {key: look[key] for key in _SHOWN if isinstance(look.get(key), str)}
    return {**look, **{key: readable_lines(text) for key, text in texts.items()}}


def _is_job(job: t.Any) -> bool:
    return isinstance(job, dict) and 'id' in job and job.get('state') in STATES
