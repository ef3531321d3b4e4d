# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In the place of ansible-core's own async, nothing changes that a playbook can rely on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.integration._behaviours import BEHAVIOURS
from ansible_collections.background.jobs.tests.integration._cases import SECRET
from ansible_collections.background.jobs.tests.integration._controller import LIBRARY, Controller
from ansible_collections.background.jobs.tests.integration._engines import (
    ENGINES,
    Behaviour,
    Comparison,
    compare,
)
from ansible_collections.background.jobs.tests.integration._targets import Target
from hosts import Fleet

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]


@pytest.fixture(scope='module')
def on(hosts: list[Target]) -> dict[str, Target]:
    """Each engine's host: alike, so that both can run at the same time and see the same paths."""
    return dict(zip(ENGINES, hosts, strict=True))


@pytest.fixture(scope='module')
def controllers(tmp_path_factory: pytest.TempPathFactory, collections_path: Path, fleet: Fleet) -> dict[str, Controller]:
    return {
        engine: Controller(tmp_path_factory.mktemp(engine), collections_path, fleet.inventory, patience=500)
        for engine in ENGINES
    }


@pytest.fixture(scope='module')
def both(
    tmp_path_factory: pytest.TempPathFactory, controllers: dict[str, Controller], on: dict[str, Target]
) -> Comparison:
    library = tmp_path_factory.mktemp('library')
    shutil.copy('/bin/cat', library / 'binary')  # prints the file of its arguments, and JSON it is
    return compare(BEHAVIOURS, controllers, on, library=f'{library}', vars={'ansible_become_password': '{{ test_password }}'})


@pytest.mark.parametrize('behaviour', BEHAVIOURS, ids=lambda behaviour: behaviour.id)
def test_users_see_the_same(both: Comparison, behaviour: Behaviour) -> None:
    both.check(behaviour)
