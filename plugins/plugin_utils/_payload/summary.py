# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arguments of a module -> one line that tells a person what the module does. Private to this collection.

Secrets stay out as far as they can be recognised. Which arguments a module marks with `no_log` is written in the module,
on the controller in its source only, so an argument is shown only if it is one of a few that name things.
"""

from __future__ import annotations

import collections.abc as c
import re
import shlex
import typing as t

_COMMAND_LINE = ('_raw_params', 'cmd', 'argv')
"""The arguments that hold a command line."""
_TELLING = ('name', 'path', 'dest', 'src', 'repo', 'url')
"""The arguments that tell what a module works on."""
_MASK = '***'
_LONGEST_CHARACTERS = 200
_READ_CHARACTERS = 1000
"""How much of a text is searched for secrets before it is cut to the length above."""
_CREDENTIALS = re.compile(r'(?<=://)[^/\s]*@')
"""User and password of a URL; a token may stand in the place of either."""
_KEY = r'[\w.-]*(?:passw|passphrase|pwd|secret|token|api[_-]?key|credential)[\w.-]*'
_HEADER = r'[\w.-]*authorization'
_QUOTED = r"""(?:"(?:\\.|[^"\\])*"?|'[^']*'?)+"""
"""Quotes that touch each other are one word, as for a shell."""
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A header has blanks and commas in its value, which ends with the quote around the header, or else with the line.
        rf"""("{_HEADER}\s*[=:]\s*)(?:\\.|[^"\\\n])+""",
        rf"""('{_HEADER}\s*[=:]\s*)[^'\n]+""",
        rf"""((?<![\w.'"-]){_HEADER}\s*[=:]\s*|(?<![\w.-])(?:{_HEADER}["']\s*[=:]|-{_HEADER}\s)\s*)(?:{_QUOTED}|.+)""",
        # ``key=value``, ``key: value`` and ``--key value``. In the query of a URL, the value ends with ``&``.
        rf"""((?:([?&])|(?<![\w.-]))(?:{_KEY}["']?\s*[=:]|-{_KEY}\s)\s*)(?:(?:bearer|basic)\s+)?"""
        rf"""(?:{_QUOTED}|(?(2)[^\s&]+|\S+))""",
    )
)
_ITEM = re.compile(rf"""(?<![\w.-])((?:{_KEY}|{_HEADER})["']?\s*[=:]\s*).+""", re.IGNORECASE | re.DOTALL)
"""``key=value`` and ``key: value`` in an item of an argument vector, which the value ends with."""
_OPTION = re.compile(rf'-(?:{_KEY}|{_HEADER})', re.IGNORECASE)
"""An item whose value is the next one."""


def summary_of(args: c.Mapping[str, t.Any]) -> str | None:
    """What a module with the arguments *args* does, or None if none of them tells."""
    for key in _COMMAND_LINE:
        if args.get(key):
            return one_line(_command_line(args[key]))
    telling = [f'{key}={_without_secrets(_joined(args[key]))}' for key in _TELLING if _is_telling(args.get(key))]
    return one_line(' '.join(telling)) if telling else None


def one_line(text: str) -> str:
    """*text* on one line of limited length."""
    line = ' '.join(str(text)[:_READ_CHARACTERS].split())
    return line if len(line) <= _LONGEST_CHARACTERS else f'{line[: _LONGEST_CHARACTERS - 1]}…'


def _is_telling(value: t.Any) -> bool:
    """Whether *value* is text, a number, or a list of them. In a mapping may be anything."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_telling, value))
    return isinstance(value, (str, int, float)) and value != ''


def _joined(value: t.Any) -> str:
    return ','.join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _command_line(value: t.Any) -> str:
    return (
        shlex.join(_items_without_secrets(value)) if isinstance(value, (list, tuple)) else _without_secrets(str(value))
    )


def _items_without_secrets(argv: c.Sequence[t.Any]) -> c.Iterator[str]:
    """The items of *argv* that a summary has room for. In the quotes of a command line, their ends could not be told."""
    is_secret = False
    for item in map(str, argv[:_LONGEST_CHARACTERS]):
        yield _MASK if is_secret else _without_secrets(_ITEM.sub(rf'\1{_MASK}', item[:_READ_CHARACTERS]))
        is_secret = _OPTION.fullmatch(item[:_READ_CHARACTERS]) is not None


def _without_secrets(text: str) -> str:
    text = _CREDENTIALS.sub('', text[:_READ_CHARACTERS])
    for secret in _SECRETS:
        text = secret.sub(rf'\1{_MASK}', text)
    return text
