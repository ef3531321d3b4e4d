# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages of results: names and causes instead of ids, and nothing that could harm a terminal."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look, new_look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.registered import hosts_with_job
from ansible_collections.background.jobs.plugins.plugin_utils._show.attaching import report_existing
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import (
    Missing,
    ended_result,
    label_of,
    result_of,
    result_of_many,
)

HOSTILE = 'up\x1b[2Jgrade\u202e'
HARMLESS = r'up\x1b[2Jgrade\u202e'


def look(**job: t.Any) -> Look:
    known = {'id': 'j1.1', 'name': None, 'state': 'failed', 'module': 'ansible.builtin.command', **job}
    printed = {'rc': None, 'stdout': '', 'stderr': ''}
    return new_look('j1.1', '/async', 'deploy', known=True, ended=True, job=known, output=printed)


def read(output: dict[str, t.Any]) -> dict[str, t.Any]:
    raise AssertionError('there is nothing to read')


def test_names_of_a_target_are_readable() -> None:
    assert label_of(look(name=HOSTILE)) == HARMLESS
    assert label_of(look()) == 'j1.1'


def test_reasons_of_a_target_are_readable() -> None:
    assert ended_result(look(state='lost', reason=HOSTILE), read, 'Job x')['msg'] == HARMLESS
    failed = look()._replace(error=f'one\n{HOSTILE}')
    assert result_of(failed, read, 'Job x')['msg'] == f'Job x was not started: one\n{HARMLESS}'


@pytest.mark.parametrize(
    ('result', 'expected'),
    [
        ({'rc': 1, 'msg': 'non-zero return code', 'stderr': f'Reading\n{HOSTILE}\n'}, f'command, rc 1: {HARMLESS}'),
        ({'rc': 3, 'msg': 'non-zero return code', 'stdout': 'a\nb', 'stderr': ' '}, 'command, rc 3: b'),
        (
            {'rc': 3, 'msg': 'The command exited with a non-zero return code.', 'stdout': ''},
            'command, rc 3: The command exited with a non-zero return code.',
        ),
        ({'msg': f'{HOSTILE}\nmore'}, f'command, failed: {HARMLESS}'),
        ({}, 'command, failed: no message'),
        ({'job': look(reason='it raised').job}, 'command, failed: it raised'),
    ],
)
def test_the_cause_of_a_failure_is_what_was_said_last(result: dict[str, t.Any], expected: str) -> None:
    results = [{'failed': True, 'ansible_job_id': 'j1.1', 'job': look().job, **result}, {'changed': True}]
    assert (
        result_of_many(results, ['upgrade', 'other'], no_log=False)['msg']
        == f'1 of 2 jobs failed: upgrade ({expected})'
    )


def test_state_and_module_of_a_target_are_readable() -> None:
    job = look(state=HOSTILE, module=HOSTILE).job
    message = result_of_many([{'failed': True, 'job': job}], ['upgrade'], no_log=True)['msg']
    assert message == f'1 of 1 job failed: upgrade ({HARMLESS}, {HARMLESS})'


def test_what_a_start_says_of_other_jobs_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    times = dict.fromkeys(('created', 'started', 'ended'), HOSTILE)
    found = look(id=HOSTILE, name=HOSTILE, state=HOSTILE, **times)
    report_existing('web1', [found._replace(attached=True, uncollected=found.job)])
    said = capsys.readouterr().err
    assert said.count(f'{HARMLESS} at {HARMLESS} UTC') == 2  # the job that it attaches to, and the other one
    assert said.replace('\n', '').isprintable()


@pytest.mark.parametrize(('of_task', 'of_job'), [(True, False), (False, True)])
def test_no_log_hides_the_cause(of_task: bool, of_job: bool) -> None:
    """ansible-core shows the message nevertheless."""
    result = {'failed': True, 'rc': 3, 'msg': 'non-zero return code', 'stderr': 'sesame', 'job': look().job}
    hidden = {'_ansible_no_log': True} if of_job else {}
    together = result_of_many([{**result, **hidden}], ['upgrade'], no_log=of_task)
    assert together['msg'] == '1 of 1 job failed: upgrade (command, rc 3)'


def test_a_job_that_was_skipped_is_no_failure() -> None:
    result = ended_result(look(state='skipped', reason=f'{HOSTILE} failed'), read, 'Job x')
    assert (result['skipped'], result['msg'], result['finished']) == (True, f'{HARMLESS} failed', True)
    assert 'failed' not in result
    good = {'changed': True, 'job': {'state': 'succeeded'}}
    some = result_of_many([good, result], ['fetch', 'build'], no_log=False)
    assert some['msg'] == '1 of 2 jobs skipped: build'
    assert not some.get('failed')
    assert not some['skipped']
    assert result_of_many([result], ['build'], no_log=False)['skipped'] is True


def test_a_module_that_calls_itself_skipped_has_run() -> None:
    result = {'skipped': True, 'job': {'state': 'succeeded'}}
    assert 'skipped' not in result_of_many([result], ['build'], no_log=False)


def test_a_long_cause_is_cut() -> None:
    results = [{'failed': True, 'msg': 'x' * 5000, 'job': look().job}]
    assert len(result_of_many(results, ['upgrade'], no_log=False)['msg']) < 300


def missing(references: list[t.Any], **others: list[str]) -> str:
    looks = [new_look(reference, '/async', 'deploy') for reference in references]
    with pytest.raises(AnsibleActionFail) as caught:
        Missing('web1', ok=False, others=lambda job_id: others.get('others', [])).known(references, looks)
    return str(caught.value.message)


def test_unknown_jobs_are_named_with_their_host() -> None:
    assert missing([{'name': HOSTILE}]).startswith(
        f'could not find job {HARMLESS} on web1: user deploy has no such job in'
    )
    assert missing(['j1.1']).endswith('or ANSIBLE_ASYNC_DIR in the environment of ansible itself).')  # not the keyword
    assert missing([{'name': 'a'}, 'j1.1']).startswith('could not find the jobs a, j1.1 on web1: user deploy has none')
    told = missing(['j1.1'], others=['web1', 'web2'])
    assert told.endswith('Job j1.1 was started on web2: ids differ from host to host.')


def test_unknown_jobs_may_be_left_out() -> None:
    looks = [new_look('j2.2', '/async', 'deploy'), look()]
    assert Missing('web1', ok=True, others=lambda job_id: []).known(['j2.2', 'j1.1'], looks) == looks[1:]


def test_a_job_that_cannot_be_looked_at_says_why() -> None:
    """Also where unknown jobs are left out: this one is known."""
    looks = [new_look('j1.1', '/async', 'deploy', known=True, error='a later version has written it'), look()]
    with pytest.raises(AnsibleActionFail, match=r'^web1: a later version has written it$'):
        Missing('web1', ok=True, others=lambda job_id: []).known(['j1.1', 'j2.2'], looks)


def test_jobs_of_ansible_core_cannot_be_waited_for() -> None:
    looks = [new_look('1.1', '/async', 'deploy', known=True)]
    with pytest.raises(AnsibleActionFail, match=r'job 1\.1 on web1 was started by ansible-core or mitogen'):
        Missing('web1', ok=True, others=lambda job_id: []).known(['1.1'], looks)


def test_who_has_registered_a_job() -> None:
    one = {'ansible_job_id': 'j1.1'}
    registered = {
        'web1': {'x': {'results': [{}, one]}},
        'web2': {'x': 'j1.1'},
        'web3': {'y': {'jobs': [one]}},
        'web4': {},
    }
    manager = SimpleNamespace(_nonpersistent_fact_cache=registered)
    task_vars = {'hostvars': SimpleNamespace(_variable_manager=manager)}
    assert hosts_with_job(task_vars, 'j1.1') == ['web1', 'web3']
    assert hosts_with_job({**task_vars, 'inventory_hostname': 'web1'}, 'j1.1') == ['web3']
    assert hosts_with_job({}, 'j1.1') == []
