# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a start says of jobs of the same name that were there already. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import readable, spoken


def report_existing(host: str, looks: list[Look]) -> None:
    """One line for each job that the task attaches to on *host*, and a warning for each whose result it leaves there."""
    display = Display()
    for look in looks:
        if look.attached:
            # On stderr, because programs read the output of a callback like `json`.
            display.display(f'{host}: attached to {readable(look.job["name"])}, {_state(look.job)}', stderr=True)
        if look.uncollected:
            left = look.uncollected
            display.warning(
                f'{host}: the job {readable(left["id"])} had the name {readable(left["name"])} before, did other work, '
                f'{_state(left)}, and no task has seen its result. A new job was started; look at the old one by its id.'
            )


def _state(job: dict[str, t.Any]) -> str:
    """As in "running since 2026-11-26 11:58:01 UTC" and "timed out at 2026-11-26 12:00:00 UTC"."""
    moment = job['ended'] or job['started'] or job['created']
    word = 'at' if job['ended'] else 'since'
    return f"{spoken(job['state'])} {word} {readable(moment.partition('.')[0]).replace('T', ' ')} UTC"
