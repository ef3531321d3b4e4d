# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every test of the runtime gets a target of its own, under each interpreter of this machine that a target may have."""

from pathlib import Path
from typing import Any, Iterator, Sequence

import pytest
from ansible_collections.background.jobs.tests.tools.pythons import Interpreter, interpreters
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import Target

PYTHONS = interpreters()


def _name(interpreter: Interpreter) -> str:
    return 'python%d.%d' % interpreter.version


def _targets(pythons: Sequence[Interpreter]) -> Any:
    @pytest.fixture(params=pythons, ids=_name)
    def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
        found = Target(request.param.path, tmp_path)
        yield found
        found.clean_up()

    return target


target = _targets(PYTHONS)
"""Under every interpreter: for what depends on the language or its library."""
some_target = _targets(PYTHONS[:: max(1, len(PYTHONS) - 1)])
"""Under the oldest and the newest: for what depends on the kernel and our files."""
newest_target = _targets(PYTHONS[-1:])
"""For what takes long."""
