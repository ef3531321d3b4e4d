# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Warnings that belong to a task. Private to this collection."""

from __future__ import annotations

import typing as t

try:
    from ansible._internal._display_utils import DeferredWarningContext  # from 2.19 on
except ImportError:  # before, a worker's warnings are shown at once
    DeferredWarningContext = None


def deferred_warnings() -> list[t.Any]:
    """The warnings that this worker keeps for the result of its task. They can be pickled."""
    context = DeferredWarningContext and DeferredWarningContext.current(optional=True)
    return [*context.get_warnings(), *context.get_deprecation_warnings()] if context else []


def defer_warnings(warnings: list[t.Any]) -> None:
    """Keep *warnings*, of an earlier worker, for the result of the task of this one."""
    for warning in warnings:
        DeferredWarningContext.current().capture(warning)
