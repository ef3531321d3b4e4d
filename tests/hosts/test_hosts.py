# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves the test hosts themselves. The first run on a machine builds the base tree, which takes a minute or two."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from _base_tree import build_once
from _cgroup import Cgroup
from hosts import DEPLOY, OPERATOR, PASSWORD, PLAIN, Fleet, HostsError, Shape

CLI = [sys.executable, str(Path(__file__).with_name("hosts.py"))]

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(os.geteuid() != 0, reason="test hosts need root"),
]


SHAPE = Shape(
    hosts=2, addresses=2, pythons={"0.0": sys.base_prefix}, directories={"/opt/here": str(Path(__file__).parent)}
)


@pytest.fixture
def empty_fleet() -> Iterator[Fleet]:
    """A fleet that is not up, with a state path as short as it has to be."""
    with TemporaryDirectory(prefix="hosts-", dir="/var/tmp") as state:
        fleet = Fleet(state)
        yield fleet
        fleet.down()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with TemporaryDirectory(prefix="hosts-", dir="/var/tmp") as state:
        fleet = Fleet(state)
        fleet.up(SHAPE)
        yield fleet
        fleet.down()


def traces(fleet: Fleet) -> dict[str, list[str]]:
    """Everything of a fleet that can be found on this machine, by kind."""
    group = Cgroup(fleet.id)
    mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    processes = [path.name for path in Path("/proc").glob("[0-9]*") if names(path, fleet)]
    return {
        "files": [path.name for path in fleet.state.iterdir() if path.name != ".test-hosts"],
        "groups": [str(path) for path in (group.path, *group.twins) if path.exists()],
        "links": [path.name for path in Path("/sys/class/net").glob(f"*{fleet.id}*")],
        "mounts": [line for line in mounted if str(fleet.state) in line],
        "nspawn": [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{fleet.id}*")],
        "processes": processes,
    }


def names(process: Path, fleet: Fleet) -> bool:
    """Whether a process that has not ended yet names the fleet by its command line or control group."""
    try:
        if (process / "stat").read_text(encoding="utf-8").rpartition(") ")[2].startswith("Z"):
            return False
        told = (process / "cmdline").read_text(encoding="utf-8") + (process / "cgroup").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fleet.id in told or str(fleet.state) in told


def wait_for(what: Callable[[], object], timeout: float = 180) -> None:
    until = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < until, f"{what} did not come true in {timeout} s"
        time.sleep(0.01)


def test_every_user_can_log_in_on_every_address(fleet: Fleet) -> None:
    for name in ("host1", "host1-a2", "host2", "host2-a2"):
        for user in ("root", DEPLOY, OPERATOR, PLAIN):
            assert fleet.ssh(name, "whoami; hostname", user=user).stdout.split() == [user, name.removesuffix("-a2")]


def test_hosts_are_whole_systems_of_their_own(fleet: Fleet) -> None:
    for name in fleet.status():
        assert fleet.ssh(name, "systemctl is-system-running --wait").stdout == "running\n"
        assert "State=active" in fleet.ssh(name, "loginctl show-user $USER").stdout
        assert fleet.ssh(name, "sudo systemd-run --wait --pipe echo unit").stdout == "unit\n"
    assert fleet.boot_id("host1") != fleet.boot_id("host2")


def test_deploy_has_sudo_without_password(fleet: Fleet) -> None:
    assert fleet.ssh("host1", "sudo --non-interactive id -u").stdout == "0\n"
    assert fleet.ssh("host1", f"sudo --non-interactive -u {PLAIN} whoami").stdout == f"{PLAIN}\n"


def test_operator_has_sudo_with_password(fleet: Fleet) -> None:
    assert "password is required" in fleet.ssh("host1", "sudo -n id", user=OPERATOR, check=False).stderr
    wrong = fleet.ssh("host1", "sudo -S id -u", user=OPERATOR, stdin="guess\n", check=False)
    right = fleet.ssh("host1", "sudo -S id -u", user=OPERATOR, stdin=f"{PASSWORD}\n")
    assert (wrong.returncode, wrong.stdout, right.stdout) == (1, "", "0\n")


def test_plain_has_no_sudo(fleet: Fleet) -> None:
    refused = fleet.ssh("host1", "sudo -S id", user=PLAIN, stdin=f"{PASSWORD}\n", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")


def test_plain_runs_the_added_python(fleet: Fleet) -> None:
    script = "import sys; print(sys.version); import json, zlib, hashlib, ctypes"
    answer = fleet.ssh("host1", f"/opt/python/0.0/bin/python3 -c {shlex.quote(script)}", user=PLAIN).stdout
    assert answer.strip() == sys.version
    assert fleet.ssh("host1", "touch /opt/python/0.0/x", user="root", check=False).returncode == 1


def test_plain_reads_a_directory_of_this_machine(fleet: Fleet) -> None:
    here = Path(__file__)
    assert fleet.ssh("host1", f"cat /opt/here/{here.name}", user=PLAIN).stdout == here.read_text(encoding="utf-8")
    assert fleet.ssh("host1", "touch /opt/here/x", user="root", check=False).returncode == 1


def test_status_needs_no_answer_from_the_hosts(fleet: Fleet) -> None:
    told = subprocess.run([*CLI, "--state", fleet.state, "status"], capture_output=True, text=True, check=True)
    assert told.stdout == "host1 running\nhost2 running\n"


def test_up_leaves_a_running_fleet_of_the_same_shape(fleet: Fleet) -> None:
    before = fleet.boot_id("host1")
    fleet.up(SHAPE)
    assert fleet.boot_id("host1") == before


def test_power_cut_keeps_files_and_ends_everything_else(fleet: Fleet) -> None:
    before = fleet.boot_id("host2")
    fleet.ssh("host2", "echo kept > kept; sync kept; setsid --fork sleep 1000 >/dev/null 2>&1")
    fleet.cut("host2")
    assert fleet.status() == {"host1": True, "host2": False}
    assert not Cgroup(f"{fleet.id}/host2").path.exists()

    fleet.boot("host2")

    assert fleet.status() == {"host1": True, "host2": True}
    assert fleet.boot_id("host2") != before
    assert fleet.ssh("host2", "cat kept; pgrep sleep; true").stdout == "kept\n"


def test_a_silent_host_goes_on_where_it_was(fleet: Fleet) -> None:
    before = fleet.boot_id("host1")
    with fleet.silent("host1"), pytest.raises(subprocess.TimeoutExpired):
        fleet.ssh("host1", "true", timeout=2)
    assert fleet.boot_id("host1") == before


def test_reboot_from_within_comes_back(fleet: Fleet) -> None:
    before = fleet.boot_id("host2")
    fleet.ssh("host2", "sudo systemctl reboot", check=False)

    def rebooted() -> bool:
        told = fleet.ssh("host2", "cat /proc/sys/kernel/random/boot_id", user="root", check=False)
        return told.returncode == 0 and told.stdout.strip() != before

    wait_for(rebooted)


def test_a_running_host_is_not_booted_again(fleet: Fleet) -> None:
    with pytest.raises(HostsError, match="host1 is running"):
        fleet.boot("host1")


def test_a_host_that_does_not_exist_is_named(fleet: Fleet) -> None:
    with pytest.raises(HostsError, match="no host 'nobody'"):
        fleet.cut("nobody")


@pytest.mark.parametrize("kill", [True, False])
def test_logind_ends_what_a_user_leaves_behind_if_asked_to(empty_fleet: Fleet, kill: bool) -> None:
    empty_fleet.up(Shape(hosts=1, kill_user_processes=kill))
    empty_fleet.ssh("host1", "setsid --fork sleep 1000 >/dev/null 2>&1", user=PLAIN)

    def session_ended() -> bool:
        return "active" not in empty_fleet.ssh("host1", f"loginctl show-user {PLAIN} -p State", check=False).stdout

    def left_behind() -> bool:
        return empty_fleet.ssh("host1", f"pgrep -u {PLAIN} sleep", check=False).returncode == 0

    wait_for(session_ended)
    if kill:
        wait_for(lambda: not left_behind())
    else:
        assert left_behind()


def test_the_guardian_does_not_take_down_what_is_down(
    empty_fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then, the fleet may be up again: that of another run of the same tests, which has waited for its turn."""
    monkeypatch.setenv("BACKGROUND_JOBS_TEST_RUN", str(tmp_path))
    empty_fleet.up(Shape(hosts=1))
    (note,) = tmp_path.iterdir()
    assert note.read_text(encoding="utf-8") == str(empty_fleet.state)
    empty_fleet.down()
    assert list(tmp_path.iterdir()) == []


def test_down_leaves_nothing(empty_fleet: Fleet) -> None:
    empty_fleet.up(Shape(hosts=2))
    multiplexed = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-S", f"{empty_fleet.state}/cm/x"]
    subprocess.run(["ssh", "-F", empty_fleet.ssh_config, *multiplexed, "deploy@host1", "true"], check=True)
    assert all(traces(empty_fleet).values())

    empty_fleet.down()
    assert not any(traces(empty_fleet).values()), traces(empty_fleet)
    empty_fleet.down()


def test_up_after_systemd_nspawn_was_killed(empty_fleet: Fleet) -> None:
    empty_fleet.up(Shape(hosts=1))
    (supervisor,) = Cgroup(empty_fleet.id).path.glob("host1/system/supervisor/cgroup.procs")
    for pid in supervisor.read_text(encoding="ascii").split():
        os.kill(int(pid), signal.SIGKILL)

    empty_fleet.up(Shape(hosts=2))
    assert empty_fleet.ssh("host1", "hostname").stdout == "host1\n"
    empty_fleet.down()
    assert not any(traces(empty_fleet).values()), traces(empty_fleet)


@pytest.mark.parametrize("milestone", ["id_ed25519", "machines/host1/upper/etc/machine-id", "machines/host2/notify"])
def test_up_and_down_after_up_was_killed(empty_fleet: Fleet, milestone: str) -> None:
    for recover in (empty_fleet.down, empty_fleet.up):
        up = subprocess.Popen([*CLI, "--state", empty_fleet.state, "up"], stdout=subprocess.DEVNULL)
        wait_for((empty_fleet.state / milestone).exists)
        up.kill()
        up.wait()
        assert not empty_fleet.inventory.exists()
        recover()
    assert empty_fleet.ssh("host2", "hostname").stdout == "host2\n"
    empty_fleet.down()
    assert not any(traces(empty_fleet).values()), traces(empty_fleet)


def test_two_fleets_live_side_by_side(fleet: Fleet, empty_fleet: Fleet) -> None:
    empty_fleet.up(Shape(hosts=1))
    assert fleet.boot_id("host1") != empty_fleet.boot_id("host1")
    empty_fleet.down()
    assert fleet.ssh("host1", "hostname").stdout == "host1\n"


def test_a_half_made_base_tree_is_made_again(tmp_path: Path) -> None:
    tree = tmp_path / "tree"

    def crash(unfinished: Path) -> None:
        unfinished.mkdir()
        (unfinished / "half").touch()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", unfinished], check=True)
        raise KeyboardInterrupt

    def build(unfinished: Path) -> None:
        unfinished.mkdir()
        (unfinished / "whole").touch()

    with pytest.raises(KeyboardInterrupt):
        build_once(tree, crash)
    assert not tree.exists()
    build_once(tree, build)
    build_once(tree, crash)
    assert [path.name for path in tree.iterdir()] == ["whole"]


@pytest.mark.parametrize(
    "shape",
    [
        Shape(hosts=0),
        Shape(hosts=100, addresses=3),
        Shape(name="-oops"),
        Shape(pythons={"3.6": "/nowhere"}),
        Shape(pythons={"three": "/usr"}),
        Shape(directories={"opt/here": "/usr"}),
    ],
)
def test_an_impossible_shape_is_refused(empty_fleet: Fleet, shape: Shape) -> None:
    with pytest.raises(HostsError):
        empty_fleet.up(shape)


def test_a_state_path_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(HostsError, match="at most 70"):
        Fleet("/" + "x" * 70)


def test_a_directory_with_something_else_is_left_alone(empty_fleet: Fleet) -> None:
    (empty_fleet.state / "precious").touch()
    for change in (empty_fleet.up, empty_fleet.down):
        with pytest.raises(HostsError, match="holds something else"):
            change()
    (empty_fleet.state / "precious").unlink()


def test_a_private_umask_does_not_shut_out_the_users(empty_fleet: Fleet) -> None:
    before = os.umask(0o077)
    try:
        empty_fleet.up(Shape(hosts=1))
    finally:
        os.umask(before)
    assert empty_fleet.ssh("host1", "stat -c %a / /etc/systemd/logind.conf.d", user=PLAIN).stdout == "755\n755\n"


def test_a_state_directory_open_to_others_is_refused(empty_fleet: Fleet) -> None:
    empty_fleet.state.chmod(0o777)
    with pytest.raises(HostsError, match="others may write"):
        empty_fleet.up()
    empty_fleet.state.chmod(0o700)
