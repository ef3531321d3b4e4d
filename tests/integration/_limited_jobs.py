# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts jobs with limits, and prints what became of them: `python3 _limited_jobs.py PLUGINS ASYNC_DIR CASE...`.

It runs inside of a Linux of its own (tests/hosts/_kernel.py), with nothing but Python. One line of JSON for each case, ["CASE", what].
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import typing

_EATER = """
import time
data = []
while True:
    data.append(b'x' * 1000000)
"""
_CGROUP = """
import json, os
with open('/proc/self/cgroup') as stream:
    path = '/sys/fs/cgroup' + stream.read().strip().rpartition('::')[2]
def read(name):
    try:
        with open(path + '/' + name) as stream:
            return stream.read().strip()
    except OSError as error:
        return str(error)
"""
_SPINNER = (
    _CGROUP
    + """
import time
begin = time.process_time(), time.monotonic()
while time.monotonic() - begin[1] < 3:
    pass
share = (time.process_time() - begin[0]) / (time.monotonic() - begin[1])
accounts = dict(line.split() for line in read('cpu.stat').splitlines())
print(json.dumps({'share': share, 'throttled': int(accounts['nr_throttled'])}))
"""
)
_FORKER = """
import json, os, time
made = 0
try:
    for number in range(20):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except OSError as error:
    print(json.dumps({'failed': True, 'msg': str(error), 'made': made}))
"""
_TELLER = (
    _CGROUP
    + """
import subprocess
names = ('memory.max', 'cpu.max', 'pids.max')
told = {'nice': os.nice(0), 'io': subprocess.check_output(['ionice']).decode().strip()}
print(json.dumps({**told, **{name: read(name) for name in names}}))
"""
)
_SLEEPER = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
    time.sleep(600)
time.sleep(600)
"""

CASES = {
    'eater': (_EATER, {'memory': 60 * 1024 * 1024}, None),
    'spinner': (_SPINNER, {'cpu': 25}, None),
    'forker': (_FORKER, {'tasks': 5}, None),
    'teller': (_TELLER, {'memory': 100 * 1024 * 1024, 'cpu': 150, 'tasks': 20, 'nice': 5, 'io': 'idle'}, None),
    'limit': (_SLEEPER, {'tasks': 20}, 1),
    'first': (_SPINNER, {'cpu': 50}, None),
    'second': (_TELLER, {'memory': 100 * 1024 * 1024, 'nice': 6}, None),
    'priority': (_TELLER, {'nice': 5, 'io': 'idle'}, None),
}
"""Name -> the module's program, its resources, its limit in seconds. The first and the second are jobs of one queue."""


def main() -> None:
    plugins, async_dir, *cases = sys.argv[1:]
    sys.path.insert(0, plugins)
    from module_utils._runtime import door, protocol  # type: ignore[import-not-found]

    def ask(**request: object) -> dict[str, object]:
        answer: dict[str, object] = door.respond({'version': protocol.VERSION, 'async_dir': async_dir, **request})
        return answer

    for number, case in enumerate(cases):
        job = _job(protocol, case, f'j20260101000000{number:06}.{os.getpid():08}')
        jobs = [job]
        if case == 'second':  # behind the first, whose supervisor starts it
            jobs.insert(0, _job(protocol, 'first', f'j20250101000000{number:06}.{os.getpid():08}'))
        bases = {name: base64.b64encode(program.encode()).decode() for name, (program, _keys, _limit) in CASES.items()}
        answer = ask(op='start', jobs=jobs, bases=bases)
        if 'error' not in answer:
            answer = ask(op='wait', ids=[job['id']], seconds=60)
        look = answer['jobs'][0] if 'jobs' in answer else {'error': answer['error']}  # type: ignore[index]
        found = {key: look.get(key) for key in ('error', 'job', 'output')}
        print(json.dumps([case, {**found, 'left': _left(job['id'])}]), flush=True)


def _job(protocol: typing.Any, case: str, job_id: str) -> dict[str, typing.Any]:
    program, resources, limit = CASES[case]
    job = dict.fromkeys(protocol.StartRequest._fields)
    job.update(id=job_id, on_existing='attach', module=case, about={}, leeway=0, spare_daemons=False, grace=0)
    job.update(slots=1, no_log=False, argv=['/usr/bin/python3'], environment={}, stdin=True, output_limit=0)
    job.update(
        after=[], after_any=False, retention=600, limit=limit, resources=protocol.resources_of(resources)._asdict()
    )
    job.update(payload={'base': case, 'head': len(program.encode()), 'middle': '', 'tail': 0})
    job.update(queue='row' if case in ('first', 'second') else None)
    return job


def _left(job_id: str) -> list[str]:
    """What there still is of the job's cgroups some time after its end."""
    for _time in range(100):
        left = [path for path, _folders, _files in os.walk('/sys/fs/cgroup') if job_id in path]
        if not left:
            return []
        time.sleep(0.1)
    return left


main()
