# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The live output of jobs (output/tap.py writes it): how it is read, from any offset.

An offset counts the bytes of all records of a job from its beginning, also those that have been dropped since.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.atomic import open_plain

_TAIL_BYTES = 131072
"""The end of the output in which a last line is looked for: more than two of the longest records."""
_STREAMS = {b'out': 'stdout', b'err': 'stderr'}


def read(job, offset, limit_bytes, newest=False):
    """The output of *job* from *offset* on, a dict of

    - ``offset``: of what follows
    - ``skipped``: bytes between *offset* and the first record: dropped by the limit of output, or left out by *newest*
    - ``records``: a list of [stream, text, whole]. The stream is "stdout" or "stderr". The text is a line, or, where
      whole is false, a piece of one that goes on in the next record of that stream. Bytes that are not UTF-8 are lone
      surrogates.

    Where there is more than *limit_bytes*, the first of them are read, or with *newest* half as many of the newest.
    """
    files = _open(job)
    end = files[-1].end if files else 0
    begin = max(offset, files[0].begin if files else 0)
    if newest and end - begin > limit_bytes:
        begin = end - limit_bytes // 2
        begin += _read(files, begin - 1, end).find(b'\n')  # to the beginning of a record
    data = _read(files, begin, min(end, begin + limit_bytes))
    data = data[: data.rfind(b'\n') + 1]
    for file in files:
        file.close()
    return {
        'offset': max(offset, begin + len(data)),
        'skipped': max(0, begin - offset),
        'records': [_record(line) for line in data.split(b'\n') if line[:3] in _STREAMS],
    }


def has_more(job, offset):
    """Whether there is output from *offset* on."""
    return bool(read(job, offset, _TAIL_BYTES, newest=True)['records'])


def last_line(job):
    """The last line that is not blank, also if it is not complete, or None."""
    last = None
    for _stream, text in lines(read(job, 0, _TAIL_BYTES, newest=True)['records']):
        last = text.replace('\r', '\n').strip().rpartition('\n')[2] or last
    return last


def lines(records):
    """The lines of *records*, of which read() returns a list: a list of (stream, text), pieces put together.

    They are in the order of their last pieces. The last line of a stream may go on in the first record that follows.
    """
    found, begun = {}, {}  # number of the last piece -> line; stream -> number of the last piece of a begun line
    for number, (stream, text, whole) in enumerate(records):
        before = found.pop(begun.pop(stream))[1] if stream in begun else ''
        found[number] = (stream, before + text)
        if not whole:
            begun[stream] = number
    return list(found.values())


class _File:
    """A file of records. *begin*, *end*: the offsets of its first and after its last."""

    def __init__(self, fd):
        self._fd = fd
        head = os.pread(fd, 100, 0).partition(b'\n')[0]
        length = len(head) + 1 if head.startswith(b'cut ') else 0
        self.begin = int(head.split()[1]) if length else 0
        self._zero = self.begin - length
        self.end = self._zero + os.fstat(fd).st_size

    def read(self, begin, end):
        return os.pread(self._fd, end - begin, begin - self._zero) if begin < end else b''

    def close(self):
        os.close(self._fd)


def _open(job):
    """The files of *job*, the older one first. That is opened last, because the newer may become the older meanwhile."""
    files = []
    for name in ('output', 'output.old'):
        try:
            fd = open_plain(job.file(name), os.O_RDONLY)
        except OSError:  # none, or a link
            continue
        try:
            files.insert(0, _File(fd))
        except (OSError, ValueError, IndexError):  # not what the tap wrote
            os.close(fd)
    return files


def _read(files, begin, end):
    pieces = []
    for file in reversed(files):
        pieces.insert(0, file.read(max(begin, file.begin), end))
        end = min(end, file.begin)
    return b''.join(pieces)


def _record(line):
    return [_STREAMS[line[:3]], line[4:].decode('utf-8', 'surrogateescape'), line[3:4] == b' ']
