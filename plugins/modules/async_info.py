#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_info
short_description: List the background jobs of a host
version_added: 0.1.0
description:
  - Lists the jobs of one user and async directory, oldest first.
author:
  - background.jobs contributors (@background-jobs)
extends_documentation_fragment:
  - background.jobs.attributes
  - background.jobs.attributes.group
  - background.jobs.attributes.follow
  - background.jobs.attributes.filters
attributes:
  check_mode:
    support: full
    details:
      - Looking changes nothing.
  diff_mode:
    support: none
  async:
    support: none
options:
  output:
    description:
      - Return the last line of live output of each job that has not ended, as C(last_line).
    type: bool
    default: false
    version_added: 0.2.0
seealso:
  - module: background.jobs.async_run
  - module: background.jobs.async_cancel
  - module: background.jobs.async_prune
"""

EXAMPLES = r"""
- name: See what runs
  background.jobs.async_info:
    states:
      - queued
      - running
  register: live

- name: See how the last backup ended
  background.jobs.async_info:
    names: nightly backup
  register: backups

- name: Fail if it was not well
  ansible.builtin.assert:
    that: backups.jobs[-1].state == "succeeded"
    fail_msg: "{{ backups.jobs[-1].reason | default('it has not ended yet') }}"

# ansible all -m background.jobs.async_info -a 'states=queued,running'
"""

RETURN = r"""
jobs:
  description: The jobs, each as RV(background.jobs.async_run#module:job).
  returned: always
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_INFO, IS_AN_ACTION


def main():
    module = AnsibleModule(supports_check_mode=True, **ASYNC_INFO)
    module.fail_json(msg=IS_AN_ACTION % 'async_info')


if __name__ == '__main__':
    main()
