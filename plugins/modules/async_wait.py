#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_wait
short_description: Wait for many background jobs at once
version_added: 0.1.0
description:
  - Waits until all the jobs have ended, with one request to the host for all of them. It returns as soon as the last one
    has ended, and at least every C(poll) seconds it hears from the host.
  - Says every C(poll) seconds in one line for each host how many jobs run, wait and are done, which have failed, how long
    the oldest has run, and what it said last.
  - Fails after all have ended if one of them failed, and names those that did.
  - A task with C(no_log) shows nothing of its jobs while it waits, also of those that were started without it.
author:
  - background.jobs contributors (@background-jobs)
extends_documentation_fragment:
  - background.jobs.attributes
  - background.jobs.attributes.group
attributes:
  check_mode:
    support: full
    details:
      - Waiting changes nothing.
  diff_mode:
    support: none
  async:
    support: none
    details:
      - The keyword C(async) is an error, because the limits belong to the jobs. O(timeout) bounds the wait.
options:
  jobs:
    description:
      - The jobs, as ids, names given with O(background.jobs.async_run#module:name), registered results of tasks that
        started or listed jobs, those of loops included, or a list of all these.
    type: raw
    required: true
  timeout:
    description:
      - Give up after this time, in seconds, or with one of the units V(s), V(m), V(h), V(d), V(w), like V(30m). The jobs
        go on, and the task fails.
      - Without it, the task waits until the jobs have ended, which a job without a limit may never do.
    type: str
  missing:
    description:
      - What to do about jobs that the host does not know.
      - With V(fail), the task fails before it waits.
      - With V(ok), they are left out of the result. Where it knows none of them, the result has no jobs.
    type: str
    choices:
      - fail
      - ok
    default: fail
    version_added: 0.2.0
  follow:
    description:
      - With V(true), show what the commands of the jobs print, from its beginning, as O(background.jobs.async_run#module:follow)
        does.
      - The variable C(background_jobs_follow) turns it on where the option is not given.
    type: bool
seealso:
  - module: background.jobs.async_run
  - module: background.jobs.async_cancel
"""

EXAMPLES = r"""
- name: Start three downloads and go on
  background.jobs.async_run:
    task:
      ansible.builtin.get_url:
        url: "https://downloads.example.com/{{ item }}"
        dest: /srv/downloads/
        mode: "0644"
  loop:
    - one.iso
    - two.iso
    - three.iso
  async: 3600
  poll: 0
  register: downloads

- name: Wait for all of them
  background.jobs.async_wait:
    jobs: "{{ downloads }}"
  poll: 30
"""

RETURN = r"""
jobs:
  description: One result for each job, in the order asked, as M(background.jobs.async_run) returns it.
  returned: always
  type: list
  elements: dict
  sample: []
ansible_facts:
  description: The facts in the results of all jobs, which are those of the host from then on. Of two the later one counts.
  returned: when a module has returned facts
  type: dict
  sample: {}
diff:
  description: What the changed jobs have changed, which C(--diff) shows.
  returned: when a module has returned differences
  type: list
  elements: dict
  sample: []
msg:
  description: How many jobs failed or did not end in time, which, and why.
  returned: failure
  type: str
  sample: "1 of 3 jobs failed: nightly backup (command, rc 1: no space left)"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_WAIT, IS_AN_ACTION


def main():
    module = AnsibleModule(supports_check_mode=True, **ASYNC_WAIT)
    module.fail_json(msg=IS_AN_ACTION % 'async_wait')


if __name__ == '__main__':
    main()
