#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs itself once more, as modules do that need another interpreter than the one they were given."""

import sys

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, respawn_module


def main() -> None:
    module = AnsibleModule(argument_spec={'text': {'type': 'str'}})
    if not has_respawned():
        respawn_module(sys.executable)
    module.exit_json(changed=True, text=module.params['text'])


if __name__ == '__main__':
    main()
