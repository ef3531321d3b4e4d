# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every way of sending a request has in common.

Private to this collection.
"""

from __future__ import annotations

import abc
import typing as t

SHOWN_VERBOSITY = 3
"""The verbosity from which on a connection shows what its commands print, with secrets, unless no_log is set for it."""


class CannotCarry(Exception):
    """This transport cannot carry the request; another one may. The text says why, for a person."""

    def __init__(self, reason: str, *, for_now: bool = False) -> None:
        super().__init__(reason)
        self.for_now = for_now
        """Whether the transport may be able to carry the next request."""


class Transport(abc.ABC):
    """One way for a request to reach the runtime of a target, and for its response to come back."""

    @abc.abstractmethod
    def send(self, request: dict[str, t.Any]) -> dict[str, t.Any]:
        """The response to *request* (the shapes of both: module_utils/_runtime/protocol.py).

        Raises CannotCarry if the runtime has not seen the request and another transport may deliver it,
        AnsibleConnectionFailure if the answer was lost, and AnsibleActionFail if the runtime cannot run there.
        """
