#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_cancel
short_description: Stop background jobs
version_added: 0.1.0
description:
  - Stops jobs, and returns when they have ended. The module's process and its group get a C(TERM), and after O(grace)
    seconds everything that is left of the job's processes a C(KILL).
  - A job that waits in a queue is taken out of it. One that has ended is left alone.
  - If a job has not ended 90 seconds after O(grace), the task fails. If the host cannot be reached, it is asked again until
    then, and for as long as C(background_jobs_margin) says, which is a minute unless it is set.
  - If one of the jobs is unknown, none is stopped, unless O(missing=ok).
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
      - Tells whether there is anything to stop.
  diff_mode:
    support: none
  async:
    support: none
options:
  jobs:
    description:
      - The jobs, as ids, names given with O(background.jobs.async_run#module:name), registered results of tasks that
        started or listed jobs, those of loops included, or a list of all these.
    type: raw
    required: true
  grace:
    description:
      - The time between C(TERM) and C(KILL), in seconds, or as a duration with one of the units V(s), V(m), V(h), V(d),
        V(w), like V(5m).
    type: str
    default: "10"
  missing:
    description:
      - What to do about jobs that the host does not know.
      - With V(fail), the task fails, and stops none of the others.
      - With V(ok), they are left out, and the others are stopped.
    type: str
    choices:
      - fail
      - ok
    default: fail
    version_added: 0.2.0
seealso:
  - module: background.jobs.async_run
  - module: background.jobs.async_info
  - module: background.jobs.async_prune
"""

EXAMPLES = r"""
- name: Stop the backup, let it finish its file
  background.jobs.async_cancel:
    jobs: nightly backup
    grace: 60

- name: Find what runs, or waits in a queue
  background.jobs.async_info:
    states:
      - queued
      - running
  register: live

- name: Stop all of it
  background.jobs.async_cancel:
    jobs: "{{ live }}"
"""

RETURN = r"""
jobs:
  description: The jobs in the order asked, each as RV(background.jobs.async_run#module:job).
  returned: always
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_CANCEL, IS_AN_ACTION


def main():
    module = AnsibleModule(supports_check_mode=True, **ASYNC_CANCEL)
    module.fail_json(msg=IS_AN_ACTION % 'async_cancel')


if __name__ == '__main__':
    main()
