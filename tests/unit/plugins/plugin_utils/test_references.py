# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people write for jobs: ids, names, and what tasks have registered."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.background.jobs.plugins.plugin_utils._options.references import references

ID = 'j20261122044512123456.12345678'


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (ID, [ID]),
        ('upgrade', [{'name': 'upgrade'}]),
        (7, [{'name': '7'}]),
        ([7.5e30, 'upgrade'], [{'name': '7.5e+30'}, {'name': 'upgrade'}]),
        ({'ansible_job_id': ID}, [ID]),
        ({'results': [{'ansible_job_id': ID}, {'skipped': True}]}, [ID]),
        ({'jobs': [{'ansible_job_id': ID}]}, [ID]),
        ({'jobs': [{'id': ID, 'name': None, 'state': 'running'}], 'changed': False}, [ID]),  # of async_info
    ],
)
def test_what_stands_for_a_job(value: t.Any, expected: list[t.Any]) -> None:
    assert references(value) == expected


@pytest.mark.parametrize('value', [None, True, '', {'msg': 'no'}, {'id': 'web1', 'state': 'present'}, [ID, {}]])
def test_what_stands_for_no_job(value: t.Any) -> None:
    with pytest.raises(AnsibleActionFail, match=r"^'after' takes job ids, names and registered results"):
        references(value, 'after')
