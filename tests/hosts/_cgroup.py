# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group per test host: every process of the host is in it, and nothing else.

So a host's processes are found and ended without a single pid to remember or to mistake, whoever was killed before
writing one down. And it takes all of them: after SIGKILL to systemd-nspawn alone, the system that it booted runs on.
"""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

from _system import HostsError, mounts


class Watch:
    """Tells whether processes are in a group; polls as POLLPRI when that may have changed."""

    def __init__(self, group: Path) -> None:
        self._events = open(group / "cgroup.events", "rb", buffering=0)  # noqa: SIM115

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()

    def fileno(self) -> int:
        return self._events.fileno()

    def alive(self) -> bool:
        self._events.seek(0)
        return b"populated 1" in self._events.read()


class Cgroup:
    def __init__(self, name: str) -> None:
        mounted = mounts()
        unified = [mount.point for mount in mounted if mount.kind == "cgroup2"]
        if not unified:
            raise HostsError("No cgroup2 file system is mounted here; test hosts need one (unified or hybrid).")
        # On a hybrid layout systemd-nspawn makes the same groups once more, in systemd's own hierarchy.
        named = [mount.point for mount in mounted if mount.kind == "cgroup" and "name=systemd" in mount.options]
        self.path = unified[0] / name
        self.twins = [point / name for point in named]

    def create(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def alive(self) -> bool:
        if not self.path.exists():
            return False
        with self.watch() as watch:
            return watch.alive()

    def watch(self) -> Watch:
        return Watch(self.path)

    def kill(self, timeout: float = 30) -> None:
        """End every process in the group at one stroke, and remove the group."""
        if self.path.exists():
            try:
                (self.path / "cgroup.kill").write_text("1", encoding="ascii")
            except FileNotFoundError:
                raise HostsError("This kernel has no cgroup.kill; test hosts need Linux 5.14 or newer.") from None
            self._await_end(timeout)
        for top in (self.path, *self.twins):
            for group, _folders, _files in os.walk(top, topdown=False):
                Path(group).rmdir()

    def freeze(self, frozen: bool) -> None:
        """Stop every process in the group where it is, or let all of them go on. The kernel does it soon after."""
        (self.path / "cgroup.freeze").write_text("1" if frozen else "0", encoding="ascii")

    def _await_end(self, timeout: float) -> None:
        until = time.monotonic() + timeout
        with self.watch() as watch:
            poller = select.poll()
            poller.register(watch, select.POLLPRI)
            while watch.alive():
                if time.monotonic() > until:
                    raise HostsError(f"Killed processes in {self.path} are still there after {timeout:g} s.")
                poller.poll(1000)


class MemoryGroup:
    """A group whose processes share a few bytes of memory. Whoever wants more meets the kernel's OOM killer."""

    def __init__(self, name: str, size: int) -> None:
        mounted = mounts()
        older = [mount.point for mount in mounted if mount.kind == "cgroup" and "memory" in mount.options]
        unified = [mount.point for mount in mounted if mount.kind == "cgroup2"]
        if older:
            top, self._limits = older[0], {"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size}
        elif unified and "memory" in (unified[0] / "cgroup.controllers").read_text(encoding="ascii").split():
            top, self._limits = unified[0], {"memory.max": size, "memory.swap.max": 0}
            (top / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
        else:
            raise HostsError("This machine cannot limit the memory of a control group.")
        self._path = top / name

    def __enter__(self) -> MemoryGroup:
        self._path.mkdir()
        for name, size in self._limits.items():
            if (self._path / name).exists():  # swap may not be counted
                (self._path / name).write_text(str(size), encoding="ascii")
        return self

    def __exit__(self, *_: object) -> None:
        self._path.rmdir()

    def add(self, pid: int) -> None:
        (self._path / "cgroup.procs").write_text(str(pid), encoding="ascii")
