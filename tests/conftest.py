# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all tests share: the collection under its real name, and what to do where a machine lacks something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_ansible.units import inject

ROOT = Path(__file__).resolve().parents[1]

# pytest-ansible does this too, but only after the first conftest files were imported, and where it finds no such link
# it makes a directory of links that knows nothing of what is added later.
_link = ROOT / "collections/ansible_collections/background/jobs"
if not _link.is_symlink():
    _link.parent.mkdir(parents=True, exist_ok=True)
    _link.symlink_to("../../..")
inject(ROOT)


_guardian = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--one-python",
        action="store_true",
        help="run what is tried under each Python of a target under the newest only: quick enough for every change",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Whatever becomes of this run, it leaves nothing. The workers of xdist are a part of it."""
    from ansible_collections.background.jobs.tests.tools.guardian import Guardian

    if not config.option.collectonly and not hasattr(config, "workerinput"):
        config.stash[_guardian] = Guardian()


def pytest_unconfigure(config: pytest.Config) -> None:
    if _guardian in config.stash:
        config.stash[_guardian].release()


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A terminal (tests/tools/screen.py) that is as large as SCREEN says, a constant of the file: (columns, rows)."""
    from ansible_collections.background.jobs.tests.tools.screen import Screen

    screen = Screen(*request.module.SCREEN)
    yield screen
    screen.close()


@pytest.fixture(scope="session", autouse=True)
def mounts_end_with_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests mount, they mount below their temporary directories."""
    from ansible_collections.background.jobs.tests.tools.guardian import note_mounts

    note_mounts(tmp_path_factory.getbasetemp())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("one_python"):
        from ansible_collections.background.jobs.tests.tools.pythons import Interpreter, interpreters

        newest = interpreters()[-1]

        def is_of_another(item: pytest.Item) -> bool:
            given = item.callspec.params.values() if hasattr(item, "callspec") else ()
            return any(isinstance(value, Interpreter) and value != newest for value in given)

        others = [item for item in items if is_of_another(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in set(others)]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `hosts` boots test hosts, which not every machine can."""
    if item.get_closest_marker("hosts"):
        from _system import HostsError, check_machine
        from ansible_collections.background.jobs.tests.tools.left_out import left_out

        try:
            check_machine()
        except HostsError as error:
            left_out(str(error))
