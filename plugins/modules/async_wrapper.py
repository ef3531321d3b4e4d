#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_wrapper
short_description: Carries one request to the jobs of a target
version_added: 0.1.0
description:
  - The target side of this collection. It starts, watches and removes background jobs.
  - People do not call it. The actions of this collection do, and so does ansible-core where this collection is used as a
    drop-in for its C(async).
author:
  - background.jobs contributors (@background-jobs)
extends_documentation_fragment:
  - background.jobs.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  async:
    support: none
options:
  request:
    description:
      - The request, a JSON object, compressed by zlib, as Base64.
    type: str
    required: true
seealso:
  - module: background.jobs.async_run
"""

EXAMPLES = r"""
- name: Nobody writes this by hand, the actions of this collection do
  background.jobs.async_wrapper:
    request: >-
      eJyrVipLLSrOzM9TslIw0lFQyi8AMpRyMotLlIC8xOLKvOT4lMwikGCdvl5iXnFmUk5qPFgcpKC4JLEktRgom1eakwPk5yXmInMLS1NL4fxaAEO5Iuc=
"""

RETURN = r"""
response:
  description: The response, a JSON object in a string.
  returned: success
  type: str
  sample: '{"jobs": []}'
"""

import base64
import json
import sys
import zlib

from ansible.module_utils.ansible_release import __version__
from ansible_collections.background.jobs.plugins.module_utils._runtime.core.wrapper import answer
from ansible_collections.background.jobs.plugins.module_utils._runtime.door import respond


def main():
    if len(sys.argv) > 1:  # called by ansible-core in the place of its own wrapper
        result = answer(sys.argv[1:], __version__)
        sys.stdout.write('\n%s\n' % json.dumps(result))
        sys.exit(1 if result['failed'] else 0)  # pylint: disable=ansible-bad-function  # AnsibleModule is not loaded

    from ansible.module_utils.basic import AnsibleModule  # here, because each supervisor would pay for it in memory

    module = AnsibleModule(
        # no_log: the request holds the job's own arguments and environment
        argument_spec={'request': {'type': 'str', 'required': True, 'no_log': True}},
        supports_check_mode=True,
    )
    request = json.loads(zlib.decompress(base64.b64decode(module.params['request'])).decode('utf-8'))
    module.exit_json(changed=False, response=json.dumps(respond(request)))


if __name__ == '__main__':
    main()
