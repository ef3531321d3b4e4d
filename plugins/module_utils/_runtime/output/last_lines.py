# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last lines that a job printed, for whoever wants to know why it ended badly.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import os

from ..files.atomic import open_plain
from .reader import lines, read

_LINES = 20
_TAIL_BYTES = 65536
"""How much of the end of each file is read."""
_LINE_CHARACTERS = 200
_JSON_BYTES = 2500
"""All lines together, as JSON: they share the room that is set aside for the end of a job with its reason."""


def last_lines(job, with_stdout):
    """The last lines of the live output (list of str, oldest first).

    If there is none: those of the module's stdout (only *with_stdout*) and stderr.
    """
    printed = _live(job)
    if not printed:
        printed = (tail(job, 'stdout') if with_stdout else []) + tail(job, 'stderr')
    kept, room = [], _JSON_BYTES
    for line in (line.strip()[:_LINE_CHARACTERS] for line in reversed(printed)):
        room -= len(json.dumps(line)) + 2
        if len(kept) == _LINES or room < 0:
            break
        if line:
            kept.insert(0, line)
    return kept


def _live(job):
    """The lines of the live output of *job*."""
    records = read(job, 0, _TAIL_BYTES, newest=True)['records']
    return [part for _stream, text in lines(records) for part in _shown(text)]


def _shown(line):
    """What a terminal shows of a line: of a progress bar, its last state."""
    return line.rstrip('\r').split('\r')[-1:]


def tail(job, name):
    """The last lines (list of str) of the file *name* of *job*, the first of them perhaps not whole."""
    try:
        fd = open_plain(job.file(name), os.O_RDONLY)
    except OSError:  # none there, or something else in its place
        return []
    try:
        data = os.pread(fd, _TAIL_BYTES, max(0, os.fstat(fd).st_size - _TAIL_BYTES))
    except OSError:  # a directory
        return []
    finally:
        os.close(fd)
    return [part for line in data.decode('utf-8', 'replace').split('\n') for part in _shown(line)]
