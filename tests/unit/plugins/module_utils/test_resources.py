# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a job may use of its host, as far as every machine can limit it. tests/integration/test_resources.py does the rest."""

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.contain import bus, limits, priority
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    PLUGINS,
    Order,
    Said,
    Target,
    blocked,
    result,
)

TELLS = """printf '{"nice": %s, "io": "%s"}\\n' "$(nice)" "$(ionice)" """
IONICE = {'idle': 'idle', 'best-effort:7': 'best-effort: prio 7', 'best-effort': 'best-effort: prio 4'}


def stdout(target: Target, job_id: str) -> Dict[str, Any]:
    found = json.loads(target.end(job_id)[0]['output']['stdout'])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize('io', sorted(IONICE))
def test_the_module_has_the_priority_that_was_asked_for(target: Target, io: str) -> None:
    """The supervisor keeps its own."""
    job_id = target.run(TELLS, resources={'nice': 11, 'io': io})
    assert stdout(target, job_id) == {'nice': 11, 'io': IONICE[io]}


def test_without_ctypes_the_program_ionice_sets_the_class(some_target: Target, tmp_path: Path) -> None:
    hidden = tmp_path / 'hidden'
    (hidden / 'ctypes').mkdir(parents=True)
    (hidden / 'ctypes/__init__.py').write_text('raise ImportError("hidden")\n', encoding='ascii')
    code = f'import sys; sys.path[:0] = [{str(hidden)!r}, {str(PLUGINS)!r}]\n'
    code += 'from module_utils._runtime.contain import priority\nfrom module_utils._runtime.files import libc\n'
    code += 'assert libc.libc() is None; priority.set_io("best-effort:6")\n'
    code += 'import subprocess; print(subprocess.check_output(["ionice"]).decode().strip())'
    done = subprocess.run([some_target.python, '-I', '-S', '-c', code], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().strip() == 'best-effort: prio 6'


def test_a_static_python_waits_without_inotify(some_target: Target, tmp_path: Path) -> None:
    (tmp_path / 'ctypes.py').write_text('def CDLL(*args, **options): raise OSError("static")\n', encoding='ascii')
    code = f'import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(PLUGINS)!r}]\n'
    code += 'from module_utils._runtime.files.watch import Watch\nprint(Watch(["/"]).sleep(0))'
    assert subprocess.check_output([some_target.python, '-I', '-S', '-c', code]) == b"['/']\n"


def test_a_small_image_asks_for_a_cgroup(some_target: Target) -> None:
    """A job with limits comes behind one without, whose supervisor has loaded less of Python's library by then.

    Not every machine has such a cgroup, and a start would refuse the limit there. So the job gets it while it waits.
    """
    gate = some_target.gate()
    first, second = blocked(gate, queue='q'), Order(result(), queue='q')
    some_target.start(first)
    some_target.until_small(first.id)
    some_target.start(second)
    spec = some_target.note(second.id, 'spec.json')
    limited = json.dumps(dict(spec, resources={'tasks': 1000}))
    (some_target.files(second.id) / 'spec.json').write_text(limited, encoding='ascii')
    gate.open()

    job = some_target.ended(second.id)
    assert job['state'] == 'succeeded' or 'cannot limit a job as asked' in job['reason']


def test_what_the_user_may_not_set_starts_nothing(some_target: Target) -> None:
    """The kernel refuses it, in a trial. Of two jobs, the one without resources does not start either."""
    if os.geteuid() != 0:
        left_out('a nice value that another user may not have: this user is not root')
    some_target.prefix = ['setpriv', '--bounding-set=-sys_nice', '--inh-caps=-sys_nice']
    with pytest.raises(
        Said, match=r'cannot limit a job as asked \(resources: nice\): user root may not set nice to -3: P'
    ):
        some_target.start(Order('true'), Order('true', resources={'nice': -3}))
    assert not list(some_target.async_dir.glob('.jobs/j*'))


def test_a_limit_is_tried_where_ended_processes_are_not_waited_for(some_target: Target) -> None:
    some_target.prefix = ['env', '--ignore-signal=CHLD']
    job_id = some_target.run(TELLS, resources={'nice': 11, 'io': 'idle'})
    assert stdout(some_target, job_id) == {'nice': 11, 'io': 'idle'}


@pytest.mark.parametrize(
    ('kernel', 'machine'), [('x86_64', 'i386'), ('aarch64', 'armv7l'), ('i686', 'i686'), ('armv7l', 'armv7l')]
)
def test_a_process_of_32_bits_knows_its_system_calls(
    monkeypatch: pytest.MonkeyPatch, kernel: str, machine: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr('sys.maxsize', 2**31 - 1)
        patch.setattr('os.uname', lambda: SimpleNamespace(machine=kernel))
        assert priority._machine() == machine


def test_another_system_has_no_classes_of_io(newest_target: Target) -> None:
    newest_target.platform = ['freebsd13']
    with pytest.raises(Said, match='freebsd13 has no classes of input and output'):
        newest_target.start(Order('true', resources={'io': 'idle'}))


@pytest.mark.parametrize('adopt', ['', 'tree.adopt_orphans()'], ids=['init', 'supervisor'])
def test_the_cgroup_ends_what_is_not_below_the_supervisor(some_target: Target, adopt: str) -> None:
    """A process that init has adopted, as where there is no subreaper, is ended with the cgroup of the job.

    Where the supervisor has adopted it, its name is known.
    """
    top = next((path for path in map(Path, ('/sys/fs/cgroup/unified', '/sys/fs/cgroup')) if _is_ours(path)), None)
    if top is None:
        left_out('ending a cgroup at one stroke: this user can make none')
    code = f"""
import atexit, os, signal, sys, time
sys.path.insert(0, {str(PLUGINS)!r})
from module_utils._runtime.contain import cgroup, tree
{adopt}
found = cgroup.Cgroup({str(top)!r}).child('background-jobs-test-%d' % os.getpid())
found.make()
atexit.register(found.kill)  # where this script fails, the test would wait without end for what holds its standard output
child = os.fork()
if child == 0:
    found.enter()
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        signal.pause()
    signal.pause()
def reap(seconds):
    time.sleep(min(seconds, 0.05))
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
while len(open(found.path + '/cgroup.procs').read().split()) < 2:
    reap(0.01)
os.kill(child, signal.SIGKILL)  # without a subreaper, its child now belongs to init
reap(0.05)
print('names', len(tree.stop(child, lambda: 0, reap, cgroup=found).daemons))
deadline = time.monotonic() + 30
while open(found.path + '/cgroup.procs').read() and time.monotonic() < deadline:
    reap(0.01)
print('left', open(found.path + '/cgroup.procs').read().split())
found.remove()
assert not os.path.exists(found.path)
"""
    done = subprocess.run([some_target.python, '-I', '-S', '-c', code], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().splitlines() == ['names %d' % bool(adopt), 'left []']


def _is_ours(path: Path) -> bool:
    return (path / 'cgroup.procs').exists() and os.access(str(path), os.W_OK)


@pytest.mark.parametrize(
    ('count', 'words'),
    [(200 << 20, '200 MB'), (2 << 30, '2 GB'), (3 << 29, '1.5 GB'), (1 << 20, '1 MB'), (5 << 40, '5 TB')],
)
def test_memory_is_told_as_people_write_it(count: int, words: str) -> None:
    assert limits.size(count) == words


def test_a_message_of_dbus_is_read_as_it_was_written() -> None:
    """All the types that systemd and logind use, with their alignments."""
    values = ['text', True, 7, [['one', ('s', 'two')], ['three', ('au', [1, 2])]], ['a', 'bc'], 2**40]
    read = ['text', 1, 7, [['one', 'two'], ['three', [1, 2]]], ['a', 'bc'], 2**40]
    signature = 'sbya(sv)ast'
    assert bus._Reader(bus._marshal(signature, values), 'little').values(signature) == read


def test_nobody_listens_on_the_bus(tmp_path: Path) -> None:
    with pytest.raises(bus.BusError, match='No such file'):
        bus.Connection(str(tmp_path / 'socket'), is_bus=True)
