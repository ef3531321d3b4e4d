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
_LONGEST_CHARACTERS = 200
_READ_CHARACTERS = 1000
"""How much of a text is searched for secrets before it is cut to the length above."""
_CREDENTIALS = re.compile(r'(?<=://)[^/\s]*@')
"""User and password of a URL; a token may stand in the place of either."""
_KEY = r'[\w.-]*(?:passw|passphrase|pwd|secret|token|api[_-]?key|credential|authorization)[\w.-]*'
_SECRET = re.compile(
    rf"""(?<![\w.-])({_KEY}["']?\s*[=:]\s*|-{{1,2}}{_KEY}\s+)(?:(?:bearer|basic)\s+)?("[^"]*"?|'[^']*'?|[^\s&]+)""",
    re.IGNORECASE,
)
"""``key=value``, ``key: value`` and ``--key value`` whose key looks like that of a secret."""


def summary_of(args: c.Mapping[str, t.Any]) -> str | None:
    """What a module with the arguments *args* does, or None if none of them tells."""
    for key in _COMMAND_LINE:
        if args.get(key):
            return one_line(_without_secrets(_text(args[key], shlex.join)))
    telling = [
        f'{key}={_without_secrets(_text(args[key], ",".join))}' for key in _TELLING if _is_telling(args.get(key))
    ]
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


def _text(value: t.Any, join: c.Callable[[list[str]], str]) -> str:
    return join([str(item) for item in value]) if isinstance(value, (list, tuple)) else str(value)


def _without_secrets(text: str) -> str:
    return _SECRET.sub(r'\1***', _CREDENTIALS.sub('', text[:_READ_CHARACTERS]))
