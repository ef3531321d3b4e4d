# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes text of targets, and durations, fit to be shown on a terminal or a page. Private to this collection."""

from __future__ import annotations

import re
import typing as t
import unicodedata

_COLOURS = re.compile(r'\x1b\[[0-9;]*m')
_SPACE = 'Zs'
"""The category of spaces of any width, of which Python calls only the ordinary one printable."""


def clock(seconds: float) -> str:
    """``m:ss``, from an hour on ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}' if hours else f'{minutes}:{rest:02}'


def readable(text: str) -> str:
    """A line of a target's output, safe for any terminal.

    Colours are dropped. If a carriage return starts the line over, as progress bars do, only the last text is left. All
    other control characters, characters that change the direction of text, and bytes that are not UTF-8 become escapes.
    """
    text = _COLOURS.sub('', text).rstrip('\r').rpartition('\r')[2]
    return ''.join(character if _is_harmless(character) else _escaped(character) for character in text)


def readable_lines(text: str) -> str:
    """The lines of *text*, each of them readable()."""
    return '\n'.join(map(readable, text.split('\n')))


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character == '\t' or unicodedata.category(character) == _SPACE


def _escaped(character: str) -> str:
    if '\udc80' <= character <= '\udcff':  # how Python reads a byte that is not UTF-8
        return f'\\x{ord(character) - 0xDC00:02x}'
    return character.encode('unicode_escape').decode()


def printable(text: str) -> str:
    """readable() *text* without tabs, which would move the columns of a terminal."""
    return readable(text).replace('\t', ' ')


def spoken(state: t.Any) -> str:
    """The state of a job as people say it, as in ``timed out``, safe for any terminal."""
    return printable(str(state).replace('_', ' '))


def width(text: str) -> int:
    """Cells that printable *text* takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.category(char) in ('Mn', 'Me'):
        return 0
    return 2 if unicodedata.east_asian_width(char) in 'WF' else 1


def fit(text: str, cells: int) -> str:
    """Printable *text*, cut to *cells*."""
    if width(text) <= cells:
        return text
    kept, used = '', 1  # for the ellipsis
    for char in text:
        used += _cells(char)
        if used > cells:
            break
        kept += char
    return f'{kept}…'
