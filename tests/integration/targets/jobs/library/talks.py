#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module of somebody else's: it runs commands, one of which says what it must not."""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule({'token': {'type': 'str', 'no_log': True, 'default': 'open sesame'}})
    module.no_log_values.add(module.params['token'])
    module.run_command(['echo', 'I run a command'], check_rc=True)
    module.run_command(['echo', 'and %s another' % module.params['token']], check_rc=True)
    module.exit_json(changed=False)


if __name__ == '__main__':
    main()
