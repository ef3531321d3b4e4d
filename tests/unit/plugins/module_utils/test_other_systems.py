# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets that lack something: ctypes, /proc, or all that only Linux has."""

import os
import subprocess

import pytest
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._copy import Copy
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Order,
    Target,
    blocked,
    result,
    until,
)

_LACKS = 'no ctypes', 'an empty /proc', 'another system'


@pytest.fixture(params=_LACKS)
def poor_target(request: pytest.FixtureRequest, some_target: Target) -> Target:
    """A target that lacks something."""
    if request.param == 'no ctypes':
        copy = Copy(some_target)
        if not (copy.remove_extension('_ctypes') and copy.remove_extension('_json')):
            left_out('a Python without ctypes: it is built into this one')
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.run([copy.target.python, '-c', 'import ctypes'], stderr=subprocess.DEVNULL, check=True)
        return some_target
    if os.geteuid() != 0:
        left_out('hosts without /proc: hiding it needs root')
    some_target.prefix = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh']
    if request.param == 'another system':
        some_target.platform = ['freebsd13']
    return some_target


def test_the_system_does_not_list_all_open_descriptors(some_target: Target) -> None:
    """As FreeBSD without fdescfs. A supervisor that kept all of them would wait for itself to open its gate."""
    if os.geteuid() != 0:
        left_out('a system that lists three descriptors alone: hiding /proc needs root')
    fd = '/proc/self/fd'
    hide = 'mount -t tmpfs none /proc && mkdir -p %s && touch %s/0 %s/1 %s/2 && exec "$@"' % (fd, fd, fd, fd)
    some_target.prefix = ['unshare', '--mount', 'sh', '-c', hide, 'sh']
    some_target.platform = ['freebsd13']
    job_id = some_target.run(result())
    assert some_target.ended(job_id)['state'] == 'succeeded'


@pytest.mark.parametrize('late', [False, True], ids=['at once', 'late'])
def test_a_job_ends_and_the_next_of_its_queue_runs(poor_target: Target, late: bool) -> None:
    gate = poor_target.gate()
    orders = blocked(gate, result(changed=True), queue='q'), Order(result(changed=False), queue='q')
    poor_target.start(*orders)
    if late:
        poor_target.until_small(orders[0].id)
    gate.open()

    looks = poor_target.end(*[order.id for order in orders])
    assert [look['job']['state'] for look in looks] == ['succeeded', 'succeeded']
    assert [poor_target.result_file(order.id) for order in orders] == [{'changed': True}, {'changed': False}]
    until(lambda: not poor_target.processes())


@pytest.mark.parametrize(
    ('how', 'late'), [('limit', False), ('limit', True), ('cancel', False), ('cancel', True), ('kill', False)]
)
def test_the_process_group_is_stopped(poor_target: Target, how: str, late: bool) -> None:
    trap = "trap '' TERM; " if how == 'kill' else ''
    script = '%s(sleep 1000; sleep 1000) & %s sleep 1000' % (trap, '' if trap else 'exec')
    job_id = poor_target.run(script, limit=None if how == 'cancel' else 6 if late else 0.5, grace=0.5)
    if late:
        poor_target.until_small(job_id)

    if how == 'cancel':
        poor_target.ask('cancel', ids=[job_id], grace=0.5, check=False)
    assert poor_target.ended(job_id)['state'] == ('cancelled' if how == 'cancel' else 'timed_out')
    until(lambda: not poor_target.processes())


def test_replace(poor_target: Target) -> None:
    first = Order('exec sleep 1000', name='deploy')
    second = Order(result(), name='deploy', on_existing='replace', grace=0)
    poor_target.start(first)
    (look,) = poor_target.start(second)

    assert not look['error']
    assert poor_target.job(first.id)['state'] == 'cancelled'
    assert poor_target.ended(second.id)['state'] == 'succeeded'


def test_a_job_whose_supervisor_was_killed_is_lost(poor_target: Target) -> None:
    job_id = poor_target.run('exec sleep 1000')
    poor_target.kill_supervisor(job_id)

    assert poor_target.job(job_id)['state'] == 'lost'
