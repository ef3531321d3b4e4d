# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux of its own that runs one script in the base tree: User Mode Linux, a kernel that is an ordinary program.

Test hosts share the kernel of this machine, and with it the controllers of cgroup v2, which are all taken where this machine
uses cgroup v1 for them. This kernel has every one of them. It has no network.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from _base_tree import ensure_base_tree
from _system import HostsError, check_machine, write_file

_KERNEL = "linux.uml"
_MEMORY = "768M"
_SECONDS = 300
_SHARE = "/share"
"""Where the script finds what is shared with it."""
_OUTPUT = "script-output"
_BOOT = """
    mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" kernel "$2/tree" || exit
    exec timeout --kill-after=10 "$3" "$4" root=/dev/root rootfstype=hostfs "rootflags=$2/tree" rw "mem=$5" \\
        con=null con0=null,fd:1 "init=$6" systemd.show_status=0 systemd.unified_cgroup_hierarchy=1
"""
_RUN = f"""#!/bin/sh
mkdir -p {_SHARE}
mount -t hostfs none {_SHARE} -o %s
export PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/root
{{
%s
}} >/{_OUTPUT} 2>&1
sync
"""
_WITHOUT_SYSTEMD = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
/script
echo o >/proc/sysrq-trigger
sleep 60
"""
_UNIT = """[Unit]
Wants=systemd-logind.service
After=systemd-logind.service
[Service]
Type=oneshot
ExecStart=/script
ExecStopPost=systemctl poweroff --force --force
"""


def run_in_kernel(script: str, share: Path, directory: Path, *, systemd: bool) -> str:
    """What a shell *script* prints as root of a Linux of its own. It finds the directory *share* of this machine at /share.

    *directory*: an empty one, for what the kernel needs. *systemd*: it is booted, with all its services but ssh; otherwise the
    script is the only program. Raises HostsError where this machine has no such kernel, or the script does not end.
    """
    check_machine()
    kernel = shutil.which(_KERNEL)
    if kernel is None:
        raise HostsError(f"There is no {_KERNEL} here. On Debian: apt-get install user-mode-linux")
    for name in ("upper", "work", "tree"):
        (directory / name).mkdir()
    _furnish(directory / "upper", _RUN % (share, script), systemd=systemd)
    # The mount is seen by these processes alone, and ends with them.
    words = ["unshare", "--mount", "sh", "-c", _BOOT, "sh"]
    words += [str(ensure_base_tree()), str(directory), str(_SECONDS), kernel, _MEMORY]
    words += ["/sbin/init" if systemd else "/first"]
    with open(directory / "console.log", "wb") as console:
        subprocess.run(words, stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=False)
    output = directory / "upper" / _OUTPUT
    if not output.exists():
        said = (directory / "console.log").read_text(encoding="utf-8", errors="replace").splitlines()
        raise HostsError("\n  ".join(["The script did not run. The end of the console:", *said[-10:]]))
    return output.read_text(encoding="utf-8")


def _furnish(upper: Path, script: str, *, systemd: bool) -> None:
    upper.chmod(0o755)
    write_file(upper / "script", script, 0o755)
    write_file(upper / "first", _WITHOUT_SYSTEMD, 0o755)
    if not systemd:
        return
    etc = upper / "etc"
    wanted = etc / "systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True)
    write_file(etc / "machine-id", "0123456789abcdef0123456789abcdef\n", 0o444)
    write_file(etc / "systemd/system/script.service", _UNIT)
    (wanted / "script.service").symlink_to("/etc/systemd/system/script.service")
    for unit in ("ssh.service", "test-network.service"):
        (etc / "systemd/system" / unit).symlink_to("/dev/null")
