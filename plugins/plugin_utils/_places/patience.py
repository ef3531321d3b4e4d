# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the answer to a request is waited for.

Private to this collection.
"""

from __future__ import annotations

import json
import typing as t

_SLOWEST_LINE_BYTES_PER_SECOND = 10_000
_RUNTIME_BYTES = 300_000
"""What may have to travel before the request: the runtime, at the first contact, or the whole module async_wrapper."""
_JOB_SECONDS = 1
"""For each job that a request is about."""
STOP_SECONDS = 90
"""For a job that is to end, beyond its grace: it was sent KILL long ago (module_utils/_runtime/requests/cancel.py)."""
_DIRECTORY_SECONDS = {'list': 120, 'prune': 600}
"""For the operations that read, or remove, all jobs of an async directory; there may be ten thousand."""


def limit(request: dict[str, t.Any], silence: float) -> float:
    """Seconds after which *request* is given up; *silence*: for how many of them a host may have nothing to do for it."""
    starts = request.get('jobs') or []
    replaced = [start['grace'] + STOP_SECONDS for start in starts if start['on_existing'] == 'replace']
    jobs = len(starts) + len(request.get('ids') or [])
    size = _RUNTIME_BYTES + len(json.dumps(request))
    working = request.get('seconds', 0) + sum(replaced) + _DIRECTORY_SECONDS.get(request['op'], 0)
    return float(round(silence + working + jobs * _JOB_SECONDS + size / _SLOWEST_LINE_BYTES_PER_SECOND))
