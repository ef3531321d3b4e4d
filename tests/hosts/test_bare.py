# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves that .ci makes a Debian ready that has nothing on it. Where the tests run, somebody may have helped by hand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from _base_tree import debootstrap
from _system import HostsError, locked, remove_tree, run

ROOT = Path(__file__).resolve().parents[2]
# What every Debian has, and what comes with an environment of ours.
EVERYWHERE = (
    "apt-get bash cat chmod cp date dpkg-query echo env false find grep ls mkdir mkfifo mv readlink rm sed sh sleep tar test "
    "touch true ansible ansible-galaxy ansible-playbook python3"
)


def needs() -> dict[str, list[str]]:
    """Package -> what of it is looked for."""
    lines = (ROOT / ".ci/packages").read_text(encoding="utf-8").splitlines()
    columns = [line.split("  ") for line in lines if line and not line.startswith("#")]
    return {package: next(filter(None, more)).split() for package, *more in columns}


def programs(code: Path) -> Iterator[str]:
    """The programs that are called by their names in a file of ours."""
    for node in ast.walk(ast.parse(code.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        first = node.args[0]
        if isinstance(first, ast.List) and first.elts:
            first = first.elts[0]
        called = getattr(node.func, "attr", getattr(node.func, "id", None))
        if called in ("run", "Popen", "call", "check_call", "check_output", "which") and isinstance(
            first, ast.Constant
        ):
            word = str(first.value)
            if word.isascii() and word.replace("-", "").isalnum():  # the rest are scripts for the shell of a job
                yield word


def test_every_program_that_the_tests_call_is_in_the_list() -> None:
    listed = {thing for things in needs().values() for thing in things}
    called = {name: path.name for path in ROOT.glob("tests/**/*.py") for name in programs(path)}
    missing = {name: file for name, file in called.items() if name not in listed.union(EVERYWHERE.split())}
    assert missing == {}, "the package of each belongs into .ci/packages, with a reason"


@pytest.fixture
def bare() -> Iterator[Path]:
    """The smallest Debian that apt can install something into."""
    with TemporaryDirectory(prefix="bare-", dir="/var/tmp") as directory:
        tree = Path(directory) / "tree"
        with locked(Path(directory)):
            debootstrap(tree)
        yield tree
        remove_tree(tree)


def inside(tree: Path, *command: str) -> str:
    """Run a command in the tree, with this machine's network and nothing else of it but our .ci."""
    options = ["--quiet", "--register=no", "--keep-unit", "--settings=no", "--pipe", "--resolv-conf=copy-host"]
    return run("systemd-nspawn", *options, f"--directory={tree}", f"--bind-ro={ROOT / '.ci'}:/ci", *command)


@pytest.mark.hosts
@pytest.mark.nightly
def test_a_bare_debian_is_made_ready(bare: Path) -> None:
    with pytest.raises(HostsError):
        inside(bare, "sh", "-c", "command -v git")

    inside(bare, "/ci/install")  # which fails if it does not find what it looks for

    for package, things in needs().items():
        assert inside(bare, "dpkg-query", "--show", "--showformat=${db:Status-Status}", package) == "installed", package
        for thing in things:
            name = thing if thing.startswith("/") else f"*bin/{thing}"
            assert list((bare / "usr").glob(name.removeprefix("/usr/"))), thing
    assert inside(bare, "/ci/install") == "", "the second time there is nothing to do"
