# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints one JSON object at the end of a run, as ansible.posix.json does, which is no part of ansible-core."""

from __future__ import annotations

import json
import typing as t

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: for_programs
type: stdout
short_description: Print the hosts of a run as JSON
description: Prints nothing but one JSON object.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'stdout'
    CALLBACK_NAME = 'for_programs'

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        self._display.display(json.dumps({host: stats.summarize(host) for host in stats.processed}))
