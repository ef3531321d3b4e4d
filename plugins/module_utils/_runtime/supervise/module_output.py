# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module of a job printed, and the result in it.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json

from ..files.atomic import read_file
from ..output.last_lines import tail

UNREADABLE = (ValueError, RecursionError, MemoryError)
"""What parse() raises for what is no JSON, nested more deeply than this Python can read, or larger than its memory."""
_MOST_BYTES = 16 * 1024 * 1024
"""Of what the module printed, unless it is a result. Whoever looks at a job has to have memory for it."""
_MOST_RESULT_BYTES = 256 * 1024 * 1024


def read_text(job, name):
    """What the module printed; bytes that are not UTF-8 survive as lone surrogates. Too much of it is cut, and says so."""
    path, most = job.file(name), _MOST_BYTES
    data = read_file(path, most + 1)
    if data is None:
        return None
    if len(data) > most and name == 'stdout' and _ends_as_a_result(job):
        most = _MOST_RESULT_BYTES
        data = read_file(path, most + 1)
    cut = '\n[cut: all of it is in %s]' % path if len(data) > most else ''
    return data[:most].decode('utf-8', 'surrogateescape') + cut


def _ends_as_a_result(job):
    """Whether one of the last lines on stdout may be the last one of a result (parse())."""
    return any(line.strip().endswith('}') for line in tail(job, 'stdout'))


def read_result(job):
    """The module's result as ansible-core's own job file has it, or None where it printed none."""
    try:
        result, junk = parse(read_text(job, 'stdout') or '')
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
