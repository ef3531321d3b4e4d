# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every place where jobs live has in common. Private to this collection."""

from __future__ import annotations

import abc
import collections.abc as c
import typing as t

from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look

Function = c.Callable[[t.TextIO], dict[str, t.Any]]
"""The body of a job that is a function: it takes a stream for live output, and returns the result."""


class Place(abc.ABC):
    """The runtime that keeps the jobs of *host*, as messages name it."""

    host: str

    @abc.abstractmethod
    def ask(self, op: str, within: float | None = None, **details: t.Any) -> list[Look]:
        """Send one request; the looks of its response (module_utils/_runtime/protocol.py).

        *within*: seconds after which an answer is no longer waited for; without it, they depend on the request and on
        `background_jobs_request_timeout`. Raises AnsibleActionFail with what the runtime said was wrong, or why it
        could not be run, and AnsibleConnectionFailure if the answer was lost or did not come in time.
        """

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget a connection that broke; the next request makes a new one."""

    @abc.abstractmethod
    def is_remote(self, ids: list[t.Any]) -> bool:
        """Whether a request about the jobs *ids* travels over a connection."""
