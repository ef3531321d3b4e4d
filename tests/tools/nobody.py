# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For tests of what happens beside processes that belong to root, as those of sudo do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ansible_collections.background.jobs.tests.tools.left_out import left_out

_NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Meanwhile this process belongs to a user who may send no signal to what it has started before."""
    if os.geteuid() != 0:
        left_out('processes of root: starting one needs root')
    os.setresuid(_NOBODY, _NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
