# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible's main process keeps of the task of a parked host."""

from __future__ import annotations

import contextlib
import pickle
import types
import typing as t
from pathlib import Path

import pytest
from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.plugins.strategy import StrategyBase
from ansible.utils.context_objects import CLIArgs
from ansible.vars.manager import VariableManager
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat import parked_task
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import parked_hosts, parking, tickets
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parked_hosts import ParkedHosts, ParkedTask
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parking import Parking

HOSTS = ['h1', 'h2', 'h3']


class Strategy(StrategyBase):
    """A strategy whose workers, threads and queues are not started."""

    def __init__(self, inventory: InventoryManager, variables: VariableManager) -> None:
        self._inventory = inventory
        self._variable_manager = variables
        self._tqm = types.SimpleNamespace(_failed_hosts={'h3': True}, _unreachable_hosts={})
        self._hosts_cache: list[str] = []
        self._hosts_cache_all: list[str] = []
        self._queued_task_cache: dict[parked_task.Key, dict[str, t.Any]] = {}

    def queue(self, play: Play, host: str) -> None:
        """Do what is done for *host* before a worker is forked, as far as its variables are concerned."""
        variables = self._variable_manager.get_vars(play=play, host=self._inventory.get_host(host))
        self.add_tqm_variables(variables, play=play)
        self._queued_task_cache[host, 'task'] = {'task_vars': variables}


def test_hosts_share_the_lists_that_grow_with_the_play(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the memory of the main process grows with the square of the number of hosts."""
    monkeypatch.setattr(context, 'CLIARGS', CLIArgs({}))
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[','.join([*HOSTS, ''])])
    strategy = Strategy(inventory, VariableManager(loader, inventory))
    play = Play.load({'hosts': 'all', 'gather_facts': False}, loader=loader)
    shared: dict[str, t.Any] = {}
    for host in HOSTS[:2]:
        strategy.queue(play, host)
        parked_task.share_variables(strategy, (host, 'task'), shared)

    one, other = (strategy._queued_task_cache[host, 'task']['task_vars'] for host in HOSTS[:2])

    assert one['ansible_current_hosts'] == HOSTS[:2]
    for own, others in zip(levels(one), levels(other), strict=True):
        assert lists_of_hosts(own) >= {'ansible_play_hosts', 'ansible_play_batch'}
        assert {name for name in lists_of_hosts(own) if own[name] is not others[name]} == set()


def test_a_full_inbox_stops_no_worker_and_is_emptied_before_a_task_is_queued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the strategy `free` and hundreds of hosts, the main process would wait for workers that wait for it."""
    for name in parked_task._EXPECTED:
        monkeypatch.setattr(StrategyBase, name, lambda *args, **kwargs: [])
    hosts = ParkedHosts()
    with contextlib.suppress(BlockingIOError):
        while True:
            hosts.send(('h1', 'task'), '/gone')
    strategy = object.__new__(Strategy)
    strategy._queued_task_cache = {}
    strategy._queue_task(None, None, None, None)
    hosts.send(('h1', 'task'), '/gone')


KEY = ('h1', 'task')


@pytest.fixture
def path(tmp_path: Path) -> str:
    """The path of the ticket of the task KEY."""
    made = str(tmp_path / 'ticket')
    fields = dict.fromkeys(ParkedTask._fields)
    task = ParkedTask(**{**fields, 'keywords': {}, 'jobs': {'j1': 'upgrade'}})  # type: ignore[arg-type]
    tickets.write_private(tickets.task_path(made), pickle.dumps(task))
    return made


@pytest.fixture
def strategy() -> Strategy:
    """It waits for the result of the task KEY."""
    made = object.__new__(Strategy)
    made._queued_task_cache = {KEY: {}}
    return made


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> ParkedHosts:
    monkeypatch.setattr(parked_task, 'call_while_results_are_awaited', lambda *_arguments: None)
    return ParkedHosts()


def test_a_report_that_cannot_be_made_fails_nothing(hosts: ParkedHosts, strategy: Strategy, path: str) -> None:
    """It is made in ansible's main process."""
    hosts._parked[path] = parked_hosts._Parked(KEY, path, 0)
    hosts._report(strategy, path, [{'ended': False, 'job': {'id': 'j1', 'state': 'running'}}])


def test_a_task_that_no_process_goes_on_with_names_its_jobs(
    monkeypatch: pytest.MonkeyPatch, hosts: ParkedHosts, strategy: Strategy, path: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(parked_hosts, '_FORK_SECONDS', 0)
    monkeypatch.setattr(parked_task, 'has_free_worker', lambda strategy: True)
    monkeypatch.setattr(parked_task, 'queue_again', lambda *_arguments: False)  # as where a fork fails
    monkeypatch.setattr(parked_task, 'send_failure', lambda _strategy, _key, message: said.append(message))
    hosts._to_resume.append((parked_hosts._Parked(KEY, path, 0), False, 0))
    hosts.look(strategy, False)
    assert [message.startswith('h1: ') and 'upgrade' in message and 'async_wait' in message for message in said] == [
        True
    ]
    assert hosts._fork_fails_since is None, 'the next fork that fails is tried again'


def test_a_host_that_cannot_be_parked_is_left_to_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> t.NoReturn:
        raise AnsibleError('the password is wrong')

    fields = dict.fromkeys(Parking._fields)
    given = {'remote': types.SimpleNamespace(command_line=fail), 'form': types.SimpleNamespace(host='h1')}
    monkeypatch.setattr(parking, '_why_not', lambda _parking: None)
    parking.park(t.cast('t.Any', None), [], Parking(**{**fields, **given}), 1)  # type: ignore[arg-type]


def levels(variables: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """*variables*, their copy in `vars`, and the copy in that, if there is one."""
    return [variables, *(levels(variables['vars']) if 'vars' in variables else [])]


def lists_of_hosts(variables: dict[str, t.Any]) -> set[str]:
    """Which of *variables* have the names of hosts in a list."""
    return {name for name, value in variables.items() if isinstance(value, list) and value and {*value} <= {*HOSTS}}
