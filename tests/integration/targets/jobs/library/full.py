#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An ordinary module, with everything that a module may return beside its own values."""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            'text': {'type': 'str'},
            'number': {'type': 'int', 'default': 7},
            'items': {'type': 'list', 'elements': 'str'},
            'facts': {'type': 'dict', 'default': {}},
            'password': {'type': 'str', 'no_log': True},
            'fail': {'type': 'bool', 'default': False},
        }
    )
    module.warn('a warning with ümläuts')
    module.deprecate('an old habit', version='99.0.0', collection_name='background.jobs')
    result = {key: module.params[key] for key in ('text', 'number', 'items')}
    result.update(
        changed=True,
        nothing=None,
        deep={'a': [{'b': 1.5}]},
        leak='the password is %s' % module.params['password'],
        diff={'before': 'a\n', 'after': 'b\n'},
        ansible_facts=module.params['facts'],
    )
    if module.params['fail']:
        module.fail_json(msg='failed as asked', **result)
    module.exit_json(**result)


if __name__ == '__main__':
    main()
