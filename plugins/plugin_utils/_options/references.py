# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users write for jobs and times -> ids, names and seconds. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import JOB_ID

_UNITS = {'': 1, 's': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}


def jobs(asked: t.Any) -> list[t.Any]:
    """The ids (str) and names ({"name": str}) in *asked*, in order.

    It may be an id, a name, a registered result, one of a loop or of many jobs, or a list of all these. What a
    loop skipped is left out. Raises AnsibleActionFail for what is none of them, all at once.
    """
    found: list[t.Any] = []
    wrong: list[str] = []
    _walk(asked, found, wrong)
    if wrong:
        raise AnsibleActionFail(
            f"'jobs' takes job ids, names and registered results of background jobs, found: {', '.join(wrong)}."
        )
    return found


def _walk(asked: t.Any, found: list[t.Any], wrong: list[str]) -> None:
    if isinstance(asked, str) and asked:
        found.append(str(asked) if JOB_ID.fullmatch(asked) else {'name': str(asked)})
    elif isinstance(asked, c.Mapping):
        many = asked.get('jobs', asked.get('results'))
        if asked.get('ansible_job_id'):
            found.append(str(asked['ansible_job_id']))
        elif isinstance(many, list):
            _walk(many, found, wrong)
        elif not asked.get('skipped'):
            wrong.append(f"a result without a job ({asked.get('msg') or ', '.join(map(str, asked)) or 'empty'})")
    elif isinstance(asked, c.Sequence) and not isinstance(asked, (str, bytes)):
        for one in asked:
            _walk(one, found, wrong)
    else:
        wrong.append(repr(asked))


def seconds(text: t.Any, option: str) -> float:
    """Seconds of a time like ``90``, ``30m``, ``12h``, ``7d`` or ``2w``."""
    match = re.fullmatch(r'([0-9]+(?:\.[0-9]+)?)([smhdw]?)', str(text).strip())
    if match is None:
        raise AnsibleActionFail(
            f"'{option}' must be a number of seconds, or one followed by s, m, h, d or w, found {text!r}."
        )
    return float(match[1]) * _UNITS[match[2]]
