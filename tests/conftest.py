# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all tests share: the collection under its real name, and what to do where a machine lacks something."""

from __future__ import annotations

from pathlib import Path

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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `hosts` boots test hosts, which not every machine can."""
    if item.get_closest_marker("hosts"):
        from _system import HostsError, check_machine
        from ansible_collections.background.jobs.tests.tools.left_out import left_out

        try:
            check_machine()
        except HostsError as error:
            left_out(str(error))
