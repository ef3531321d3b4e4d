# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes what branches have registered and set visible in the play that waited for them. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible_collections.background.jobs.plugins.plugin_utils._branch.branch import LAYERS
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_variables import join


def without_layers(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """*result*, perhaps of a branch, without what is meant for the play that waits for it."""
    return {key: value for key, value in result.items() if key != LAYERS}


def join_branches(result: dict[str, t.Any], branches: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """*result*, which the running action is about to return, so that the play gets the variables of *branches*.

    *branches*: results of branches, perhaps parts of *result*, which lose what is meant for the play alone; of two that set
    the same variable the later one counts. Raises AnsibleActionFail where the play cannot get them.
    """
    together: dict[str, dict[str, dict[str, t.Any]]] = {}
    for branch in branches:
        for layer, hosts in branch.pop(LAYERS, {}).items():
            for host, variables in hosts.items():
                together.setdefault(layer, {}).setdefault(host, {}).update(variables)
    return join(result, together) if together else result
