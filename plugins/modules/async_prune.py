#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_prune
short_description: Remove the files of ended background jobs
version_added: 0.1.0
description:
  - Removes ended jobs, that is their result files, their output and everything else about them. A job that lives is never
    touched.
  - Jobs also go by themselves, at later starts, when they have ended longer ago than the variable
    C(background_jobs_retention) says, V(7d) by default.
author:
  - background.jobs contributors (@background-jobs)
extends_documentation_fragment:
  - background.jobs.attributes
  - background.jobs.attributes.group
  - background.jobs.attributes.follow
attributes:
  check_mode:
    support: full
    details:
      - Returns the jobs that would be removed.
  diff_mode:
    support: none
  async:
    support: none
options:
  older_than:
    description:
      - Only jobs that ended this long ago or longer, in seconds, or with one of the units V(s), V(m), V(h), V(d), V(w),
        like V(12h).
    type: str
    default: 7d
  states:
    description:
      - Only jobs that ended in one of these states.
    type: list
    elements: str
    choices:
      - succeeded
      - skipped
      - failed
      - timed_out
      - cancelled
      - lost
    default:
      - succeeded
      - skipped
      - failed
      - timed_out
      - cancelled
      - lost
  keep:
    description:
      - Of the jobs in these O(states), keep this many that ended last, however long ago.
      - The jobs of the target are counted apart from the branches of the host, which live on the controller.
    type: int
    default: 0
seealso:
  - module: background.jobs.async_info
  - module: background.jobs.async_run
    description: Its notes tell of the variable C(background_jobs_retention).
"""

EXAMPLES = r"""
- name: Remove the jobs that succeeded yesterday or earlier, but for the last ten
  background.jobs.async_prune:
    older_than: 1d
    states:
      - succeeded
    keep: 10

- name: Remove all that have ended, and say which
  background.jobs.async_prune:
    older_than: 0
  register: removed
"""

RETURN = r"""
jobs:
  description: The jobs that were removed, each as RV(background.jobs.async_run#module:job).
  returned: always
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_PRUNE, IS_AN_ACTION


def main():
    module = AnsibleModule(supports_check_mode=True, **ASYNC_PRUNE)
    module.fail_json(msg=IS_AN_ACTION % 'async_prune')


if __name__ == '__main__':
    main()
