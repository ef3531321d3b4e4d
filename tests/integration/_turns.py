# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long tables of playbooks take turns on a machine.

`make test` runs the integration tests of several ansible-cores at once. A table starts up to eight playbooks. Three tables
at once slow each other down so much that ansible-core reaches limits of five seconds before its module has begun.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import fcntl
import os

TABLE_PATIENCE = 1500
"""Seconds for one playbook of a table: more than ten times what it takes on a machine that is not busy."""
TABLE_TIMEOUT = 3000
"""Seconds for a test that uses a table, with the time that it waits for its turn."""


@contextlib.contextmanager
def take_turn() -> c.Iterator[None]:
    """Wait until no other run of the tests, of this user on this machine, is at a table; then hold the turn."""
    with open(f'/var/tmp/background-jobs-tests-turn-{os.geteuid()}.lock', 'wb') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
