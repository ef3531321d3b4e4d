# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test hosts of the benchmark, near and behind a slow line, and how Ansible is run against them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _cgroup import Cgroup
from _processes import Process, cpu_seconds, of_group
from _proxy import SlowLine
from _system import locked
from hosts import DEPLOY, Fleet, Shape

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / ".build/bench"
HOST = "bench1"
ADDRESSES = 200
ONE_WAY = 0.02
"""Seconds that the slow line holds each byte back, in each direction."""
RUN = "BENCH_RUN"
"""The environment variable that all processes of one run of Ansible have."""


def _mitogen() -> dict[str, str]:
    found = importlib.util.find_spec("ansible_mitogen")
    where = Path(found.origin).parent if found and found.origin else Path("no-mitogen")
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(where / "plugins/strategy")}


@dataclass(frozen=True)
class Setting:
    """How the controller reaches the test host."""

    key: str
    title: str
    slow: bool = False
    pipelining: bool = False


SETTINGS = [
    Setting("near", "Next door"),
    Setting("near-pipelining", "Next door, with pipelining", pipelining=True),
    Setting("slow", f"{ONE_WAY * 2000:.0f} ms away", slow=True),
    Setting("slow-pipelining", f"{ONE_WAY * 2000:.0f} ms away, with pipelining", slow=True, pipelining=True),
]


@dataclass(frozen=True)
class Engine:
    name: str
    playbooks: str
    """What the names of its playbooks end with."""
    environment: dict[str, str] = field(default_factory=dict)


CORE = Engine("ansible-core", "core")
JOBS = Engine("background.jobs", "jobs")
MITOGEN = Engine("mitogen", "core", _mitogen())


class RunFailedError(Exception):
    """A run of Ansible did not do what it should; the message tells where its output is."""


@dataclass(frozen=True)
class Run:
    seconds: list[float]
    """For each playbook, from the start of its first task to its last result."""
    cpu: list[float]
    """For each playbook, the processor time of all processes on the controller in that time; of ssh's as well."""
    whole: float
    """The process, from its start to its end."""
    jobs: list[float]
    """How long the jobs of the last task ran by their supervisors' measure, where there were such."""


@dataclass(frozen=True)
class Stage:
    fleet: Fleet
    slow: SlowLine

    @property
    def _cgroup(self) -> Path:
        return Cgroup(f"{self.fleet.id}/{HOST}").path

    def processes(self) -> list[Process]:
        """All of the test host."""
        return of_group(self._cgroup)

    def cpu(self) -> float:
        """Seconds of processor time that all processes of the test host have taken so far."""
        return cpu_seconds(self._cgroup)

    def clear(self, timeout: float = 120) -> None:
        """End the jobs of the test host, wait until it rests, and put out of the way what is left of them.

        That is removed with the host: a file system like ext4 passes over each inode that was deleted within the last minutes
        when it looks for a free one, so what was deleted here would slow down the next run.
        """
        until = time.monotonic() + timeout
        while True:
            busy = [process for process in self.processes() if process.command.startswith(("python", "sleep"))]
            if not busy:
                break
            if time.monotonic() > until:
                raise RunFailedError(f"The test host does not come to rest: {busy}")
            for process in busy:
                if process.command == "sleep":
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.2)
        put_away = "mkdir -p ~/old && mv ~/.ansible_async ~/old/$(date +%s%N)"
        self.fleet.ssh(HOST, f"test ! -e ~/.ansible_async || {{ {put_away}; }}", user=DEPLOY)

    def run(
        self,
        engine: Engine,
        playbooks: Sequence[str],
        variables: Mapping[str, Any] | None = None,
        *,
        setting: Setting = SETTINGS[0],
        hosts: int = 1,
        forks: int = 5,
        watch: Callable[[str], None] | None = None,
    ) -> Run:
        """Play *playbooks*, in one process, on a test host that is at rest and has no jobs.

        *watch* is called twice a second with the value of the run's variable RUN.
        """
        self.clear()
        mark = secrets.token_hex(8)
        events = WORK / "events"
        events.unlink(missing_ok=True)
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--inventory={self.fleet.inventory}",
            *([f"--inventory={WORK / 'slow.yml'}"] if setting.slow else []),
            "--limit=" + ",".join(_names()[:hosts]),
            f"--forks={forks}",
            f"--extra-vars={json.dumps(variables or {})}",
            *(str(HERE / "playbooks" / _file(name, engine)) for name in playbooks),
        ]
        log = WORK / "ansible.log"
        with _group() as group, open(log, "wb") as output:
            environment = _environment(engine, setting, events, mark, group)
            begin = time.monotonic()
            # The shell enters the group before there is any other process.
            joined = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command]
            process = subprocess.Popen(joined, stdout=output, stderr=output, env=environment)
            while True:
                try:
                    process.wait(0.5 if watch else None)
                    break
                except subprocess.TimeoutExpired:
                    if watch:
                        watch(mark)
            whole = time.monotonic() - begin
        if process.returncode:
            raise RunFailedError(f"{engine.name}: {' '.join(playbooks)} ended with {process.returncode}, see {log}")
        logged = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
        return Run(list(_spans(logged, "at")), list(_spans(logged, "cpu")), whole, logged[-1].get("elapsed", []))


def _file(name: str, engine: Engine) -> str:
    return f"{name}.yml" if (HERE / f"playbooks/{name}.yml").exists() else f"{name}-{engine.playbooks}.yml"


@contextmanager
def _group() -> Iterator[Path]:
    """A control group for one run of Ansible. Its ssh masters are ended with it, so no run finds those of another."""
    group = Cgroup(f"background-jobs-bench-{os.getpid()}")
    group.create()
    try:
        yield group.path
    finally:
        group.kill()


def _environment(engine: Engine, setting: Setting, events: Path, mark: str, group: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    return {
        **inherited,
        "ANSIBLE_CONFIG": str(WORK / "ansible.cfg"),
        "ANSIBLE_HOME": str(WORK / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "bench_events",
        "ANSIBLE_PIPELINING": str(setting.pipelining),
        "BENCH_CGROUP": str(group),
        "BENCH_EVENTS": str(events),
        RUN: mark,
        **engine.environment,
    }


def _spans(events: list[dict[str, Any]], key: str) -> Iterator[float]:
    """Of each playbook, the difference of *key* between its last event and its first."""
    plays: dict[int, list[float]] = {}
    for event in events:
        plays.setdefault(event["play"], []).append(event[key])
    for values in plays.values():
        yield values[-1] - values[0]


def _names() -> list[str]:
    return [HOST, *(f"{HOST}-a{number}" for number in range(2, ADDRESSES + 1))]


@contextmanager
def stage() -> Iterator[Stage]:
    """Have the hosts running, and take them down in the end."""
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "ansible.cfg").write_text("# Whatever Ansible's own defaults are.\n[defaults]\n", encoding="utf-8")
    fleet = Fleet(f"/var/tmp/background-jobs-bench-{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}")
    with locked(WORK / "lock"):
        yield from _stage(fleet)


def _stage(fleet: Fleet) -> Iterator[Stage]:
    try:
        fleet.up(Shape(hosts=1, name=HOST.rstrip("1"), addresses=ADDRESSES))
        pairs = re.findall(r"^Host (\S+)\n +HostName (\S+)$", fleet.ssh_config.read_text(encoding="utf-8"), re.M)
        with SlowLine({name: (address, 22) for name, address in pairs}, ONE_WAY) as slow:
            _write_slow_inventory(dict(pairs), slow)
            yield Stage(fleet, slow)
    finally:
        fleet.down()


def _write_slow_inventory(addresses: Mapping[str, str], slow: SlowLine) -> None:
    hosts = {
        name: {
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_ssh_extra_args": f"-o HostKeyAlias={addresses[name]}",
        }
        for name, port in slow.ports.items()
    }
    (WORK / "slow.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
