# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two forks by which a worker leaves its task to a child: whatever fails, one process goes on with the task."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COLLECTIONS = Path(__file__).resolve().parents[4] / 'collections'

SCRIPT = '''
import os, signal, sys
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import workers

name, fault, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
function, say, calls = getattr(os, name), os.write, []

def faulty(*arguments):
    calls.append(arguments)
    if len(calls) < number:
        return function(*arguments)
    if fault == 'kills':
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(11, 'the test has made it fail')

setattr(os, name, faulty)
try:
    guarded = workers._fork_guarded()
except OSError:
    say(1, b'worker ')
else:
    if guarded is None:
        say(1, b'child ')
    else:
        say(1, b'guardian of %d ' % os.waitpid(guarded.pid, 0)[1])
os._exit(0)
'''


def who_goes_on(name: str, fault: str, call: int) -> str:
    """Who returns from the forks if the *call*-th call of os.*name* fails, or kills the process that makes it."""
    done = subprocess.run(
        [sys.executable, '-c', SCRIPT, name, fault, str(call)],
        env={**os.environ, 'PYTHONPATH': str(COLLECTIONS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding='utf-8',
        check=False,
        timeout=60,
    )
    return done.stdout.strip()  # of all processes: the pipe ends when the last one has ended


def test_the_child_goes_on_and_the_guardian_waits_for_it() -> None:
    assert who_goes_on('fork', 'fails', 3) == 'child guardian of 0'


@pytest.mark.parametrize(
    ('name', 'call'),
    [('pipe', 1), ('pipe', 2), ('fork', 1), ('fork', 2), ('pidfd_open', 1), ('write', 1)],
    ids=['first pipe', 'second pipe', 'guardian', 'child', 'pidfd of the child', 'a guardian that cannot report'],
)
def test_where_a_step_fails_the_worker_goes_on(name: str, call: int) -> None:
    assert who_goes_on(name, 'fails', call) == 'worker'


@pytest.mark.parametrize(('name', 'call'), [('setsid', 1), ('fork', 2), ('pidfd_open', 1), ('write', 1)])
def test_where_the_guardian_is_killed_before_it_watches_the_worker_goes_on(name: str, call: int) -> None:
    assert who_goes_on(name, 'kills', call) == 'worker'
