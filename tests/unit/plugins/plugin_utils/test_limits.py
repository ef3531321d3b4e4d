# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people write as the resources of a job."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.background.jobs.plugins.plugin_utils._options.resources import resources


@pytest.mark.parametrize(
    ('written', 'read'),
    [
        ({}, (None, None, None, None, None)),
        ({'memory': '2G', 'cpu': '150%'}, (2 << 30, 150, None, None, None)),
        ({'memory': '1.5g'}, (3 << 29, None, None, None, None)),
        ({'memory': 209715200}, (200 << 20, None, None, None, None)),
        ({'cpu': '2.5%', 'tasks': '20', 'nice': -20, 'io': None}, (None, 2.5, 20, -20, None)),
        ({'io': 'best-effort:7', 'nice': 19}, (None, None, None, 19, 'best-effort:7')),
        ({'tasks': 20.0}, (None, None, 20, None, None)),
        ({'io': 'idle'}, (None, None, None, None, 'idle')),
    ],
)
def test_what_is_right(written: dict[str, t.Any], read: tuple[t.Any, ...]) -> None:
    assert tuple(resources(written, 'resources')) == read


@pytest.mark.parametrize(
    ('written', 'message'),
    [
        ('2G', "'resources' must be a mapping like"),
        ({'memry': '2G'}, "'resources' has no key 'memry': did you mean 'memory'?"),
        ({'disk': '2G'}, "'resources' has no key 'disk': it has memory, cpu, tasks, nice, io."),
        ({'memory': '2GB'}, "'memory of resources' must be a number of bytes of 1M or more, like 200M or 2G"),
        ({'memory': '100K'}, "'memory of resources' must be"),
        ({'memory': '9' * 400}, "'memory of resources' must be"),
        ({'cpu': '9' * 400 + '%'}, "'cpu of resources' must be"),
        ({'tasks': float('inf')}, "'tasks of resources' must be"),
        ({'memory': -1}, "'memory of resources' must be"),
        ({'cpu': 150}, "'cpu of resources' must be 1% or more of one processor, like 50%"),
        ({'cpu': '0%'}, "'cpu of resources' must be"),
        ({'tasks': 0}, "'tasks of resources' must be a whole number of processes and threads of 1 or more, found '0'."),
        ({'tasks': 1.5}, "'tasks of resources' must be"),
        ({'tasks': True}, "'tasks of resources' must be"),
        ({'nice': 20}, "'nice of resources' must be a nice value from -20"),
        ({'nice': 'low'}, "'nice of resources' must be"),
        ({'io': 'idle:3'}, "'io of resources' must be idle, best-effort or realtime"),
        ({'io': 'best-effort:8'}, "'io of resources' must be"),
    ],
)
def test_what_is_wrong(written: t.Any, message: str) -> None:
    with pytest.raises(AnsibleActionFail) as raised:
        resources(written, 'resources')
    assert message in raised.value.message
