# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hands requests to the runtime: a line of JSON on standard input for each, and one on standard output in return.

Runs in the interpreter under test, by its path and outside of any Ansible: `python -I -S _driver.py PLUGINS [PLATFORM]`.
PLATFORM stands in for the name of this system, to try what the runtime does on others. A job without a command is a function
of this process, which runs the job's script, and whose live output is what that writes to its standard error.
"""

import binascii
import functools
import json
import subprocess
import sys


def run(script, output):  # type: ignore[no-untyped-def]
    process = subprocess.Popen(['/bin/sh', '-c', script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr
    for line in process.stderr:
        output.write(line.decode('utf-8'))
    return json.loads(process.communicate()[0].decode('utf-8'))


def functions(request):  # type: ignore[no-untyped-def]
    """The functions of *request*; none of what is no request, about which the runtime complains."""
    try:
        return {
            job['id']: functools.partial(
                run, binascii.a2b_base64(request['bases'][job['payload']['base']]).decode('utf-8')
            )
            for first in request['jobs']
            for job in (first, first['on_end'])
            if job and job['argv'] == []
        }
    except (LookupError, TypeError, ValueError):
        return {}


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    sys.platform = (sys.argv[2:] or [sys.platform])[0]
    try:
        from module_utils._runtime.door import respond  # type: ignore[import-not-found]
    except ImportError:  # version 0.1.0; any other has no such name, and the traceback tells both errors
        from module_utils._runtime import respond  # type: ignore[import-not-found]

    for line in sys.stdin.buffer:
        request = json.loads(line.decode('utf-8'))
        bodies = functions(request)  # type: ignore[no-untyped-call]
        response = respond(request, bodies) if bodies else respond(request)  # the latter as of every version
        sys.stdout.write(json.dumps(response) + '\n')
        sys.stdout.flush()


main()
