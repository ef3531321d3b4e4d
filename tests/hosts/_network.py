# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet's network: a bridge on this machine with an address block of its own, leading nowhere else."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Network
from pathlib import Path

from _system import HostsError, locked, run

_LINKS = Path("/sys/class/net")
_BLOCKS = list(IPv4Network("10.213.0.0/16").subnets(new_prefix=24))
# Two fleets that start at the same time must not choose the same block.
_CHOOSING = Path("/run/background-jobs-hosts.lock")


def open_bridge(name: str) -> IPv4Network:
    """Make the bridge, give it the first address of a block that this machine has no route to, return the block."""
    with locked(_CHOOSING):
        block = _free_block()
        # Left alone, a bridge changes its address with its ports, and a power cut would disturb the other hosts.
        run("ip", "link", "add", name, "address", _hardware_address(name), "type", "bridge")
        run("ip", "address", "add", f"{block[1]}/{block.prefixlen}", "dev", name)
        run("ip", "link", "set", name, "up")
    return block


def close_bridge(name: str) -> None:
    """Remove the bridge and the hosts' ends on it."""
    for link in _LINKS.glob(f"vb-{name}-*"):
        remove_link(link.name)
    remove_link(name)


def remove_link(name: str) -> None:
    """Remove a link, unless the kernel is quicker: it takes a link away with the network of a host that has died."""
    try:
        run("ip", "link", "delete", name)
    except HostsError:
        if (_LINKS / name).exists():
            raise


def _hardware_address(name: str) -> str:
    return ":".join(["02", *(f"{byte:02x}" for byte in hashlib.sha256(name.encode()).digest()[:5])])


def _free_block() -> IPv4Network:
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all"))
    used = [IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"]
    for block in _BLOCKS:
        if not any(block.overlaps(network) for network in used):
            return block
    raise HostsError("No block of 10.213.0.0/16 is free on this machine; is a VPN or another fleet using it?")
