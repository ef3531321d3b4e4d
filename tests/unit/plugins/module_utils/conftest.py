# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every test of the runtime gets a target of its own, under each interpreter of this machine that a target may have."""

from pathlib import Path
from typing import Iterator

import pytest
from ansible_collections.background.jobs.tests.tools.pythons import Interpreter, interpreters
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import Target

PYTHONS = interpreters()


def _name(interpreter: Interpreter) -> str:
    return 'python%d.%d' % interpreter.version


@pytest.fixture(params=PYTHONS, ids=_name)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Under every interpreter: for what depends on the language or its library."""
    found = Target(request.param.path, tmp_path)
    yield found
    found.clean_up()


@pytest.fixture(params=PYTHONS[:: max(1, len(PYTHONS) - 1)], ids=_name)
def some_target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Under the oldest and the newest: for what depends on the kernel and our files."""
    found = Target(request.param.path, tmp_path)
    yield found
    found.clean_up()
