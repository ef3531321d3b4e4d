# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A copy of an interpreter, for tests that replace it or take a part of it away."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import Target

_PLACES = 'import json, os, sys; print(json.dumps([os.path.realpath(sys.executable), sys.base_prefix, os.__file__]))'
_NOT_NEEDED = 'site-packages', 'dist-packages', 'test', 'tests', 'idlelib', 'ensurepip', 'tkinter', 'config-*', '*.a'


class Copy:
    """A copy of an interpreter that a test may spoil, and the target that uses it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._whole = target.python
        found = subprocess.run([target.python, '-I', '-c', _PLACES], stdout=subprocess.PIPE, check=True).stdout
        program, prefix, module = map(Path, json.loads(found.decode()))
        home = target.directory / 'python'
        self.library = home / module.parent.relative_to(prefix)
        self.program = home / 'bin' / program.name
        self.program.parent.mkdir(parents=True)
        shutil.copy(str(program), str(self.program))
        shutil.copytree(str(module.parent), str(self.library), ignore=shutil.ignore_patterns(*_NOT_NEEDED))
        target.python = str(self.program)

    def replace(self) -> None:
        """Take the standard library away; requests are answered by the interpreter that was copied.

        What is left makes the copy look here, and not in the library of the interpreter that was copied.
        """
        self.library.rename(self.library.with_name('old'))
        (self.library / 'lib-dynload').mkdir(parents=True)
        (self.library / 'os.py').write_bytes(b'')
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.run([str(self.program), '-c', ''], stderr=subprocess.DEVNULL, check=True)
        self.target.python = self._whole

    def remove_extension(self, name: str) -> bool:
        """Take an extension module away. False where it is built into the interpreter."""
        files = list((self.library / 'lib-dynload').glob(name + '.*'))
        for file in files:
            file.unlink()
        return bool(files)
