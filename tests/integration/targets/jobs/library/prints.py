#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints just the bytes that it is told to (PADDING stands for many), and ends as it is told to."""

import base64
import os
import signal

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            'stdout': {'type': 'str', 'default': ''},
            'stderr': {'type': 'str', 'default': ''},
            'rc': {'type': 'int', 'default': 0},
            'signal': {'type': 'str'},
            'padding': {'type': 'int', 'default': 0},
        }
    )
    for name, fd in (('stdout', 1), ('stderr', 2)):
        with os.fdopen(fd, 'wb') as stream:
            stream.write(base64.b64decode(module.params[name]).replace(b'PADDING', b'x' * module.params['padding']))
    if module.params['signal']:
        os.kill(os.getpid(), getattr(signal, module.params['signal']))
    os._exit(module.params['rc'])


if __name__ == '__main__':
    main()
