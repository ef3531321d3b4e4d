# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other files need from the machine they run on: its programs, mounts and locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

log = logging.getLogger("background_jobs.hosts")

_PACKAGE_OF = {
    "chroot": "coreutils",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "mount": "mount",
    "setsid": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
}


# Every host takes seven, and by default a machine has 128.
_INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_NEED = 4096


_held: list[int] = []
"""The locks that we hold, the last one last. What we start holds them as well: after a kill of ours it goes on for a
moment, and who comes next must not begin before it is over."""


class HostsError(Exception):
    """What went wrong, in words for the person who has to mend it."""


class Mount(NamedTuple):
    point: Path
    kind: str
    options: list[str]


def check_machine() -> None:
    """Raise unless this machine can run test hosts."""
    if os.geteuid() != 0:
        raise HostsError("Test hosts need root: they mount, make network links and boot systems. Try again with sudo.")
    missing = [program for program in _PACKAGE_OF if not shutil.which(program, path=environment()["PATH"])]
    if missing:
        packages = sorted({_PACKAGE_OF[program] for program in missing})
        raise HostsError(f"Missing: {', '.join(missing)}. On Debian: apt-get install {' '.join(packages)}")


def lift_limits() -> None:
    """Lift the one kernel limit that a few fleets on one machine run into, whereupon systemd in a host gets stuck."""
    if int(_INOTIFY_LIMIT.read_text(encoding="ascii")) < _INOTIFY_NEED:
        log.info("Setting %s to %s, until this machine boots again", _INOTIFY_LIMIT, _INOTIFY_NEED)
        _INOTIFY_LIMIT.write_text(str(_INOTIFY_NEED), encoding="ascii")


def environment() -> dict[str, str]:
    """The environment for programs: ours, plus the directories of those for root, which su and cron leave out."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"}


def run(*command: str, stdin: str = "") -> str:
    """Run a command, return what it printed; raise with its last words if it fails."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, env=environment(), check=False, pass_fds=_held
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise HostsError("\n  ".join([f"{' '.join(command)} ended with {done.returncode}:", *said[-10:]]))
    return done.stdout


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole or not at all; never through a link, which in a host's tree would lead out of it."""
    if not path.parent.exists():
        path.parent.mkdir()
        path.parent.chmod(0o755)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.chmod(mode)
    unfinished.rename(path)


def mounts() -> list[Mount]:
    """Everything mounted here, in the order it was mounted."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        place, _dash, what = line.partition(" - ")
        kind, _source, options = what.split(" ")
        found.append(Mount(Path(place.split(" ")[4]), kind, options.split(",")))
    return found


def unmount_below(directory: Path) -> None:
    for mount in reversed(mounts()):
        if mount.point.is_relative_to(directory):
            run("umount", str(mount.point))


def remove_tree(directory: Path) -> None:
    """Remove a tree, after what is mounted in it: never through a mount."""
    if directory.exists():
        unmount_below(directory)
        shutil.rmtree(directory)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file or directory. The kernel frees it however we end."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                raise
            log.info("Waiting for another process that has locked %s", path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _held.append(descriptor)
        try:
            yield
        finally:
            _held.remove(descriptor)
    finally:
        os.close(descriptor)


def innermost_lock() -> int:
    """The lock taken last, to be the standard input of a program, which holds it as well."""
    return _held[-1]
