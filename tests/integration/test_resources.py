# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs with limits on their resources: what each kind of host can do, tried on each, and what the page says of it.

Test hosts share the kernel of this machine, which may have given its controllers to cgroup v1. So what needs controllers runs
in a Linux of its own (tests/hosts/_kernel.py), where nothing but Python is needed; one playbook of this machine runs there, too.
"""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import json
import re
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from hosts import HostsError, run_in_kernel

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/resources.md'
Case = dict[str, t.Any]
Play = c.Callable[..., t.Any]

LIMITED = 'python3 -I -S -B /share/tests/integration/_limited_jobs.py /share/plugins /dev/shm/async'
WITHOUT_SYSTEMD = f"""
mkdir /sys/fs/cgroup/memory 2>/dev/null
umount /sys/fs/cgroup
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/memory
mount -t cgroup -o memory cgroup /sys/fs/cgroup/memory
echo '== cgroup v1, root'
{LIMITED}-v1 teller priority
umount /sys/fs/cgroup/memory /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
echo '== container, root'
unshare --mount sh -c 'mount -o remount,bind,ro /sys/fs/cgroup; exec {LIMITED}-container teller priority'
echo '== cgroup v2 without systemd, root'
{LIMITED} teller eater spinner forker limit second priority
echo '== cgroup v2 without systemd, user'
setpriv --reuid=plain --regid=plain --clear-groups {LIMITED}-plain teller priority
"""
WITH_SYSTEMD = f"""
echo '== systemd, root'
{LIMITED} teller eater limit second priority
echo '== systemd, user'
su - deploy -c '{LIMITED}-deploy teller priority'
echo '== systemd, lingering user'
loginctl enable-linger plain
systemctl start user@$(id -u plain).service
su - plain -c '{LIMITED}-plain teller eater spinner limit second priority'
"""
"""Each prints a heading for each kind of host and user, and below it what _limited_jobs.py prints."""
EATER = "data = []\nwhile True: data.append(b'x' * 1000000)"
TASKS: list[dict[str, t.Any]] = [
    {
        'background.jobs.async_run': {
            'task': {'ansible.builtin.command': {'argv': ['{{ ansible_playbook_python }}', '-c', EATER]}},
            'resources': {'memory': '100M'},
        },
        'async': 100,
        'poll': 1,
        'register': 'eater',
        'ignore_errors': True,
    },
    {'ansible.builtin.copy': {'content': '{{ eater | to_json }}', 'dest': '/dev/shm/told', 'mode': '0600'}},
]
BY_ANSIBLE = """
mkdir /machine
mount -t hostfs none /machine -o /
for place in proc sys dev run; do mount --rbind /$place /machine/$place; done
mkdir /dev/shm/home
chroot /machine env -i HOME=/dev/shm/home LC_ALL=C.UTF-8 PATH=%s:/usr/bin:/bin:/usr/sbin PYTHONDONTWRITEBYTECODE=1 \\
  ANSIBLE_COLLECTIONS_PATH=%s ANSIBLE_LOCAL_TEMP=/dev/shm/local ANSIBLE_REMOTE_TMP=/dev/shm/remote \\
  ansible-playbook --extra-vars ansible_async_dir=/dev/shm/by-ansible %s >/dev/shm/log 2>&1
cat /dev/shm/told || cat /dev/shm/log
"""
"""Runs a playbook of this machine with the ansible-core of this machine, all of whose files the kernel sees below /machine."""


@pytest.fixture(scope='module')
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Case]]:
    """Kind of host and user -> case -> what became of its job."""
    scripts = {False: WITHOUT_SYSTEMD, True: WITH_SYSTEMD}

    def run(systemd: bool) -> str:
        return run_in_kernel(scripts[systemd], ROOT, tmp_path_factory.mktemp('kernel'), systemd=systemd)

    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            output = ''.join(pool.map(run, scripts))
    except HostsError as error:
        left_out(f'limits of memory, cpu and tasks: {error}')
    found: dict[str, dict[str, Case]] = {}
    for line in output.splitlines():
        if line.startswith('== '):
            cases = found.setdefault(line[3:], {})
        else:
            name, case = json.loads(line)
            cases[name] = case
    return found


def test_a_playbook_is_told_what_killed_its_job(collections_path: Path, tmp_path: Path) -> None:
    playbook = tmp_path / 'playbook.yml'
    play = {'hosts': 'localhost', 'connection': 'local', 'gather_facts': False, 'tasks': TASKS}
    playbook.write_text(json.dumps([play]), encoding='utf-8')
    script = BY_ANSIBLE % (Path(sys.executable).parent, collections_path, playbook)
    kernel = tmp_path / 'kernel'
    kernel.mkdir()
    try:
        told = run_in_kernel(script, ROOT, kernel, systemd=True)
    except HostsError as error:
        left_out(f'limits of memory by a playbook: {error}')
    result = json.loads(told)
    assert result['job']['state'] == 'failed'
    assert (
        result['msg'] == f'job {result["ansible_job_id"]} used more than its 100 MB of memory, and the kernel killed it'
    )


LIMITING = ['cgroup v2 without systemd, root', 'systemd, root', 'systemd, lingering user']
"""The kinds that can limit memory, cpu and tasks."""

pytestmark = [pytest.mark.any_core, pytest.mark.hosts]


def told(case: Case) -> Case:
    """What the module of a job has told."""
    told: Case = json.loads(case['output']['stdout'])
    return told


@pytest.mark.parametrize('kind', LIMITING)
def test_the_limits_are_those_of_the_cgroup(kinds: dict[str, dict[str, Case]], kind: str) -> None:
    """The module finds them there, and its priority; the cgroup is gone with the job."""
    case = kinds[kind]['teller']
    seen = told(case)
    assert seen['memory.max'] == str(100 * 1024 * 1024)
    assert seen['cpu.max'] == '150000 100000'
    assert seen['pids.max'] == '20'
    assert seen['nice'] == 5
    assert seen['io'] == 'idle'
    assert case['left'] == []


@pytest.mark.parametrize('kind', LIMITING)
def test_a_job_that_eats_memory_is_killed_and_says_so(kinds: dict[str, dict[str, Case]], kind: str) -> None:
    job = kinds[kind]['eater']['job']
    assert job['state'] == 'failed'
    assert job['reason'] == f'job {job["id"]} used more than its 60 MB of memory, and the kernel killed it'
    assert kinds[kind]['limit']['job']['state'] == 'timed_out'  # the host lives on


def test_a_share_of_the_processor_is_seen_in_the_accounting(kinds: dict[str, dict[str, Case]]) -> None:
    """A module that wants all of it for seconds, and gets a quarter."""
    for kind in ('cgroup v2 without systemd, root', 'systemd, lingering user'):
        seen = told(kinds[kind]['spinner'])
        assert 0 < seen['share'] < 0.5
        assert seen['throttled'] > 0


def test_a_job_that_wants_more_tasks_says_so(kinds: dict[str, dict[str, Case]]) -> None:
    job = kinds['cgroup v2 without systemd, root']['forker']['job']
    assert job['state'] == 'failed'
    assert f'job {job["id"]} wanted more than its 5 tasks: the module reported a failure' in job['reason']


@pytest.mark.parametrize('kind', LIMITING)
def test_the_limit_ends_the_whole_cgroup(kinds: dict[str, dict[str, Case]], kind: str) -> None:
    case = kinds[kind]['limit']
    assert case['job']['state'] == 'timed_out'
    assert case['left'] == []


@pytest.mark.parametrize('kind', LIMITING)
def test_a_job_that_had_to_wait_for_its_turn_is_limited_as_well(kinds: dict[str, dict[str, Case]], kind: str) -> None:
    """The small image of the job before it starts it."""
    seen = told(kinds[kind]['second'])
    assert (seen['memory.max'], seen['nice']) == (str(100 * 1024 * 1024), 6)


def test_the_page_says_what_each_kind_of_host_can_do(kinds: dict[str, dict[str, Case]]) -> None:
    """Where it cannot, nothing starts, and the error names what was asked for, and the host."""
    rows = re.findall(
        r'^\| ([^|]+) \| ([^|]+) \| (yes|no) \| (yes|no)\b[^|]* \|', PAGE.read_text(encoding='utf-8'), re.M
    )
    said = {f'{host}, {user}': (priority, cgroup) for host, user, priority, cgroup in rows if host != 'another system'}
    can = {kind: (_starts(cases['priority']), _starts(cases['teller'])) for kind, cases in kinds.items()}
    assert said == can
    for cases in kinds.values():
        error = cases['teller']['error']
        if error:
            assert re.match(r'host \S+ cannot limit a job as asked \(resources: memory, cpu, tasks\): .', error)


def _starts(case: Case) -> str:
    return 'no' if case['error'] else 'yes'
