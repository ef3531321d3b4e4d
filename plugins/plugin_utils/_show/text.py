# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of a target, and durations, as a terminal or a page may show them. Private to this collection."""

from __future__ import annotations

import re

_COLOURS = re.compile(r'\x1b\[[0-9;]*m')


def clock(seconds: float) -> str:
    """``m:ss``, from an hour on ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}' if hours else f'{minutes}:{rest:02}'


def readable(text: str) -> str:
    """A line of a target's output, safe for any terminal.

    Colours are dropped, of what a progress bar has written over itself the last is left, and all other control
    characters, what steers the direction of text, and bytes that are not UTF-8 are written as escapes.
    """
    text = _COLOURS.sub('', text).rstrip('\r').rpartition('\r')[2]
    return ''.join(
        character if character == '\t' or character.isprintable() else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    if '\udc80' <= character <= '\udcff':  # how Python reads a byte that is not UTF-8
        return f'\\x{ord(character) - 0xDC00:02x}'
    return character.encode('unicode_escape').decode()
