# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a job may use of its host, as people write it -> checked values. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import difflib
import math
import re
import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Resources, resources_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import WrongValue
from ansible_collections.background.jobs.plugins.plugin_utils._options.numbers import whole

_UNITS = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40}
_MEMORY = re.compile(r'([0-9]+(?:\.[0-9]+)?)([KMGT]?)', re.IGNORECASE)
_CPU = re.compile(r'([0-9]+(?:\.[0-9]+)?)%')
_IO = re.compile(r'idle|(?:best-effort|realtime)(?::[0-7])?')
_LEAST_MEMORY_BYTES = 1 << 20
_NICE_VALUES = range(-20, 20)


def resources(options: t.Any, what: str) -> Resources:
    """The Resources that *options* ask for. *what*: where they stand, for messages.

    Raises AnsibleActionFail for what is wrong with them.
    """
    if not isinstance(options, c.Mapping):
        raise WrongValue(
            f"'{what}' must be a mapping like {{memory: 2G, cpu: 150%, nice: 10}}",
            f"'{options}'",
        )
    for key in options:
        if key not in _READERS:
            close = difflib.get_close_matches(str(key), _READERS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f'it has {", ".join(_READERS)}.'
            raise AnsibleActionFail(f"'{what}' has no key '{key}': {hint}")
    given = {key: value for key, value in options.items() if value is not None}
    return resources_of({key: _READERS[key](value, f'{key} of {what}') for key, value in given.items()})


def _memory(value: t.Any, what: str) -> int:
    match = _MEMORY.fullmatch(str(value).strip())
    count = float(match[1]) * _UNITS[match[2].upper()] if match else 0
    if not _LEAST_MEMORY_BYTES <= count < math.inf:
        raise WrongValue(
            f"'{what}' must be a number of bytes of 1M or more, like 200M or 2G (K, M, G, T count 1024)",
            f"'{value}'",
        )
    return int(count)


def _cpu(value: t.Any, what: str) -> float:
    match = _CPU.fullmatch(str(value).strip())
    if match is None or not 1 <= float(match[1]) < math.inf:
        raise WrongValue(
            f"'{what}' must be 1% or more of one processor, like 50%, or 150% for one and a half",
            f"'{value}'",
        )
    return float(match[1])


def _tasks(value: t.Any, what: str) -> int:
    count = whole(value)
    if count is None or count < 1:
        raise WrongValue(
            f"'{what}' must be a whole number of processes and threads of 1 or more",
            f"'{value}'",
        )
    return count


def _nice(value: t.Any, what: str) -> int:
    nice = whole(value)
    if nice not in _NICE_VALUES:
        raise WrongValue(
            f"'{what}' must be a nice value from -20 (goes first) to 19 (waits for all others)",
            f"'{value}'",
        )
    return t.cast('int', nice)


def _io(value: t.Any, what: str) -> str:
    text = str(value).strip()
    if _IO.fullmatch(text) is None:
        raise WrongValue(
            f"'{what}' must be idle, best-effort or realtime; the last two may have a level from 0 (goes first) to 7, like "
            'best-effort:7',
            f"'{value}'",
        )
    return text


_READERS: dict[str, c.Callable[[t.Any, str], t.Any]] = {
    'memory': _memory,
    'cpu': _cpu,
    'tasks': _tasks,
    'nice': _nice,
    'io': _io,
}
"""Key -> what makes a checked value of what people wrote."""
