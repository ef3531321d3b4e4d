# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock of Display, which ansible-core holds while it writes, and while it forks a worker. Private to this collection."""

from __future__ import annotations

import threading

from ansible.utils.display import Display


def display_lock() -> threading.RLock | None:
    """The lock of Display (2.16 to 2.22), or None where this ansible-core has none."""
    lock: threading.RLock | None = getattr(Display(), '_lock', None)
    return lock
