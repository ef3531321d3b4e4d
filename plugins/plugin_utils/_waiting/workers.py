# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives the fork back while a task waits for its jobs, so that other hosts can start theirs.

ansible-core lets one worker process run one task of one host from its beginning to its end. Here the worker forks a
guardian, the guardian forks a child that goes on with the task, and the worker exits. ansible-core then has a free worker,
and still expects a result, which the child sends when the jobs have ended. The guardian does nothing but wait: if the
child is killed in its wait, it makes the task fail; if ansible ends, it ends the child. If both are killed, or the child
is killed after its wait, in a later item of a loop for one, the watcher of the run (watcher.py) makes the task fail.

The fork is held, as ansible-core does, where the internals of ansible-core are not as expected, and where this machine
cannot make the processes. Private to this collection.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import mmap
import multiprocessing
import os
import select
import signal
import threading
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import connection_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.connection import is_of_mitogen
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.task import strategy_of
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.worker import current_worker, task_of_worker
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._places import mitogen
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import label_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parking import Parking, park
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import Turns, take_number
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.watcher import Watch

MAX_WAITING = 200
"""How many tasks may wait at once without a fork, unless `background_jobs_max_waiting` says otherwise."""
_PINNED = ('host_pinned', 'ansible.builtin.host_pinned', 'mitogen_host_pinned')
"""Strategies whose meaning is that no more hosts are under way than there are forks."""
_WHAT_NEXT = 'The jobs go on: wait for them with async_wait.'
_LONGEST_END_SECONDS = 300
"""Of a child that stops its jobs when ansible has ended; more than it takes if its host does not answer."""
_GO = b'.'
"""What one process writes into a pipe when another may go on."""

_turns: Turns | None = None
"""The turns of this process, if it is a child that waits without a fork."""
_wait_is_over: mmap.mmap | None = None
"""A byte that the last guardian and its child share: 1 as soon as the wait is over in which they were forked."""
_watch: Watch | None = None
"""The watch over the task of this process, from the first attempt to give its fork back on."""
_main_pidfd: int | None = None
"""A pidfd of ansible's main process, as soon as this process has opened or inherited one."""
_run: int | None = None
"""The pid of ansible's main process that the four above belong to."""

display = Display()


class Worker:
    """The worker that runs the task of *action*, whose fork may be given back.

    Make it before the jobs are started: it raises AnsibleActionFail for settings that make no sense.
    """

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any]) -> None:
        self._action = action
        self._host = str(task_vars.get('inventory_hostname', ''))
        self._hosts = len(task_vars.get('ansible_play_batch', ()))
        self._max_waiting = settings.number(action, task_vars, 'background_jobs_max_waiting', MAX_WAITING)
        self._may_park = settings.flag(action, task_vars, 'background_jobs_park', True)
        self._may = settings.flag(action, task_vars, 'background_jobs_give_back_forks', True) and _is_possible()
        _forget_other_run()

    def free_fork(self, looks: list[Look], parking: Parking | None) -> Turns | None:
        """Have the host parked (*parking*), or give the fork back; None: the host must not be parked."""
        if parking is not None and self._may and self._may_park:
            park(self._action, looks, parking, self._hosts)
        return self.give_back(looks)

    def give_back(self, looks: list[Look]) -> Turns | None:
        """Go on in a child that waits without a fork, and return its turns; None where the fork is held.

        *looks*: at the jobs that the child will wait for. Code that comes after this runs in the child. An error of the
        operating system is not raised, because the jobs run already. In the guardian it raises AnsibleActionFail, which
        names the jobs, if the child dies before its wait is over.
        """
        global _turns
        if not self._may or not _has_one_thread(self._action):
            return _turns
        jobs = ', '.join(map(label_of, looks))
        alarm = signal.alarm(0)  # the task's `timeout`, which a child made by fork() does not inherit
        try:
            if _turns is not None:  # the jobs of an earlier item of a loop were waited for
                self._begin_watch(jobs)
            else:
                _turns = self._fork(jobs)
        except OSError as error:
            display.vvv(
                f'{self._host}: this task holds its fork while it waits for {jobs}, or nobody watches it: {error}'
            )
        signal.alarm(alarm)
        return _turns

    def _fork(self, jobs: str) -> Turns | None:
        """The turns of the child, in the child; None where no number is left. Raises OSError."""
        global _wait_is_over
        ansible = _open_main_process()
        _wait_is_over = mmap.mmap(-1, 1)
        with contextlib.ExitStack() as descriptors:
            taken = take_number(self._max_waiting)
            if taken is None:
                return None
            number, lock = taken
            descriptors.callback(os.close, lock)
            self._begin_watch(jobs)
            guarded = _fork_guarded()
            if guarded is not None:
                _guard(guarded, ansible, _wait_is_over, f'{self._host}: the process that waited for {jobs}')
            descriptors.pop_all()  # the child holds its lock until it ends
        return Turns(number, settings.forks(), self._hosts)

    def _begin_watch(self, jobs: str) -> None:
        """Have the watcher make the task fail if this process and its guardian are killed. Raises OSError."""
        global _watch
        if _watch is None:
            _watch = Watch(t.cast('t.Any', current_worker()), _open_main_process())
        _watch.begin(f'{self._host}: the processes that waited for {jobs} were killed. {_WHAT_NEXT}')


def _forget_other_run() -> None:
    """In a worker of a branch, which is a run of its own: forget what was inherited from the run that it was started by."""
    global _turns, _wait_is_over, _watch, _main_pidfd, _run
    if current_worker() is not None and _run != _main_pid():
        _turns = _wait_is_over = _watch = _main_pidfd = None
        _run = _main_pid()


@contextlib.contextmanager
def under_guard() -> c.Iterator[None]:
    """A wait: what this process does after it, its guardian must not do again."""
    try:
        yield
    finally:
        if _wait_is_over is not None:
            _wait_is_over[0] = 1


def renew_watch() -> None:
    """Have another watcher started if the one of this run was killed. Call it before each request of a wait."""
    _forget_other_run()
    if _watch is not None:
        with contextlib.suppress(OSError):  # it is tried again before the next request
            _watch.renew()


def end_if_orphaned() -> None:
    """End this process if ansible has ended, for which it works. Call it before each request of a wait.

    A guardian ends its child then. This is for a child whose guardian was killed, and for a worker that holds its
    fork, which ansible-core lets run to the end of its task.
    """
    _forget_other_run()
    if current_worker() is not None and not _main_process_lives():
        os._exit(1)


class _Guarded(t.NamedTuple):
    """The child of a guardian."""

    pid: int
    pidfd: int


def _fork_guarded() -> _Guarded | None:
    """Fork a guardian, and from it a child. Returns the child in the guardian, None in the child.

    In the worker it does not return, or raises OSError if one of the two could not be made; both have ended then. The
    worker exits only when the guardian watches the child, and the child goes on only when the worker exits. So exactly one
    process goes on with the task, whichever step fails, and whichever process is killed.
    """
    watched, tell_watched = os.pipe()  # the guardian tells the worker
    leaves, tell_leaves = os.pipe()  # the worker tells the child
    try:
        guardian = os.fork()
    except OSError:
        _close(watched, tell_watched, leaves, tell_leaves)
        raise
    if guardian:
        _close(tell_watched, leaves)
        _exit_or_raise(guardian, watched, tell_leaves)
    _close(watched, tell_leaves)
    os.setsid()
    try:
        child = os.fork()
        if child:
            # A group of its own: who kills the group of the child or of the guardian does not kill both. Both set it,
            # because nobody knows which of them runs first.
            _set_group(child)
            guarded = _Guarded(child, os.pidfd_open(child))
            os.write(tell_watched, _GO)
    except OSError:
        os._exit(1)  # the worker, and the child if there is one, find the end of their pipe
    _close(tell_watched)
    if child:
        _close(leaves)
        return guarded
    _set_group(0)
    if not os.read(leaves, len(_GO)):
        os._exit(1)  # the worker goes on with the task, or was killed
    _close(leaves)
    return None


def _exit_or_raise(guardian: int, watched: int, tell_leaves: int) -> t.NoReturn:
    if os.read(watched, len(_GO)):
        with contextlib.suppress(BrokenPipeError):  # the child was killed already, which the guardian reports
            os.write(tell_leaves, _GO)
        os._exit(0)  # without exit handlers, which belong to the child now
    _close(watched, tell_leaves)
    os.waitpid(guardian, 0)
    raise OSError('this machine could not make two more processes')


def _set_group(child: int) -> None:
    with contextlib.suppress(OSError):  # the child has ended already
        os.setpgid(child, child)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _guard(child: _Guarded, ansible: int, wait_is_over: mmap.mmap, what: str) -> t.NoReturn:
    """Wait for the end of *child*. End both when *ansible* (a pidfd) ends.

    Raises AnsibleActionFail if it died in its wait; *what* begins the message: a host, and "the process that waited for"
    its jobs. If it died later, the watcher makes the whole task fail: this process knows nothing of the items of a loop
    that the child has done since, and would do them again.
    """
    while (ended := _first_end(child, ansible)) != child.pidfd:
        if ended == ansible:
            _end_with_ansible(child)
            os._exit(1)
        renew_watch()
    status = os.waitpid(child.pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        os._exit(0)
    if wait_is_over[0]:
        renew_watch()
        os._exit(1)
    how = f'signal {os.WTERMSIG(status)}' if os.WIFSIGNALED(status) else f'exit code {os.WEXITSTATUS(status)}'
    raise AnsibleActionFail(f'{what} ended with {how}. {_WHAT_NEXT}')


def _end_with_ansible(child: _Guarded) -> None:
    """End *child*, which may stop its jobs before (interrupt.py), and the processes of its connection."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGTERM)
        end = select.poll()
        end.register(child.pidfd, select.POLLIN)
        end.poll(_LONGEST_END_SECONDS * 1000)
        os.killpg(child.pid, signal.SIGKILL)


def _first_end(child: _Guarded, ansible: int) -> int:
    """The descriptor of what has ended: *ansible*, *child*, or else the connection to the watcher."""
    ends = select.poll()
    watcher = None if _watch is None else _watch.descriptor()
    descriptors = [descriptor for descriptor in (ansible, child.pidfd, watcher) if descriptor is not None]
    for descriptor in descriptors:
        ends.register(descriptor, select.POLLIN)
    ready = dict(ends.poll())
    return next(descriptor for descriptor in descriptors if descriptor in ready)


def _open_main_process() -> int:
    """A pidfd of ansible's main process. Ends this process if ansible has ended. Raises OSError.

    getppid() does not tell the pid: if ansible has ended, it is 1, or the pid of another process that adopts orphans, and
    the guardian would wait for that one's end. multiprocessing has recorded the pid before the fork. If
    getppid() is still the same after the pidfd was opened, the pid has not been reused by another process.
    """
    global _main_pidfd
    if _main_pidfd is None:
        try:
            opened = os.pidfd_open(_main_pid())
        except ProcessLookupError:
            os._exit(1)
        end_if_orphaned()
        _main_pidfd = opened
    return _main_pidfd


def _main_pid() -> int:
    """The pid of ansible's main process, which multiprocessing recorded there when it made the worker."""
    return t.cast('int', t.cast('t.Any', multiprocessing.parent_process()).pid)


def _main_process_lives() -> bool:
    """Whether ansible's main process, for which this process works, has not ended."""
    if _main_pidfd is None:
        return os.getppid() == _main_pid()
    end = select.poll()
    end.register(_main_pidfd, select.POLLIN)
    return not end.poll(0)


def _is_possible() -> bool:
    """Whether this process is a worker of ansible-core whose fork may be given back."""
    worker = current_worker()
    if worker is None or not hasattr(os, 'pidfd_open'):
        return False
    task = task_of_worker(worker)  # not the action's own, which is in no play where ansible-core itself polls
    # `throttle` bounds how many workers run the task, which is to stay true.
    return not task.throttle and strategy_of(task) not in _PINNED


def _has_one_thread(action: ActionBase) -> bool:
    """Whether this process has one thread only: a connection that lives in others would not survive a fork."""
    connection = connection_of(action)
    return mitogen.disconnect(connection) if is_of_mitogen(connection) else threading.active_count() == 1
