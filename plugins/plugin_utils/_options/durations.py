# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations as people write them -> seconds. Private to this collection."""

from __future__ import annotations

import math
import re
import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue

_UNITS = {'': 1, 's': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}
_DURATION = re.compile(r'([0-9]+(?:\.[0-9]+)?)([smhdw]?)')


def seconds(text: t.Any, option: str) -> float:
    """Seconds of a duration like ``90``, ``30m``, ``12h``, ``7d`` or ``2w``, the value of *option*.

    Raises AnsibleActionFail where it is none.
    """
    match = _DURATION.fullmatch(str(text).strip())
    duration = float(match[1]) * _UNITS[match[2]] if match else math.inf
    if not math.isfinite(duration):
        raise WrongValue(
            f"'{option}' must be a number of seconds that is not negative, or a duration like 30s, 5m, 12h, 7d or 2w",
            f"'{text}'",
        )
    return duration
