# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts: really booted Debian systems to run playbooks against. README.md tells more.

From a shell: `python3 hosts.py up`. From Python: `Fleet().up()`.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from _base_tree import DEPLOY, OPERATOR, PASSWORD, PLAIN
from _fleet import Fleet, Shape
from _kernel import run_in_kernel
from _system import HostsError

__all__ = ["DEPLOY", "OPERATOR", "PASSWORD", "PLAIN", "Fleet", "HostsError", "Shape", "run_in_kernel"]


def main() -> int:
    options = _parser().parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    try:
        fleet = Fleet(options.state)
        if options.command == "up":
            pythons = {version: str(Path(prefix).resolve()) for version, _equals, prefix in options.python}
            shape = Shape(options.hosts, options.name, options.addresses, pythons, options.kill_user_processes)
            path = fleet.up(shape)
            print(f"# {path}\n{path.read_text(encoding='utf-8')}", end="")
        elif options.command == "down":
            fleet.down()
        elif options.command == "status":
            for name, running in fleet.status().items():
                print(name, "running" if running else "off")
        else:
            getattr(fleet, options.command)(options.host)
    except (HostsError, OSError) as error:
        print(f"hosts.py: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hosts.py", description="Test hosts: really booted Debian systems.")
    parser.add_argument("--state", metavar="DIR", help="where the fleet lives; each directory is a fleet of its own")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="have a fleet running, and print its inventory")
    up.add_argument("-n", "--hosts", type=int, default=Shape.hosts, help="how many hosts (%(default)s)")
    up.add_argument("--name", metavar="PREFIX", default=Shape.name, help="what their names begin with (%(default)s)")
    up.add_argument("--addresses", metavar="K", type=int, default=Shape.addresses, help="per host (%(default)s)")
    up.add_argument(
        "--python",
        metavar="VERSION=PREFIX",
        type=lambda text: text.partition("="),
        action="append",
        default=[],
        help="put the Python installed at PREFIX at /opt/python/VERSION in the hosts; may be repeated",
    )
    up.add_argument("--kill-user-processes", action="store_true", help="logind ends what a user leaves behind")
    commands.add_parser("down", help="remove the fleet, and whatever a crash has left of it")
    commands.add_parser("status", help="tell which hosts are running")
    for name, what in {"cut": "cut a host's power; its files stay", "boot": "boot a host that is off"}.items():
        commands.add_parser(name, help=what).add_argument("host", metavar="NAME")
    return parser


if __name__ == "__main__":
    sys.exit(main())
