# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hands requests to the runtime: a line of JSON on standard input for each, and one on standard output in return.

Runs in the interpreter under test, by its path and outside of any Ansible: `python -I -S _driver.py PLUGINS [PLATFORM]`.
PLATFORM stands in for the name of this system, to try what the runtime does on others.
"""

import json
import sys


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    sys.platform = (sys.argv[2:] or [sys.platform])[0]
    try:
        from module_utils._runtime.door import respond  # type: ignore[import-not-found]
    except ImportError:  # version 0.1.0; any other has no such name, and the traceback tells both errors
        from module_utils._runtime import respond  # type: ignore[import-not-found]

    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(respond(json.loads(line.decode('utf-8')))) + '\n')
        sys.stdout.flush()


main()
