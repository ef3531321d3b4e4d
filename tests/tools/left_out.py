# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For tests of what not every machine can do."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def left_out(reason: str) -> NoReturn:
    """Skip loudly what this machine cannot run. In CI nothing may be left out, so there it is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"LEFT OUT: {reason}", pytrace=False)
    pytest.skip(f"LEFT OUT: {reason}")
