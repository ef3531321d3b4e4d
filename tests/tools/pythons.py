# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the Python interpreters of this machine.

    pythons.py best 3.10 3.12   the path of the newest one from 3.10 to 3.12 that can make virtual environments
    pythons.py list             a line VERSION=PREFIX for each that can run the target side
    pythons.py path             a PATH on which they are python3.6 and so on, and none fails

BACKGROUND_JOBS_PYTHONS (paths of interpreters, separated by colons) is asked first, then PATH.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

OLDEST = (3, 6)
NEWEST = (3, 16)

# Runs in the interpreter under test, so it is old syntax. A Debian without python3-venv has venv, but no ensurepip.
PROBE = """
import json, platform, sys
try:
    import ensurepip, venv
    venv = True
except ImportError:
    venv = False
print(json.dumps([platform.python_implementation(), sys.version_info[:2], sys.executable, sys.base_prefix, venv]))
"""


class Interpreter(NamedTuple):
    """An interpreter that was run, not only found: a version manager's shim may exist and yet fail."""

    version: tuple[int, int]
    path: str
    prefix: str
    venv: bool


def _candidates() -> Iterator[str]:
    yield from filter(None, os.environ.get("BACKGROUND_JOBS_PYTHONS", "").split(os.pathsep))
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        yield f"python3.{minor}"
    yield "python3"


def _probe(candidate: str) -> Interpreter | None:
    path = shutil.which(candidate)
    if not path:
        return None
    try:
        answer = subprocess.run([path, "-c", PROBE], capture_output=True, check=True, timeout=30, text=True).stdout
        implementation, version, executable, prefix, venv = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "CPython" or tuple(version) < OLDEST:
        return None
    return Interpreter((version[0], version[1]), executable, prefix, venv)


@functools.cache
def interpreters() -> tuple[Interpreter, ...]:
    """Return one CPython per version, oldest version first. All are run once, which takes a second."""
    found: dict[tuple[int, int], Interpreter] = {}
    for candidate in _candidates():
        interpreter = _probe(candidate)
        if interpreter:
            found.setdefault(interpreter.version, interpreter)
    return tuple(sorted(found.values()))


def best(oldest: tuple[int, int], newest: tuple[int, int]) -> Interpreter | None:
    """Return the newest one in the range that can make virtual environments."""
    able = [i for i in interpreters() if i.venv and oldest <= i.version <= newest]
    return able[-1] if able else None


def search_path() -> str:
    """Return PATH with all of these in front, and without the directories that have a python3.N which fails."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    inherited = os.environ.get("PATH", os.defpath).split(os.pathsep)
    tried = {entry: [_probe(path) for name in names if (path := shutil.which(name, path=entry))] for entry in inherited}
    return os.pathsep.join(
        [os.path.join(interpreter.prefix, "bin") for interpreter in interpreters()]
        + [entry for entry, probes in tried.items() if None not in probes]
    )


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def main(arguments: list[str]) -> int | str:
    """Answer one question on standard output."""
    if arguments == ["list"]:
        for interpreter in interpreters():
            print("{}.{}={}".format(*interpreter.version, interpreter.prefix))
        return 0
    if arguments == ["path"]:
        print(search_path())
        return 0
    if len(arguments) == 3 and arguments[0] == "best":
        oldest, newest = arguments[1:]
        chosen = best(_version(oldest), _version(newest))
        if not chosen:
            return f"no CPython from {oldest} to {newest} with venv on PATH or in BACKGROUND_JOBS_PYTHONS"
        print(chosen.path)
        return 0
    return __doc__ or "usage"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
