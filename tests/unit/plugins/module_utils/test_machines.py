# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two machines share an async directory, as with a home on NFS: neither takes the jobs of the other for its own."""

import copy
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    ENDED,
    Order,
    Said,
    Target,
    blocked,
    result,
)

OTHER_BOOT = '6f0c6c1e-0010-4000-8000-000000000011'
AS_OTHER = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && hostname other && shift && exec "$@"'


def _machine(target: Target, *unshared: str) -> Target:
    """*target* as a machine with the host name "other" sees it, and with another boot unless told otherwise."""
    boot = target.directory / 'boot'
    boot.write_text(OTHER_BOOT, encoding='ascii')
    other = copy.copy(target)
    other.prefix = ['unshare', *unshared, 'sh', '-c', AS_OTHER, 'sh', str(boot)]
    if shutil.which('unshare') is None or subprocess.run([*other.prefix, 'true'], check=False).returncode != 0:
        left_out('two machines: this user cannot have namespaces of his own')
    return other


@pytest.fixture
def other(some_target: Target) -> Target:
    """Another machine, with the same async directory as some_target."""
    return _machine(some_target, '--mount', '--uts')


def _only(looks: List[Dict[str, Any]]) -> Dict[str, Any]:
    (look,) = looks
    return look


def test_a_job_of_another_machine_is_not_lost(some_target: Target, other: Target) -> None:
    """Its own machine alone can tell; the lock of a killed supervisor is free on every machine."""
    job_id = some_target.run('exec sleep 1000', name='serve')
    some_target.kill_supervisor(job_id)

    for look in other.ask('wait', ids=[job_id, {'name': 'serve'}], seconds=0):
        assert (look['job']['state'], look['job']['machine'], look['ended']) == ('running', os.uname().nodename, False)
    assert not (some_target.files(job_id) / 'end.json').exists()
    assert other.ask('prune', older_than=0, keep=0, states=ENDED, check=False) == []
    job = some_target.job(job_id)
    assert (job['state'], 'machine' in job) == ('lost', False)


def test_a_job_of_another_machine_is_not_stopped(some_target: Target, other: Target) -> None:
    gate = some_target.gate()
    job_id = some_target.run(gate.before(result()))
    own = other.run('exec sleep 1000')

    refused, ours = other.ask('cancel', ids=[job_id, own], grace=0, check=False)
    assert 'job %s belongs to machine %s, and this is other' % (job_id, os.uname().nodename) in refused['error']
    assert (refused['to_stop'], ours['to_stop'], ours['error']) == (False, False, None)
    assert not (some_target.files(job_id) / 'stop.json').exists()
    assert _only(other.ask('cancel', ids=[own], grace=0, check=False))['to_stop']
    assert other.ended(own)['state'] == 'cancelled'
    gate.open()
    assert some_target.ended(job_id)['state'] == 'succeeded'
    assert other.job(job_id)['state'] == 'succeeded'


@pytest.mark.parametrize('on_existing', ['attach', 'replace', 'fail'])
def test_nobody_attaches_to_a_job_of_another_machine(some_target: Target, other: Target, on_existing: str) -> None:
    gate = some_target.gate()
    job_id = some_target.run(gate.before(result()), name='upgrade')

    with pytest.raises(Said, match='job %s of the name .upgrade. runs on machine .* this is other' % job_id):
        other.run(result(), name='upgrade', on_existing=on_existing)
    gate.open()
    some_target.end(job_id)
    again = other.run(result(), name='upgrade', on_existing=on_existing)
    assert again != job_id, 'its end is that of another machine'
    assert other.ended(again)['state'] == 'succeeded'


def test_each_machine_has_its_own_slots(some_target: Target, other: Target) -> None:
    gate = some_target.gate()
    first, second = blocked(gate, queue='q'), Order('uname -n >&2; %s' % result(), queue='q')
    some_target.start(first, second)

    third = Order('uname -n >&2; %s' % result(), queue='q')
    other.start(third)
    assert other.ended(third.id)['state'] == 'succeeded'
    assert other.states(first, second) == ['running', 'queued']
    gate.open()
    assert some_target.ended(second.id)['state'] == 'succeeded'
    stderr = [look['output']['stderr'].strip() for look in some_target.end(second.id, third.id)]
    assert stderr == [os.uname().nodename, 'other']


def test_a_renamed_machine_is_the_same(some_target: Target) -> None:
    """As are two containers, which share the locks of one kernel."""
    renamed = _machine(some_target, '--mount', '--uts')
    boot = some_target.directory / 'boot'
    boot.write_bytes(Path('/proc/sys/kernel/random/boot_id').read_bytes())
    job_id = some_target.run('exec sleep 1000')
    some_target.kill_supervisor(job_id)
    assert renamed.job(job_id)['state'] == 'lost'
