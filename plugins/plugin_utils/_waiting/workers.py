# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives the fork back while a task waits for its jobs, so that other hosts can start theirs.

ansible-core lets one worker process run one task of one host from its beginning to its end. Here the worker forks a
child that goes on with the task, and exits: ansible-core sees a free worker, and still expects a result, which the
child sends when the jobs have ended. Between the two stands a guardian, one more fork, that does nothing but wait for
the child's end and for ansible's: a child that is killed becomes a failed task, and a play that ends takes its children
with it. Where the internals are not as expected the fork is held, as ansible-core does. Private to this collection.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import fcntl
import multiprocessing
import os
import select
import signal
import threading
import typing as t

from ansible import constants as C
from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.executor.process.worker import WorkerProcess
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings as _settings
from ansible_collections.background.jobs.plugins.plugin_utils._places import mitogen as _mitogen

_MOST = 200
"""How many tasks may wait at once without a fork, unless `background_jobs_max_waiting` says otherwise."""
_PINNED = ('host_pinned', 'ansible.builtin.host_pinned', 'mitogen_host_pinned')
"""Strategies whose meaning is to bound the hosts that are under way by the forks."""

_place: Place | None = None


class Place:
    """This process's place among those that wait without a fork. It is held until the process ends.

    Where there are more *hosts* than *forks*, their requests take turns, as many at once as there are forks, and who
    shares a turn asks for shorter waits.
    """

    def __init__(self, number: int, forks: int, hosts: int) -> None:
        self._number = number
        self._forks = forks
        self._hosts = hosts

    @contextlib.contextmanager
    def turn(self) -> c.Iterator[int]:
        """For one request. Gives how many share this turn now, 0 where each host has one of its own."""
        if self._hosts <= self._forks:
            yield 0
            return
        lock = os.open(_path(f'turn-{self._number % self._forks}'), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._sharers()
        finally:
            os.close(lock)

    def _sharers(self) -> int:
        others = _numbers_taken() - {self._number}
        return 1 + sum(number % self._forks == self._number % self._forks for number in others)


def give_back(action: ActionBase, task_vars: dict[str, t.Any], jobs: list[t.Any]) -> Place | None:
    """Go on in a child, the worker's fork given back; None where the fork is held.

    Code that comes after this runs in the child. Raises AnsibleActionFail in the guardian if the child is killed,
    with *jobs* in its message.
    """
    global _place
    if _place is not None or not _may(action, task_vars) or not _is_alone(action):
        return _place
    number = _take_place(_settings.number(action, task_vars, 'background_jobs_max_waiting', _MOST))
    if number is None:
        return None
    ansible = os.pidfd_open(os.getppid())
    alarm = signal.alarm(0)  # the task's `timeout`, which a fork does not inherit
    if os.fork():
        os._exit(0)  # the worker; its exit handlers belong to the child now
    os.setsid()
    forks = context.CLIARGS.get('forks') or C.DEFAULT_FORKS  # no command line where ansible-core is a library
    _place = Place(number, forks, len(task_vars['ansible_play_batch']))
    child = os.fork()
    if child == 0:
        os.close(ansible)
        signal.alarm(alarm)
        return _place
    _guard(child, ansible, jobs)
    return None


def _may(action: ActionBase, task_vars: dict[str, t.Any]) -> bool:
    worker = multiprocessing.current_process()
    return (
        hasattr(os, 'pidfd_open')
        and _settings.flag(action, task_vars, 'background_jobs_give_back_forks', True)
        and isinstance(worker, WorkerProcess)
        # Of the worker, because the action's own task is of no play where ansible-core itself polls.
        and not worker._task.throttle  # bounds how many workers run the task, which is to stay true
        and worker._task._parent._play.strategy not in _PINNED
    )


def _is_alone(action: ActionBase) -> bool:
    """Whether this process has one thread only: a connection that lives in others would not survive a fork."""
    if _mitogen.carries(action._connection):
        return _mitogen.disconnect(action._connection)
    return threading.active_count() == 1


def _guard(child: int, ansible: int, jobs: list[t.Any]) -> None:
    """Never returns if all goes well."""
    ended = os.pidfd_open(child)
    if ansible in select.select([ended, ansible], [], [])[0]:
        os.killpg(0, signal.SIGKILL)  # the child, its connection's processes, and this one
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        os._exit(0)
    how = f'signal {os.WTERMSIG(status)}' if os.WIFSIGNALED(status) else f'exit code {os.WEXITSTATUS(status)}'
    raise AnsibleActionFail(
        f'The process that waited for the jobs {jobs} ended with {how}. The jobs go on: wait for them with async_wait.'
    )


def _path(name: str) -> str:
    folder = os.path.join(C.DEFAULT_LOCAL_TMP, 'background.jobs')  # of this run of ansible, and removed after it
    os.makedirs(folder, 0o700, exist_ok=True)
    return os.path.join(folder, name)


def _take_place(most: int) -> int | None:
    """The lowest free number below *most*, locked by this process and its children, or None."""
    for number in range(most):
        lock = os.open(_path(f'place-{number}'), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return number
    return None


def _numbers_taken() -> set[int]:
    taken = set()
    for name in os.listdir(os.path.dirname(_path('place'))):
        kind, _dash, number = name.partition('-')
        if kind == 'place' and _is_locked(_path(name)):
            taken.add(int(number))
    return taken


def _is_locked(path: str) -> bool:
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
