# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One module, ready to run as a job. Private to this collection."""

from __future__ import annotations

import dataclasses

from ansible_collections.background.jobs.plugins.plugin_utils._payload.reader import Reading


@dataclasses.dataclass(frozen=True)
class Payload:
    """What the runtime needs to run a module, and what reads the module's output afterwards."""

    module: str
    """The full name of the module."""
    summary: str | None
    """What it does, on one line (summary.py)."""
    argv: list[str]
    """The command that runs it; `{job}` stands for the job's directory."""
    environment: dict[str, str]
    stdin: bool
    """Whether the module's file goes to the standard input of the command."""
    file: bytes
    """The module's own file, its arguments in it where it is of the new style."""
    args: bytes | None
    """The file of arguments that a module of the older styles reads."""
    tmpdir: str | None
    """A temporary directory on the target, which is to be removed when the job has ended."""
    work: str
    """A digest of what the module does, equal in two runs of the same task."""
    reading: Reading
    """What reads its output."""
