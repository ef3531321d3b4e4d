# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole numbers as people write them. Private to this collection."""

from __future__ import annotations

import typing as t


def whole(value: t.Any) -> int | None:
    """*value* as a whole number, also of a text like ``'2'`` or a number like ``2.0``, or None if it is none."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
