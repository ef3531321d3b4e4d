# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One test host: a writable layer over the base tree, booted by systemd-nspawn."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from _cgroup import Cgroup
from _network import remove_link
from _system import HostsError, environment, innermost_lock, mounts, run, write_file

# Joins the host's group before it returns and gives up the lock, so that from then on the group knows whether the host
# lives. What stays behind boots the host again after a reboot from within, which systemd-nspawn reports as 133.
# systemd-nspawn gets a group below, because a group that is divided further must hold no process.
_LAUNCHER = """
    echo 0 >"$1/cgroup.procs" || exit
    exec setsid --fork sh -c '
        until (echo 0 >"$0/system/cgroup.procs" && exec "$@"); [ $? -ne 133 ]; do :; done
    ' "$@" </dev/null
"""


_COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True)
class Machine:
    name: str
    label: str
    """Unique on this machine, and short: the kernel allows 15 characters for the link `vb-<label>`."""
    directory: Path
    base: Path
    bridge: str
    addresses: Sequence[str]
    pythons: Mapping[str, str]
    directories: Mapping[str, str]

    @property
    def console(self) -> Path:
        """What the host has printed while booting, over all its boots."""
        return self.directory / "console.log"

    @property
    def tree(self) -> Path:
        return self.directory / "tree"

    @property
    def _cgroup(self) -> Cgroup:
        return Cgroup(f"{self.bridge}/{self.name}")

    def alive(self) -> bool:
        return self._cgroup.alive()

    def install(self, files: Mapping[str, tuple[str, int]]) -> None:
        """Lay the host's own files (path: text and mode) over the base tree."""
        for directory in ("tree", "upper", "work"):
            (self.directory / directory).mkdir(parents=True)
        # It becomes the host's root directory, whatever umask we run with.
        (self.directory / "upper").chmod(0o755)
        self._mount()
        addresses = "".join(f"address add {address}/24 dev host0\n" for address in self.addresses)
        own = {
            "etc/hostname": (f"{self.name}\n", 0o644),
            "etc/hosts": (f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n", 0o644),
            # A tree without one counts as never booted, and systemd would first set it up.
            "etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444),
            "etc/test-network": (f"{addresses}link set host0 up\n", 0o644),
        }
        for name, (text, mode) in {**own, **files}.items():
            write_file(self.tree / name, text, mode)
        self._link_python_libraries()

    @contextmanager
    def booting(self, timeout: float = 180) -> Iterator[None]:
        """Start the boot on entry, be done with it on exit: several hosts boot at the same time."""
        self.cut()
        if all(mount.point != self.tree for mount in mounts()):
            self._mount()
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notify:
            notify.bind(str(path))
            self._launch(path)
            yield
            self._await_boot(notify, time.monotonic() + timeout)
            self._await_ssh()
        path.unlink()

    def cut(self) -> None:
        """Cut the power: everything in the host ends at once, unwarned. What it wrote stays."""
        self._cgroup.kill()
        remove_link(f"vb-{self.label}")

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing in the host goes on, and nothing answers; connections stay open."""
        self._cgroup.freeze(True)
        try:
            yield
        finally:
            self._cgroup.freeze(False)

    def _mount(self) -> None:
        layers = f"lowerdir={self.base},upperdir={self.directory / 'upper'},workdir={self.directory / 'work'}"
        run("mount", "-t", "overlay", "-o", layers, self.label, str(self.tree))

    def _link_python_libraries(self) -> None:
        """Let shared builds find their library, which they look for at the prefix that they were built for."""
        for version, prefix in self.pythons.items():
            for library in Path(prefix, "lib").glob("libpython3.*.so.*"):
                link = self.tree / "usr/lib" / library.name
                link.unlink(missing_ok=True)
                link.symlink_to(f"/opt/python/{version}/lib/{library.name}")

    def _launch(self, notify: Path) -> None:
        command = [
            *("systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--settings=no", "--notify-ready=yes"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"),
            *(f"--directory={self.tree}", f"--machine={self.label}", f"--hostname={self.name}"),
            f"--network-bridge={self.bridge}",
            *(f"--bind-ro={prefix}:/opt/python/{version}" for version, prefix in self.pythons.items()),
            *(f"--bind-ro={directory}:{path}" for path, directory in self.directories.items()),
        ]
        variables = {
            **environment(),
            "NOTIFY_SOCKET": str(notify),
            # What today's distributions boot with, also where this machine itself still has the older layout.
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
        }
        group = self._cgroup.path
        (group / "system").mkdir(parents=True)
        with open(self.console, "ab") as console:
            subprocess.run(
                ["sh", "-c", _LAUNCHER, "sh", str(group), *command],
                stdin=innermost_lock(),
                stdout=console,
                stderr=console,
                env=variables,
                check=True,
            )

    def _await_boot(self, notify: socket.socket, until: float) -> None:
        with self._cgroup.watch() as watch:
            poller = select.poll()
            poller.register(notify, select.POLLIN)
            poller.register(watch, select.POLLPRI)
            while True:
                for descriptor, _event in poller.poll(1000):
                    if descriptor == notify.fileno() and b"READY=1" in notify.recv(4096).split(b"\n"):
                        return
                if not watch.alive():
                    raise self._error("ended while it was booting")
                if time.monotonic() > until:
                    raise self._error("has not finished booting in time")

    def _await_ssh(self) -> None:
        for address in self.addresses:
            try:
                with socket.create_connection((address, 22), timeout=10) as connection:
                    greeting = connection.recv(64)
            except OSError as error:
                raise self._error(f"has booted, but {address} port 22 does not answer ({error})") from error
            if not greeting.startswith(b"SSH-"):
                raise self._error(f"has booted, but {address} port 22 says {greeting!r}, which is not SSH")

    def _error(self, what: str) -> HostsError:
        printed = _COLOUR.sub("", self.console.read_text(encoding="utf-8", errors="replace"))
        said = [line for line in printed.splitlines() if line.strip()]
        return HostsError("\n  ".join([f"{self.name} {what}. The end of {self.console}:", *said[-10:]]))
