# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which Ansible and ssh reach a fleet."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from _base_tree import DEPLOY, PASSWORD
from _machine import Machine


def inventory(machines: Iterable[Machine], ssh_config: Path, key: Path, control_directory: Path) -> str:
    """The fleet as an Ansible inventory: group `machines`, and `more_addresses` for further names of the same."""
    first: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for machine in machines:
        for name, address in names(machine).items():
            (first if name == machine.name else more)[name] = {"ansible_host": address}
    variables = {
        "ansible_user": DEPLOY,
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": f"-F {shlex.quote(str(ssh_config))}",
        "ansible_control_path_dir": str(control_directory),
        "ansible_python_interpreter": "/usr/bin/python3",
        # Jobs on the controller have their files here, so that those of other hosts of these names are not listed.
        "background_jobs_controller_dir": str(ssh_config.parent / "controller"),
        "ansible_timeout": 60,  # for the host to answer ssh, and sudo to ask: a busy machine may need more than 10 s
        "test_password": PASSWORD,
    }
    children = {"machines": {"hosts": first}, "more_addresses": {"hosts": more}}
    return "---\n" + "".join(_yaml({"all": {"vars": variables, "children": children}}))


def names(machine: Machine) -> dict[str, str]:
    """Every name of a machine and its address: NAME, then NAME-a2, NAME-a3 and so on."""
    first, *more = machine.addresses
    return {machine.name: first, **{f"{machine.name}-a{n}": address for n, address in enumerate(more, start=2)}}


def ssh_config(machines: Iterable[Machine], key: Path, known_hosts: Path) -> str:
    hosts = "".join(
        f"Host {name}\n    HostName {address}\n" for machine in machines for name, address in names(machine).items()
    )
    return (
        f"{hosts}"
        "Host *\n"
        f"    IdentityFile {key}\n"
        "    IdentitiesOnly yes\n"
        "    StrictHostKeyChecking yes\n"
        f"    UserKnownHostsFile {known_hosts}\n"
        "    GlobalKnownHostsFile /dev/null\n"
    )


def _yaml(value: Mapping[str, Any], indent: str = "") -> Iterable[str]:
    for key, item in value.items():
        name = key if key.isidentifier() or "-" in key else json.dumps(key)
        if item and isinstance(item, Mapping):
            yield f"{indent}{name}:\n"
            yield from _yaml(item, f"{indent}  ")
        else:
            yield f"{indent}{name}: {json.dumps(item)}\n"
