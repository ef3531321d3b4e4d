# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a playbook. Private to this collection."""

from __future__ import annotations

import typing as t


def path_of(playbook: t.Any) -> str:
    """The path of the file of *playbook*."""
    return str(playbook._file_name)  # 2.16 to 2.22


def inventory_hosts(play: t.Any) -> list[str]:
    """The names of all hosts in the order of the inventory of *play*, or none where ansible-core does not tell them."""
    inventory = getattr(play.get_variable_manager(), '_inventory', None)  # 2.16 to 2.22
    return (
        [host.name for host in inventory.get_hosts(ignore_limits=True, ignore_restrictions=True)] if inventory else []
    )
