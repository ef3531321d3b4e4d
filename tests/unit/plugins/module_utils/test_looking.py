# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a job tells of itself to whoever looks: what it is about, the rc of its module, and its last line."""

import json
from pathlib import Path
from typing import Any, Dict

import ansible
import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.atomic import read_file
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import Store
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import ABOUT
from ansible_collections.background.jobs.plugins.module_utils._runtime.requests.collect import collect
from ansible_collections.background.jobs.plugins.module_utils._runtime.requests.status import status
from ansible_collections.background.jobs.plugins.module_utils._runtime.supervise import module_output
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    Order,
    Target,
    blocked,
    result,
    until,
)

TOLD = {'task': 'Upgrade', 'summary': 'apt-get upgrade', 'host': 'web1', 'started_by': 'me@controller'}
EVERY = {'states': None, 'names': None, 'queues': None}


def test_every_operation_tells_what_the_job_is_about(some_target: Target) -> None:
    gate = some_target.gate()
    order = blocked(gate, about=TOLD, name='upgrade')
    (look,) = some_target.start(order)
    looks = [look, some_target.look(order.id), *some_target.ask('list', **EVERY)]
    looks += some_target.start(Order(result(), name='upgrade'))  # attaches
    looks += some_target.ask('cancel', ids=[order.id], grace=1, check=True)
    gate.open()
    looks += some_target.end(order.id)
    looks += some_target.ask('prune', older_than=0, keep=0, states=['succeeded'], check=True)
    assert [{key: look['job'][key] for key in ABOUT} for look in looks] == [TOLD] * 7


@pytest.mark.parametrize(
    ('fields', 'rc'),
    [
        ({'rc': 0}, 0),
        ({'rc': 3}, 3),
        ({'rc': -9}, -9),
        ({'failed': True}, None),
        ({'rc': '3'}, None),
        ({'rc': True}, None),
        ({'rc': 10**4000}, None),
    ],
    ids=str,
)
def test_the_rc_is_that_of_the_result(newest_target: Target, fields: Any, rc: Any) -> None:
    job_id = newest_target.run(result(**fields))
    assert newest_target.ended(job_id)['rc'] == rc
    assert newest_target.ask('list', **EVERY)[0]['job']['rc'] == rc


@pytest.mark.parametrize('operation', [collect, status])
def test_a_job_that_is_removed_during_a_look_is_not_a_success_without_output(
    newest_target: Target, monkeypatch: pytest.MonkeyPatch, operation: Any
) -> None:
    """No event lies between the reading of its end and that of its output."""
    job_id = newest_target.run(result())
    newest_target.end(job_id)
    store = Store(str(newest_target.async_dir))

    def read_after_removal(path: str, most: int) -> Any:
        store.job(job_id).remove()
        return read_file(path, most)

    monkeypatch.setattr(module_output, 'read_file', read_after_removal)
    (found,) = operation(store, {'ids': [job_id]})
    assert (found.known, found.ended, found.job) == (False, False, None)


def test_without_a_result_there_is_no_rc(some_target: Target) -> None:
    gate = some_target.gate()
    running, broken = some_target.run(gate.before(result(rc=3))), some_target.run('exit 3')
    assert some_target.job(running)['rc'] is None
    assert some_target.ended(broken)['rc'] is None
    some_target.ask('cancel', ids=[running], grace=1, check=False)
    assert some_target.ended(running)['rc'] is None


def test_no_log_hides_the_rc(newest_target: Target) -> None:
    job_id = newest_target.run(result(rc=3), no_log=True)
    assert newest_target.ended(job_id)['rc'] is None


def test_a_list_has_the_last_lines_of_live_jobs_where_they_are_asked_for(newest_target: Target) -> None:
    newest_target.environment['PYTHONPATH'] = str(Path(ansible.__file__).parents[1])
    gate = newest_target.gate()
    script = (
        'from ansible.module_utils import basic\n'
        'basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = %r, "legacy"\n'
        'module = basic.AnsibleModule({})\n'
        'module.run_command("echo one; echo two; : < %s", use_unsafe_shell=True)\n'
        'module.exit_json()\n'
    ) % (json.dumps({'ANSIBLE_MODULE_ARGS': {}}).encode(), gate)
    live = newest_target.run(script, argv=[newest_target.python], output_limit=1000)
    ended = newest_target.run(result())
    newest_target.end(ended)
    until(lambda: _last_lines(newest_target, output=True) == {live: 'two', ended: None})
    assert _last_lines(newest_target) == {live: None, ended: None}
    gate.open()
    newest_target.end(live)


@pytest.mark.parametrize('name', ['stdout', 'stderr', 'output'])
def test_a_directory_in_the_place_of_output_does_no_harm(newest_target: Target, name: str) -> None:
    job_id = newest_target.run(': < %s' % newest_target.gate())
    newest_target.kill_supervisor(job_id)
    path = newest_target.files(job_id) / name
    if path.exists():
        path.unlink()
    path.mkdir()
    assert newest_target.ended(job_id)['state'] == 'lost'


def _last_lines(target: Target, **more: Any) -> Dict[str, Any]:
    return {look['id']: look['last_line'] for look in target.ask('list', **EVERY, **more)}
