# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module of a job printed, and the result in it.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json

from ..files.atomic import read_file

UNREADABLE = (ValueError, RecursionError)
"""What parse() raises for what is no JSON, or nested more deeply than this Python can read."""


def read_text(job, name):
    """What the module printed; bytes that are not UTF-8 survive as lone surrogates."""
    data = read_file(job.file(name))
    return None if data is None else data.decode('utf-8', 'surrogateescape')


def read_result(job):
    """The module's result as ansible-core's own job file has it, or None where it printed none."""
    text = read_text(job, 'stdout')
    try:
        result, junk = parse(text or '')
    except UNREADABLE:
        return None
    if junk:
        warnings = result.get('warnings', [])
        result['warnings'] = (warnings if isinstance(warnings, list) else [warnings]) + [junk]
    stderr = read_text(job, 'stderr')
    if stderr:
        result['stderr'] = stderr
    return result


def parse(text):
    """(the JSON object in *text*, a warning about what follows it or None); ValueError where there is none.

    Lines before the first that begins with a brace are dropped (a login banner, say), and those after the last
    that ends with one.
    """
    lines = text.splitlines()
    opening = [number for number, line in enumerate(lines) if line.strip().startswith('{')]
    closing = [number for number, line in enumerate(lines) if line.strip().endswith('}')]
    if not opening or not closing or closing[-1] < opening[0]:
        raise ValueError('No %s of json char found' % ('end' if opening else 'start'))  # ansible-core's words
    first, last = opening[0], closing[-1] + 1
    result = json.loads('\n'.join(lines[first:last]))
    junk = None
    if any(line.strip() for line in lines[last:]):
        junk = 'Module invocation had junk after the JSON data: %s' % '\n'.join(lines[last:])
    return result, junk


def is_failure(result):
    if 'failed' in result:
        return bool(result['failed'])
    return result.get('rc', 0) not in (0, '0', None)
