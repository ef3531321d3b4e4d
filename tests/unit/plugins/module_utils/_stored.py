# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier versions left on a target, and those versions themselves (fixtures/README.md).

`PYTHONPATH=collections python -m ansible_collections.background.jobs.tests.unit.plugins.module_utils._stored VERSION`
records the async directory of a version anew, with the runtime that is stored beside it.
"""

import base64
import copy
import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator

import ansible
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    HERE,
    Order,
    Target,
    result,
    until,
)

FIXTURES = HERE / 'fixtures'
BOOT = '6f0c6c1e-0010-4000-8000-000000000010'
"""The boot that the stored jobs belong to; no host has this one."""
QUEUE = 'upgrades'
"""Of the job that runs and the two behind it."""

(SUCCEEDED, FAILED, HIDDEN, TIMED_OUT, CANCELLED, LOST, RUNNING, WITHDRAWN, NEXT, LAST) = (
    'j20261126110000%06d.00000010' % number for number in range(10)
)
STATES = {
    SUCCEEDED: 'succeeded',
    FAILED: 'failed',
    HIDDEN: 'succeeded',
    TIMED_OUT: 'timed_out',
    CANCELLED: 'cancelled',
    LOST: 'lost',
    RUNNING: 'running',
    WITHDRAWN: 'cancelled',
    NEXT: 'queued',
    LAST: 'queued',
}
"""Of all stored jobs, oldest first."""

_PRINTS = '''
import json
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = b'{"ANSIBLE_MODULE_ARGS": {}}'
basic._ANSIBLE_PROFILE = 'legacy'
module = basic.AnsibleModule({})
rc, out, err = module.run_command(%r, use_unsafe_shell=True)
module.exit_json(changed=True, rc=rc, stdout=out, stderr=err)
'''


def version(target: Target, number: str) -> Target:
    """The same *target*, as a controller with the version *number* of this collection sees it."""
    other = copy.copy(target)
    shutil.unpack_archive(str(FIXTURES / number / 'runtime.zip'), str(target.directory / number))
    other.plugins = target.directory / number / 'plugins'
    return other


def put_files(target: Target, number: str) -> None:
    """Put the files that the version *number* has left behind into place; git keeps no modes."""
    shutil.copytree(str(FIXTURES / number / 'async_dir'), str(target.async_dir))
    for path in [target.async_dir, *target.async_dir.rglob('*')]:
        path.chmod(0o700 if path.is_dir() else 0o600)


@contextmanager
def supervised(target: Target, job_id: str) -> Iterator[None]:
    """What a supervisor of this boot means to others: a lock that is held."""
    run = target.note(job_id, 'run.json')
    run.update(boot=Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip())
    run.update(monotonic=time.monotonic())
    write_note(target, job_id, 'run.json', run)
    with open(str(target.files(job_id) / 'lock'), encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_note(target: Target, job_id: str, name: str, value: Dict[str, Any]) -> None:
    (target.files(job_id) / name).write_text(json.dumps(value), encoding='ascii')


def prints(target: Target, command: str, **changes: Any) -> Order:
    """A job whose output can be followed; the Python of *target* must be able to import this controller's Ansible."""
    target.environment['PYTHONPATH'] = str(Path(ansible.__file__).parents[1])
    return Order(_PRINTS % command, **{'argv': [target.python], 'output_limit': 1048576, **changes})


def _pieces(order: Order, old: bytes, new: bytes) -> Order:
    """The *order* as it is sent beside another of the same module: what differs, and where."""
    head = order.script.index(old)
    tail = len(order.script) - head - len(old)
    order['payload'] = {'base': str(hash(order.script)), 'head': head, 'middle': _base64(new), 'tail': tail}
    return order


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def record(target: Target) -> None:
    """Bring a job into each state."""
    sleeps = 'exec sleep 1000'
    target.start(
        prints(target, 'echo one; echo two >&2', id=SUCCEEDED, name='report/web'),
        Order(result(failed=True, msg='no such package'), id=FAILED, name='upgrade'),
        Order(result(changed=True, password='hunter2'), id=HIDDEN, no_log=True),
        Order(sleeps, id=TIMED_OUT, limit=0.3, grace=0),
        Order(sleeps, id=CANCELLED, name='stopped'),
        Order(sleeps, id=LOST),
        prints(target, 'echo begun; %s' % sleeps, id=RUNNING, name='serve', limit=3600, queue=QUEUE),
        Order(result(), id=WITHDRAWN, queue=QUEUE),
        _pieces(Order(result(number=0), id=NEXT, name='follow', queue=QUEUE), b'0', b'1'),
        Order('cat "$1"', id=LAST, argv=['/bin/sh', '-s', '{job}/args'], args=_base64(b'{"number": 2}\n'), queue=QUEUE),
    )
    target.ask('cancel', ids=[CANCELLED, WITHDRAWN], grace=1, check=False)
    target.kill_supervisor(LOST)
    target.end(SUCCEEDED, FAILED, HIDDEN, TIMED_OUT, CANCELLED, WITHDRAWN, LOST)
    target.ask('collect', ids=[SUCCEEDED])
    until(lambda: 'begun' in (target.files(RUNNING) / 'output').read_text(encoding='ascii'))


def _impersonal(path: Path) -> None:
    """Take out of a file what belongs to the machine that it was recorded on."""
    value = json.loads(path.read_text(encoding='ascii'))
    if 'boot' in value:
        value['boot'] = BOOT
    if 'environment' in value:
        value.update(environment={'PATH': os.defpath}, cwd='/')
    path.write_text(json.dumps(value), encoding='ascii')


def main(number: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        target = Target(sys.executable, Path(directory))
        try:
            record(version(target, number))
            shutil.rmtree(str(FIXTURES / number / 'async_dir'), ignore_errors=True)
            shutil.copytree(str(target.async_dir), str(FIXTURES / number / 'async_dir'))
        finally:
            target.clean_up()
    for path in (FIXTURES / number / 'async_dir' / '.jobs').rglob('*.json'):
        _impersonal(path)


if __name__ == '__main__':
    main(*sys.argv[1:])
