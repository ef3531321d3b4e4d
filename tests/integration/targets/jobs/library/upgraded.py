#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the modules that upgrade packages, on hosts without any to upgrade (test_docs.py)."""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    spec = {
        'name': {'type': 'str'},
        'state': {'type': 'str'},
        'update_cache': {'type': 'bool'},
        'upgrade': {'type': 'str'},
    }
    AnsibleModule(argument_spec=spec, supports_check_mode=True).exit_json(changed=True)


if __name__ == '__main__':
    main()
