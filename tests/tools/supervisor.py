# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this machine's /proc tells of the supervisor of a job, also of one in a test host."""

from __future__ import annotations

import re
import signal
from pathlib import Path


def is_small(pid: int) -> bool:
    """Whether it has given its memory back: it is the program that waits for the end of a long job, and listens."""
    program, status = (Path(f'/proc/{pid}/{name}').read_text(encoding='utf-8') for name in ('cmdline', 'status'))
    (caught,) = re.findall(r'^SigCgt:\s+(\w+)$', status, re.MULTILINE)
    return 'stop.json' in program and bool(int(caught, 16) >> signal.SIGUSR1 - 1 & 1)
