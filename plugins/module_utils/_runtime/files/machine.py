# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine that a job belongs to: several may share one async directory, in a home on NFS for example.

No machine can look at the processes of another, and not every network filesystem shares locks. So only the machine that
a job belongs to starts it, stops it, or finds that it is lost.

Neither the machine id nor the host name identifies a machine by itself. An image may have brought the same
/etc/machine-id to many machines, and many have the host name "localhost". So both together do. A machine that was renamed
is known by the boot id for as long as it is not booted again. So are containers, which share one kernel, whose locks are the
truth for all of them.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from .atomic import read_file
from .clock import boot_id


def host_name():
    """The name of this machine, for people."""
    return os.uname().nodename


def machine_id():
    """The content of /etc/machine-id, or an empty text where the system has none."""
    return (read_file('/etc/machine-id') or b'').decode('ascii', 'replace').strip()


def other_machine(spec):
    """The name of the machine that the job of *spec* belongs to, or None where it is this one. 0.1.0 did not write it."""
    if spec.machine is None or (spec.boot and spec.boot == boot_id()):
        return None
    if (spec.machine, spec.machine_id) == (host_name(), machine_id()):
        return None
    return spec.machine
