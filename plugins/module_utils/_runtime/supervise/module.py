# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The body of a job that is a module: a program that is executed.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import binascii
import os

from ..files.atomic import read_file, write_file
from ..output import tapping
from ..protocol import PayloadReference
from .body_start import as_bytes, as_text, ended_environment


class Module:
    """Executes what the Launch of its job says."""

    def words(self, job, launch):
        """The command, as a person may see it."""
        return [word.replace('{job}', as_text(job.path)) for word in launch.argv]

    def begin(self, job, launch, begun):
        """Turn this process into the module. *begun*: a descriptor, which the execution closes."""
        words = [as_bytes(word) for word in self.words(job, launch)]
        environment = dict(launch.environment, **ended_environment(job))
        os.execvpe(words[0], words, {as_bytes(name): as_bytes(value) for name, value in environment.items()})

    def open_stdin(self, job, launch):
        """The module itself, where its interpreter reads it from there; else nothing."""
        reference = PayloadReference(**launch.payload)
        base = read_file(job.file('base'))
        if base is None or len(base) < reference.head + reference.tail:  # a power cut while the job waited
            raise OSError('the file of its module is not whole')
        middle = binascii.a2b_base64(reference.middle)
        payload = job.file('payload')
        module = base[: reference.head] + middle + base[len(base) - reference.tail :]
        if launch.stdin and launch.output_limit:
            os.close(job.open_output('output'))
            module = tapping.tapped(module, job.file('output'), launch.output_limit)
        write_file(payload, module)
        if launch.stdin:
            stdin = os.open(payload, os.O_RDONLY)
            os.unlink(payload)
            return stdin
        os.chmod(payload, 0o700)  # a binary module is its own interpreter
        return os.open(os.devnull, os.O_RDONLY)
