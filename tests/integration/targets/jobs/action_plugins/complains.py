# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fails with the result of its module, and does not support async: as many plugins that look for files before."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible.plugins.action import ActionBase

RESULT = {
    'failed': True,
    'msg': 'on purpose',
    'warnings': ['careful'],
    'deprecations': [{'msg': 'the old way', 'version': '99.0', 'collection_name': 'a.b'}],
    'exception': 'Traceback of the module',
}


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        printed = base64.b64encode(json.dumps(RESULT).encode()).decode()
        return t.cast(
            'dict[str, t.Any]',
            self._execute_module('prints', module_args={'stdout': printed}, task_vars=task_vars),
        )
