# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of test hosts: its shape, its life, and what to ask of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from _base_tree import DEPLOY, PLAIN, ensure_base_tree
from _cgroup import Cgroup
from _inventory import inventory, ssh_config
from _machine import Machine
from _network import close_bridge, open_bridge
from _system import HostsError, check_machine, lift_limits, locked, remove_tree, run, write_file

_PATH = re.compile(r"/[\w/.+@-]+", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
# The sockets of ssh's shared connections lie below it, and the kernel allows them 107 characters.
_LONGEST_STATE = 70
_HOSTS_PER_BLOCK = 253


@dataclass(frozen=True)
class Shape:
    """What a fleet looks like."""

    hosts: int = 2
    name: str = "host"
    addresses: int = 1
    """Per host. Each becomes a name in the inventory: a larger fleet for Ansible at no cost."""
    pythons: dict[str, str] = field(default_factory=dict)
    """Version: installation prefix on this machine. In the hosts it is at /opt/python/VERSION."""
    kill_user_processes: bool = False
    """Whether logind ends what a user runs when the user's last session ends."""
    packages: list[str] = field(default_factory=list)
    """Debian packages that the hosts have beside the usual ones. Each choice has a base tree of its own."""
    directories: dict[str, str] = field(default_factory=dict)
    """Path in the hosts: the directory of this machine that is there, read-only."""

    def check(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise HostsError(f"{self.name!r} cannot begin a host name: use a-z, 0-9 and -, starting with a letter.")
        if self.hosts < 1 or self.addresses < 1 or self.hosts * self.addresses > _HOSTS_PER_BLOCK:
            raise HostsError(f"A fleet has 1 to {_HOSTS_PER_BLOCK} addresses; {self.hosts} x {self.addresses} is not.")
        for version, prefix in self.pythons.items():
            if not _VERSION.fullmatch(version) or not _PATH.fullmatch(prefix):
                raise HostsError(f"--python {version}={prefix}: expected VERSION=/PREFIX, without odd characters.")
            if not os.access(f"{prefix}/bin/python3", os.X_OK):
                raise HostsError(f"--python {version}={prefix}: there is no bin/python3 to run in it.")
        for path in (path for pair in self.directories.items() for path in pair):
            if not _PATH.fullmatch(path):
                raise HostsError(f"{path}: a directory for the hosts needs a whole path, without odd characters.")


class Fleet:
    """The test hosts whose state is in one directory. What else is theirs on this machine is named after its path."""

    def __init__(self, state: Path | str | None = None) -> None:
        default = f"/var/tmp/background-jobs-hosts-{os.geteuid()}"
        self.state = Path(state or os.environ.get("BACKGROUND_JOBS_HOSTS_STATE") or default).resolve()
        if not _PATH.fullmatch(str(self.state)) or len(str(self.state)) > _LONGEST_STATE:
            raise HostsError(f"{self.state}: the state needs a path of at most {_LONGEST_STATE} plain characters.")
        self.id = "bj" + hashlib.sha256(bytes(self.state)).hexdigest()[:6]
        self.inventory = self.state / "inventory.yml"
        self.ssh_config = self.state / "ssh_config"
        # Where it is missing, nothing is ours to remove.
        self._marker = self.state / ".test-hosts"
        self._record = self.state / "fleet.json"
        self._key = self.state / "id_ed25519"
        self._host_key = self.state / "host_key"
        self._control = self.state / "cm"

    def up(self, shape: Shape | None = None) -> Path:
        """Have a fleet of this shape running, and return its inventory. One that is already running stays."""
        shape = shape or Shape()
        shape.check()
        check_machine()
        self._tell_guardian()
        with self._exclusive():
            base = ensure_base_tree(shape.packages)
            if not self._is_running(shape, base):
                self._clear()
                lift_limits()
                self._start(shape, base)
        return self.inventory

    def down(self) -> None:
        """Remove the fleet and all that any earlier run has left of it."""
        check_machine()
        with self._exclusive():
            self._clear()
            # Another run of tests may have this fleet up again before the guardian of this one looks.
            if note := self._note():
                note.unlink(missing_ok=True)

    def cut(self, name: str) -> None:
        """Cut the power of a host. What it has written stays."""
        with self._exclusive():
            self._machine(name).cut()

    def boot(self, name: str) -> None:
        """Boot a host that is off, and return when it answers."""
        with self._exclusive():
            machine = self._machine(name)
            if machine.alive():
                raise HostsError(f"{name} is running. Cut its power first.")
            with machine.booting():
                pass

    def silent(self, name: str) -> AbstractContextManager[None]:
        """A host says nothing more, as behind a firewall that drops its packets, or without power."""
        return self._machine(name).silent()

    def status(self) -> dict[str, bool]:
        """The hosts, and whether each is running."""
        return {machine.name: machine.alive() for machine in self._machines()}

    def boot_id(self, name: str) -> str:
        return self.ssh(name, "cat /proc/sys/kernel/random/boot_id").stdout.strip()

    def ssh(
        self, name: str, command: str, *, user: str = DEPLOY, stdin: str = "", check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in a host, on a connection of its own; raise if it fails, unless `check` is false."""
        options = ["-F", str(self.ssh_config), "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]
        program = ["ssh", *options, "-l", user, name, command]
        done = subprocess.run(program, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if check and done.returncode:
            raise HostsError(f"{command!r} as {user} in {name} ended with {done.returncode}:\n  {done.stderr.strip()}")
        return done

    def tree(self, name: str) -> Path:
        """The files of a host, as this machine sees them, also when no ssh leads there."""
        return self._machine(name).tree

    def _tell_guardian(self) -> None:
        """Let whoever watches over a run of tests know what to take down (tests/tools/guardian.py)."""
        if note := self._note():
            write_file(note, str(self.state))

    def _note(self) -> Path | None:
        """The file by which the guardian knows of this fleet, or None: nobody watches."""
        run_directory = os.environ.get("BACKGROUND_JOBS_TEST_RUN")
        return Path(run_directory) / f"fleet-{self.id}" if run_directory else None

    def _start(self, shape: Shape, base: Path) -> None:
        block = open_bridge(self.id)
        record = {"shape": asdict(shape), "base": str(base), "block": str(block)}
        write_file(self._record, json.dumps(record, indent=2))
        for key in (self._key, self._host_key):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test hosts", "-f", str(key))
        self._control.mkdir()
        machines = self._machines()
        files = self._common_files(shape)
        with ExitStack() as booting:
            for machine in machines:
                machine.install(files)
                booting.enter_context(machine.booting())
        known_hosts = self.state / "known_hosts"
        wildcard = str(block.network_address).removesuffix("0") + "*"
        write_file(known_hosts, f"{wildcard} {self._host_key.with_suffix('.pub').read_text(encoding='utf-8')}")
        write_file(self.ssh_config, ssh_config(machines, self._key, known_hosts))
        self._check_pythons(machines[0])
        # Last, because with it the fleet counts as complete.
        write_file(self.inventory, inventory(machines, self.ssh_config, self._key, self._control))

    def _common_files(self, shape: Shape) -> dict[str, tuple[str, int]]:
        def read(path: Path) -> str:
            return path.read_text(encoding="utf-8")

        kill = "yes" if shape.kill_user_processes else "no"
        return {
            "etc/ssh/authorized_keys": (read(self._key.with_suffix(".pub")), 0o644),
            "etc/ssh/ssh_host_ed25519_key": (read(self._host_key), 0o600),
            "etc/systemd/logind.conf.d/test-hosts.conf": (f"[Login]\nKillUserProcesses={kill}\n", 0o644),
        }

    def _check_pythons(self, machine: Machine) -> None:
        imports = "import ctypes, hashlib, json, zlib"
        for version in machine.pythons:
            self.ssh(machine.name, f"/opt/python/{version}/bin/python3 -c '{imports}'", user=PLAIN)

    def _is_running(self, shape: Shape, base: Path) -> bool:
        if not self.inventory.exists():
            return False
        record = json.loads(self._record.read_text(encoding="utf-8"))
        same = record["shape"] == asdict(shape) and record["base"] == str(base)
        return same and all(self.status().values())

    def _machine(self, name: str) -> Machine:
        for machine in self._machines():
            if machine.name == name:
                return machine
        raise HostsError(f"There is no host {name!r} in {self.state}.")

    def _machines(self) -> list[Machine]:
        if not self._record.exists():
            return []
        record = json.loads(self._record.read_text(encoding="utf-8"))
        shape = Shape(**record["shape"])
        addresses = map(str, list(IPv4Network(record["block"]).hosts())[1:])
        return [
            Machine(
                name=f"{shape.name}{number}",
                label=f"{self.id}-{number}",
                directory=self.state / "machines" / f"{shape.name}{number}",
                base=Path(record["base"]),
                bridge=self.id,
                addresses=[next(addresses) for _number in range(shape.addresses)],
                pythons=shape.pythons,
                directories=shape.directories,
            )
            for number in range(1, shape.hosts + 1)
        ]

    def _clear(self) -> None:
        Cgroup(self.id).kill()
        close_bridge(self.id)
        for control in self._control.glob("*"):
            # Fails for the socket of a connection that has ended, and then there is nothing to end.
            subprocess.run(["ssh", "-O", "exit", "-S", str(control), "-"], capture_output=True, check=False)
        self._clear_after_nspawn()
        # While it is there, the fleet counts as complete.
        self.inventory.unlink(missing_ok=True)
        for path in set(self.state.iterdir()) - {self._marker}:
            if path.is_dir():
                remove_tree(path)
            else:
                path.unlink()

    def _clear_after_nspawn(self) -> None:
        """Remove what a systemd-nspawn that is killed leaves in /run."""
        run_directory = Path("/run/systemd/nspawn")
        for directory in run_directory.glob(f"propagate/{self.id}-*"):
            directory.rmdir()
        for tree in self.state.glob("machines/*/tree"):
            found = tree.stat()
            (run_directory / "locks" / f"inode-{found.st_dev}:{found.st_ino}").unlink(missing_ok=True)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.state.stat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise HostsError(f"{self.state} is somebody else's, or others may write to it; choose another --state.")
        with locked(self.state):
            if not self._marker.exists():
                if any(self.state.iterdir()):
                    raise HostsError(f"{self.state} holds something else than a fleet; choose another --state.")
                self._marker.touch()
            yield
