#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_table
short_description: Show the background jobs of all hosts of a play in one table
version_added: 0.2.0
description:
  - Asks all hosts of the play, as many at a time as there are forks, and shows one table of their jobs. Jobs that ended
    badly, and hosts that did not answer, come first.
  - The task runs once for all hosts. A host that cannot be reached is a row of the table, and the task does not fail.
  - The playbook C(background.jobs.jobs) of this collection is one task of this action.
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
  columns:
    description:
      - Cut each line to this many columns. V(0) means never.
      - The default is the environment variable E(COLUMNS), or else the width of the terminal, but at least 79.
    type: int
notes:
  - It needs a worker process of ansible-core, so it does not run under the strategies of mitogen.
  - It does not run under the strategies C(free) and C(host_pinned).
seealso:
  - module: background.jobs.async_info
"""

EXAMPLES = r"""
- name: Show what runs where
  background.jobs.async_table:
    states:
      - queued
      - running

# ansible-playbook background.jobs.jobs -i inventory -e state=running
"""

RETURN = r"""
hosts:
  description: The answer of each host, by its inventory name.
  returned: always
  type: dict
  sample: {"web1": {"jobs": []}}
  contains:
    jobs:
      description: The jobs of the host, as RV(background.jobs.async_info#module:jobs).
      returned: if the host answered
      type: list
      elements: dict
    unreachable:
      description: Whether the host could not be reached.
      returned: if it could not be reached
      type: bool
    msg:
      description: Why there are no jobs.
      returned: if the host did not answer
      type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_TABLE, IS_AN_ACTION


def main():
    module = AnsibleModule(supports_check_mode=True, **ASYNC_TABLE)
    module.fail_json(msg=IS_AN_ACTION % 'async_table')


if __name__ == '__main__':
    main()
