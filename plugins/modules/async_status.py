#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_status
short_description: Look at a background job
version_added: 0.1.0
description:
  - Returns the state of one job, and its result when it has ended. It does not wait.
  - Takes the place of M(ansible.builtin.async_status), with the same arguments and return values, and reads the jobs of
    ansible-core as well.
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
      - A look changes nothing. A cleanup removes the job's files in check mode as well, as ansible-core does, because the
        job that it belongs to was started in check mode too.
  diff_mode:
    support: none
  async:
    support: none
options:
  jid:
    description:
      - The job id, RV(ignore:ansible_job_id) of the task that started it, or a name given with
        O(background.jobs.async_run#module:name).
      - Where this action stands in for M(ansible.builtin.async_status), only an id is taken.
    type: str
    required: true
    aliases:
      - job
  mode:
    description:
      - With V(status), look at the job.
      - With V(cleanup), remove its files. Of a job that still runs, only the result file is removed. The job goes on,
        M(background.jobs.async_info) still lists it, and the result file appears again when the job ends.
    type: str
    choices:
      - status
      - cleanup
    default: status
  output:
    description:
      - With V(true), return the job's live output as well.
    type: bool
    default: false
  offset:
    description:
      - Return live output from this byte on, RV(job.output.offset) of the look before; from its beginning if this is left
        off.
      - Without O(output=true) it has no effect, and the task fails. The task also fails if the value is negative.
    type: int
  _async_dir:
    description:
      - The async directory. ansible-core passes it when it calls the module by itself; it is not for people.
    type: path
    required: false
seealso:
  - module: background.jobs.async_run
  - module: background.jobs.async_wait
    description: Waits for one job or many, without C(until).
  - module: ansible.builtin.async_status
"""

EXAMPLES = r"""
- name: Start a long command
  background.jobs.async_run:
    task:
      ansible.builtin.command: /usr/bin/long_running_operation
  async: 1000
  poll: 0
  register: sleeper

- name: Check on it
  background.jobs.async_status:
    jid: "{{ sleeper.ansible_job_id }}"
  register: job_result
  until: job_result is finished
  retries: 100
  delay: 10

- name: See what it has printed so far
  background.jobs.async_status:
    jid: "{{ sleeper.ansible_job_id }}"
    output: true
  register: look

- name: See what it has printed since
  background.jobs.async_status:
    jid: "{{ sleeper.ansible_job_id }}"
    output: true
    offset: "{{ look.job.output.offset }}"

- name: Remove what is left of it
  background.jobs.async_status:
    jid: "{{ sleeper.ansible_job_id }}"
    mode: cleanup
"""

RETURN = r"""
ansible_job_id:
  description: The id of the job.
  returned: always
  type: str
  sample: j20261122044512123456.12345678
started:
  description: Whether the job has been started.
  returned: always
  type: bool
  sample: true
finished:
  description: Whether the job has ended.
  returned: always
  type: bool
  sample: true
results_file:
  description: The job's result file on the target.
  returned: with O(mode=status)
  type: str
  sample: /root/.ansible_async/j20261122044512123456.12345678
erased:
  description: The job file that was removed.
  returned: with O(mode=cleanup)
  type: str
  sample: /root/.ansible_async/j20261122044512123456.12345678
stdout:
  description: What the job's module returned as its output, empty while there is none.
  returned: always
  type: str
  sample: ""
stderr:
  description: What the job's module returned as its errors, empty while there is none.
  returned: always
  type: str
  sample: ""
job:
  description: What is known of the job, as M(background.jobs.async_run) returns it. A job of ansible-core has no such value.
  returned: when the job was started by this collection
  type: dict
  contains:
    output:
      description:
        - What the commands of the job's module have printed, at most 1 MiB of it for one look.
        - Nothing is kept of a job with C(no_log), of one whose module is not Python, and of one that runs no command.
      returned: with O(output=true)
      type: dict
      contains:
        lines:
          description:
            - The lines, each with its RV(ignore:text) and its RV(ignore:stream), V(stdout) or V(stderr).
            - Where the last one has not ended yet, the rest of it begins the next look.
          type: list
          elements: dict
          returned: always
        offset:
          description: The O(offset) of what follows.
          type: int
          returned: always
        skipped:
          description: The bytes from O(offset) on that are not kept any more.
          type: int
          returned: always
  sample: {}
"""

import json
import sys

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_STATUS
from ansible_collections.background.jobs.plugins.module_utils._runtime.core.status import (
    as_core,
    cleanup,
    failed_look,
    status,
)
from ansible_collections.background.jobs.plugins.module_utils._runtime.door import respond
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION, Look


def main():
    # ansible-core always passes _async_dir where it calls this module; the action does not come here
    spec = dict(ASYNC_STATUS['argument_spec'], _async_dir={'type': 'path'})
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    operation, result_of = {'status': ('status', status), 'cleanup': ('remove', cleanup)}[module.params['mode']]
    response = respond(
        {
            'version': VERSION,
            'op': operation,
            'async_dir': module.params['_async_dir'] or '~/.ansible_async',
            'ids': [module.params['jid']],
            'offsets': [max(0, module.params['offset'] or 0)] if module.params['output'] else None,
        }
    )
    error = response.get('error')
    look = failed_look(module.params['jid'], error) if error else Look(**response['jobs'][0])
    # Another module's result, complete as it is: exit_json() would handle its warnings and the like once more.
    sys.stdout.write('\n%s\n' % json.dumps(as_core(module.ansible_version, look, result_of(look))))
    raise SystemExit  # AnsiballZ takes a module that only returns for one that failed


if __name__ == '__main__':
    main()
