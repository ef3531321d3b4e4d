# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian trees that test hosts share: each built once per machine, never written to afterwards."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from _system import HostsError, environment, innermost_lock, locked, log, remove_tree, run, write_file

# The password of root (for su) and of operator (for sudo).
PASSWORD = "correct horse battery staple"
DEPLOY, OPERATOR, PLAIN = USERS = ("deploy", "operator", "plain")

_PACKAGES = "systemd,systemd-sysv,libpam-systemd,dbus,openssh-server,python3,sudo,iproute2,acl"

# Left running, they would wake up in the middle of a test or a measurement.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
)

_FILES = {
    "etc/resolv.conf": ("# A test host has no name server.\n", 0o644),
    "etc/sudoers.d/test-hosts": (f"{DEPLOY} ALL=(ALL:ALL) NOPASSWD: ALL\n{OPERATOR} ALL=(ALL:ALL) ALL\n", 0o440),
    "etc/ssh/sshd_config.d/test-hosts.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\n"
        "AuthorizedKeysFile /etc/ssh/authorized_keys\n"
        "PasswordAuthentication no\n"
        "MaxSessions 500\n"
        "MaxStartups 500\n"
        f"Match User {OPERATOR}\n"
        "PasswordAuthentication yes\n",
        0o644,
    ),
    "etc/systemd/system/test-network.service": (
        "[Unit]\n"
        "Description=Addresses of this test host\n"
        "Before=network.target\n"
        "Wants=network.target\n"
        "[Service]\n"
        "Type=oneshot\n"
        "ExecStart=/usr/bin/ip -batch /etc/test-network\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n",
        0o644,
    ),
}


def ensure_base_tree(more: Iterable[str] = ()) -> Path:
    """Return the base tree, after building it if this machine has none made by this recipe. *more*: Debian packages."""
    _mirror, suite = _mirror_and_suite()
    packages = ",".join((_PACKAGES, *more))
    recipe = hashlib.sha256(repr((packages, _MASKED, _FILES, PASSWORD, USERS)).encode()).hexdigest()
    default = Path("~/.cache/background.jobs/hosts").expanduser()
    cache = Path(os.environ.get("BACKGROUND_JOBS_HOSTS_CACHE") or default).resolve()
    cache.mkdir(parents=True, exist_ok=True)
    tree = cache / f"{suite}-{recipe[:10]}"
    build_once(tree, functools.partial(_build, packages))
    return tree


def build_once(tree: Path, build: Callable[[Path], None]) -> None:
    """Have `build` make the tree unless it is there; one cut short by a crash or a failure never counts as there.

    `build` gets the path to build at. Should this process be killed, the next one waits until its children, which hold
    the lock, too, have ended, and only then clears what they left.
    """
    if tree.exists():
        return
    with locked(tree.with_name(f"{tree.name}.lock")):
        if tree.exists():
            return
        unfinished = tree.with_name(f"{tree.name}.unfinished")
        remove_tree(unfinished)
        build(unfinished)
        # A crash of the machine must not leave the name without the content.
        os.sync()
        unfinished.rename(tree)


def _mirror_and_suite() -> tuple[str, str]:
    mirror = os.environ.get("BACKGROUND_JOBS_HOSTS_MIRROR", "")
    suite = os.environ.get("BACKGROUND_JOBS_HOSTS_SUITE", "")
    if mirror and suite:
        return mirror, suite
    form = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SUITE)|$(REPO_URI)|$(CODENAME)"
    for line in run("apt-get", "indextargets", "--format", form, "Identifier: Packages").splitlines():
        origin, label, component, role, uri, codename = line.split("|")
        if (origin, label, component) == ("Debian", "Debian", "main") and role.endswith("stable"):
            return mirror or uri, suite or codename
    raise HostsError(
        "apt on this machine knows no stable Debian to build test hosts from (is `apt-get update` due?). "
        "Set BACKGROUND_JOBS_HOSTS_MIRROR to a mirror's URL and BACKGROUND_JOBS_HOSTS_SUITE to a release's name."
    )


def debootstrap(tree: Path, *options: str) -> None:
    """Have debootstrap build a smallest Debian at a path, while a lock is held."""
    mirror, suite = _mirror_and_suite()
    journal = tree.with_suffix(".log")
    command = ["debootstrap", "--variant=minbase", *options, suite, str(tree), mirror]
    with open(journal, "w", encoding="utf-8") as output:
        # As its input: an empty file, and the one descriptor that debootstrap never puts to a use of its own.
        done = subprocess.run(
            command, stdin=innermost_lock(), stdout=output, stderr=output, env=environment(), check=False
        )
    if done.returncode:
        said = "\n  ".join(journal.read_text(encoding="utf-8").splitlines()[-5:])
        raise HostsError(f"{' '.join(command)} ended with {done.returncode}. The end of {journal}:\n  {said}")
    journal.unlink()


def _build(packages: str, tree: Path) -> None:
    log.info("Building the base tree at %s; it takes a minute or two, once per machine", tree)
    debootstrap(tree, f"--include={packages}")
    _furnish(tree)


def _furnish(tree: Path) -> None:
    def inside(*command: str, stdin: str = "") -> None:
        run("chroot", str(tree), *command, stdin=stdin)

    for key in tree.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    for name, (text, mode) in _FILES.items():
        write_file(tree / name, text, mode)
    for user in USERS:
        # Debian brings a group named operator, and useradd will not make a group that is there.
        inside("groupadd", "--force", user)
        inside("useradd", "--create-home", "--shell=/bin/bash", f"--gid={user}", user)
    inside("chpasswd", stdin=f"root:{PASSWORD}\n{OPERATOR}:{PASSWORD}\n")
    inside("visudo", "--check", "--quiet")
    inside("systemctl", "mask", *_MASKED)
    inside("systemctl", "enable", "test-network.service")
    inside("apt-get", "clean")
