# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this machine, as /proc shows them: those of a test host, and those of one run of Ansible."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str
    argv: str

    def pss(self) -> int:
        """Bytes of memory, what is shared with other processes divided among them."""
        return _sizes(self.pid, "smaps_rollup")["Pss"]

    def rss(self) -> int:
        """Bytes of memory, what is shared counted whole."""
        return _sizes(self.pid, "smaps_rollup")["Rss"]

    def wake_ups(self) -> int:
        """How often it has been given a processor."""
        return sum(
            int(line.split()[1])
            for line in _read(self.pid, "status").decode().splitlines()
            if "ctxt_switches" in line.partition(":")[0]
        )


def _read(pid: int, name: str) -> bytes:
    return (_PROC / str(pid) / name).read_bytes()


def _sizes(pid: int, name: str) -> dict[str, int]:
    lines = [line.split() for line in _read(pid, name).decode().splitlines()]
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[-1] == "kB"}


def _process(pid: int) -> Process | None:
    try:
        command, _bracket, fields = _read(pid, "stat").decode(errors="replace").rpartition(")")
        argv = _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
        return Process(pid, int(fields.split()[1]), command.partition("(")[2], argv)
    except OSError:  # it has ended
        return None


def of_group(group: Path) -> list[Process]:
    """The processes of a control group and of those below it."""
    pids: list[int] = []
    for file in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # a login session has ended
            pids += map(int, file.read_text(encoding="ascii").split())
    return [process for process in map(_process, pids) if process]


def cpu_seconds(group: Path) -> float:
    """The processor time of all processes that are or were in a control group or below it."""
    fields = dict(line.split() for line in (group / "cpu.stat").read_text(encoding="ascii").splitlines())
    return int(fields["usage_usec"]) / 1_000_000


def with_variable(name: str, value: str) -> Iterator[Process]:
    """The processes that were given this environment variable, and whose memory is not shared by all: no zombies."""
    wanted = f"{name}={value}".encode()
    for directory in _PROC.iterdir():
        if directory.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in _read(int(directory.name), "environ").split(b"\0"):
                    process = _process(int(directory.name))
                    if process:
                        yield process


def above(process: Process, among: Iterable[Process]) -> list[Process]:
    """Parent, grandparent and so on, up to what belongs to the system."""
    by_pid = {other.pid: other for other in among}
    found: list[Process] = []
    parent = by_pid.get(process.parent)
    while parent and parent.command not in ("systemd", "init", "sshd", "sudo"):
        found.append(parent)
        parent = by_pid.get(parent.parent)
    return found
