# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Branches: where they are refused, which of their variables come back, and what they keep to themselves."""

from __future__ import annotations

import os
import threading
import time
import types
import typing as t

import pytest
from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins import strategy
from ansible.vars.manager import VariableManager
from ansible_collections.background.jobs.plugins.plugin_utils._branch import loading
from ansible_collections.background.jobs.plugins.plugin_utils._branch.branch import Branch
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat import (
    branch_process,
    branch_results,
    branch_variables,
)
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_variables import SetVariables, join

BLOCK = {'block': [{'ansible.builtin.command': 'true'}]}


class OfMitogen:
    """A connection whose class says that it is one of mitogen's."""


OfMitogen.__module__ = 'ansible_mitogen.connection'


def action(connection: t.Any = None) -> t.Any:
    return types.SimpleNamespace(_connection=connection)


def test_without_a_worker_of_ansible_core_there_is_no_branch() -> None:
    with pytest.raises(AnsibleActionFail, match='under this strategy'):
        loading.load_branch(action(), {}, BLOCK)


def test_under_mitogen_there_is_no_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, 'current_worker', object)
    with pytest.raises(AnsibleActionFail, match='under this strategy'):
        loading.load_branch(action(OfMitogen()), {}, BLOCK)


def test_from_a_process_with_threads_there_is_no_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, 'current_worker', object)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with pytest.raises(AnsibleActionFail, match='from a process with threads'):
            loading.load_branch(action(), {}, BLOCK)
    finally:
        over.set()
        thread.join()


def test_where_ansible_core_is_not_as_expected_there_is_no_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, 'current_worker', object)
    monkeypatch.setattr(threading, 'active_count', lambda: 1)  # xdist has threads in this process
    with pytest.raises(AnsibleActionFail, match=r'not as expected: it has no object\._task, object\._host'):
        loading.load_branch(action(), {}, BLOCK)


@pytest.fixture
def manager() -> VariableManager:
    return VariableManager(loader=DataLoader())


def test_each_variable_comes_back_in_its_layer(manager: VariableManager) -> None:
    manager.set_nonpersistent_facts('host', {'old': 1})
    variables = SetVariables(manager)
    manager.set_host_facts('host', {'fact': 'f'})
    manager.set_host_variable('host', 'included', 'i')
    manager.set_nonpersistent_facts('other', {'set': ['s', (1, 2)]})
    assert variables.layers() == {
        'facts': {'host': {'fact': 'f'}},
        'included': {'host': {'included': 'i'}},
        'set': {'other': {'set': ['s', [1, 2]]}},
    }


def test_a_task_with_no_log_keeps_back_its_own_variables_only(manager: VariableManager) -> None:
    variables = SetVariables(manager)
    variables.task_started()
    manager.set_nonpersistent_facts('host', {'of_the_task_before': 1})
    variables.task_started()
    manager.set_nonpersistent_facts('host', {'secret_fact': 2})
    variables.hide(['registered'])
    manager.set_nonpersistent_facts('host', {'registered': 3})
    variables.task_started()
    manager.set_nonpersistent_facts('host', {'after': 4})
    assert variables.layers() == {'set': {'host': {'of_the_task_before': 1, 'after': 4}}}


def test_variables_are_not_lost_silently_where_nobody_would_set_them() -> None:
    with pytest.raises(AnsibleActionFail, match='cannot be set in this play'):
        join({}, {'set': {'host': {'a': 1}}})


@pytest.mark.parametrize('results', [None, 5, 'text', {'a': 1}, ['text', None]], ids=str)
def test_results_of_modules_may_be_anything(monkeypatch: pytest.MonkeyPatch, results: t.Any) -> None:
    """Every result of a play is looked at, of whatever module."""
    monkeypatch.setattr(branch_variables, 'PendingChanges', None)  # before 2.21
    result = types.SimpleNamespace(_result={'results': results})
    assert branch_variables.layers_of(result) == []
    layers = {'set': {'host': {'a': 1}}}
    monkeypatch.setattr(branch_variables, 'is_applied', lambda: True)
    item = branch_variables.join({}, layers)
    assert branch_variables.layers_of(types.SimpleNamespace(_result={'results': [item]})) == [layers]


class Cache:
    """A cache plugin that outlives the play."""

    def __init__(self) -> None:
        self.facts = {'host': {'fact': 'of the play'}, 'other': {'fact': 'of another'}}

    def get(self, key: str) -> dict[str, str]:
        return self.facts[key]

    def contains(self, key: str) -> bool:
        return key in self.facts

    def keys(self) -> list[str]:
        return list(self.facts)


def test_facts_of_a_branch_do_not_reach_the_cache_of_the_play() -> None:
    cache = Cache()
    private = branch_process.PrivateFacts(cache)
    mine = private.get('host')
    mine['fact'] = 'of the branch'
    private.set('host', mine)
    private.delete('other')
    assert private.get('host') == {'fact': 'of the branch'}
    assert private.keys() == ['host']
    assert not private.contains('other')
    with pytest.raises(KeyError):
        private.get('other')
    assert cache.facts == {'host': {'fact': 'of the play'}, 'other': {'fact': 'of another'}}


def test_the_sockets_of_a_branch_have_paths_that_are_short_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, is_there in ((f'/{"t" * 20}', True), (f'/{"t" * 80}', False)):
        monkeypatch.setattr(C, 'DEFAULT_LOCAL_TMP', f'{folder}/ansible-local-1')
        directory = Branch(t.cast('t.Any', None), light=False, summary='').directory
        assert len(os.fsencode(directory)) + 1 + 10 + 17 <= 107
        assert directory.startswith(folder) == is_there


@pytest.mark.skipif(not branch_process.WRITE_LOCKS, reason='this ansible-core has no such locks')
def test_a_branch_that_is_killed_holds_no_lock_of_the_play() -> None:
    locks = branch_process.WRITE_LOCKS
    before = dict(locks)
    try:
        branch_process._share_no_locks()
        assert locks.keys() == before.keys()
        assert all(locks[name] is not lock for name, lock in before.items())
    finally:
        locks.update(before)


def test_the_strategy_of_a_branch_hears_of_results_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_results, '_LOOK_SECONDS', 600.0)  # so that the test does not end in time if it does not
    monkeypatch.setattr(C, 'DEFAULT_INTERNAL_POLL_INTERVAL', 0.001)
    monkeypatch.setattr(strategy, 'time', time)
    manager = types.SimpleNamespace(_final_q=types.SimpleNamespace(get=lambda: 'result'))
    branch_results.wait_for_results(manager)
    clock: t.Any = t.cast('t.Any', strategy).time
    sleep, interval = clock.sleep, C.DEFAULT_INTERNAL_POLL_INTERVAL
    receiver = threading.Thread(target=manager._final_q.get)  # as when the result before was made known
    receiver.start()
    sleep(interval)
    receiver.join()
    assert clock.monotonic is time.monotonic
    sleep(0.0001)  # what ansible-core waits for something else than a result
