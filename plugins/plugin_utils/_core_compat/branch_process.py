# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a process that was forked from a worker fit to be the main process of a play of its own.

Private names of ansible-core, all of them in 2.16 to 2.22 unless marked:

- ``Display._final_q, _lock``; ``ansible.utils.display.logger``
- ``WorkerProcess._final_q, _config, _loader, _variable_manager``; ``DataLoader._tempfiles``
- ``ansible.plugins.strategy.Debugger``
- ``VariableManager._extra_vars, _fact_cache``; ``FactCache._plugin``, before 2.19
- ``ansible._internal._rpc_host``: ``_server_ready``, ``LocalManager._shared_instance, _shared_lock``, from 2.20 on
- of multiprocessing, Python 3.10 to 3.14: ``process._parent_process, _children``; ``SimpleQueue._reader, _writer``;
  ``Connection._handle``

Private to this collection.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.process
import threading
import typing as t

from ansible import constants as C
from ansible import context
from ansible.executor.process import worker as worker_module
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.plugins import strategy
from ansible.utils import display as display_module
from ansible.utils.context_objects import CLIArgs
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_variables import apply_joined_layers
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_cache import use_shared_modules

try:
    from ansible.executor import action_write_locks

    WRITE_LOCKS: dict[t.Any, t.Any] = action_write_locks.action_write_locks
except ImportError:  # ansible-core 2.19 and later
    WRITE_LOCKS = {}
try:
    from ansible._internal import _rpc_host
except ImportError:  # ansible-core before 2.20
    _rpc_host = None


def missing_internals(worker: t.Any) -> list[str]:
    """What a branch needs of ansible-core and of *worker*, and is not there; told before anything starts."""
    queue, manager = getattr(worker, '_final_q', None), getattr(worker, '_variable_manager', None)
    expected = (
        (worker, ('_task', '_host', '_variable_manager', '_loader', '_shared_loader_obj', '_play_context', '_final_q')),
        (worker, ('_config',)),
        (queue, ('_reader', '_writer')),
        (manager, ('_inventory', '_extra_vars', '_fact_cache', '_vars_cache', '_nonpersistent_fact_cache')),
        (Display(), ('_final_q', '_lock')),
        (multiprocessing.process, ('_parent_process', '_children')),
        (worker_module, ('current_worker',)),
        (TaskQueueManager, ('run', 'cleanup', 'load_callbacks')),
        (strategy.StrategyBase, ('_process_pending_results',)),
        (strategy.Debugger, ('do_continue',)),
    )
    return [
        f'{getattr(owner, "__name__", type(owner).__name__)}.{name}'
        for owner, names in expected
        for name in names
        if not hasattr(owner, name)
    ]


def become_main_process(worker: t.Any, directory: str) -> None:
    """Make this process, which was forked from *worker*, one that may run a play or a task of its own.

    *directory*: where its temporary files and the sockets of its connections go; nobody else uses it. The descriptors that
    were inherited are closed already, and its standard streams and signal handlers are its own.
    """
    _leave_queue(worker)
    _forget_processes(worker)
    worker._config['tempdir'] = C.DEFAULT_LOCAL_TMP = directory
    worker._loader._tempfiles = set()
    use_shared_modules(directory)
    _share_no_locks()
    _debug_nothing()
    context.CLIARGS = CLIArgs({**context.CLIARGS, 'step': False, 'start_at_task': None})
    _keep_facts_private(worker._variable_manager)
    apply_joined_layers()  # of a branch in a branch
    # Whoever opens an ssh master owns it: one that a branch opened and the play uses too would end with the branch.
    extra_vars = worker._variable_manager._extra_vars
    worker._variable_manager._extra_vars = {**extra_vars, 'ansible_control_path_dir': directory}


def _leave_queue(worker: t.Any) -> None:
    """Write to this process's own standard output, not through the queue of the play."""
    display: t.Any = Display()
    display._final_q = None
    display._lock = threading.RLock()  # WorkerProcess.start() holds it across the fork: for ever, as seen from here
    display_module.logger = None  # the file of ANSIBLE_LOG_PATH is closed, and so is the queue
    logging.disable()
    for end in (worker._final_q._reader, worker._final_q._writer):
        end._handle = None  # or its destructor would close a descriptor that is another file's by now


def _debug_nothing() -> None:
    """Have no debugger of tasks, whatever asks for one: nobody could talk to it, and without an answer it ends the play."""
    debugger: t.Any = strategy.Debugger
    debugger.cmdloop = lambda self: self.do_continue('')


def _share_no_locks() -> None:
    """Have locks of its own for building modules: a branch that is killed with one of the play's would stop the play."""
    for name in WRITE_LOCKS:
        WRITE_LOCKS[name] = multiprocessing.Lock()


def _forget_processes(worker: t.Any) -> None:
    """Have no parent and no children but those that this process will make."""
    process: t.Any = multiprocessing.process
    process._parent_process = None
    process._children = set()
    worker_module.current_worker = None
    if _rpc_host is not None:
        _rpc_host.LocalManager._shared_instance = None
        _rpc_host.LocalManager._shared_lock = threading.Lock()
        _rpc_host._server_ready = threading.Event()


def _keep_facts_private(variable_manager: t.Any) -> None:
    """Let no fact into the play's cache, which may be a file or a database: facts come back when the branch is joined."""
    cache = variable_manager._fact_cache
    if hasattr(cache, '_plugin'):
        cache._plugin = PrivateFacts(cache._plugin)
    else:
        variable_manager._fact_cache = PrivateFacts(cache)


class PrivateFacts:
    """In the place of a cache plugin: reads from it, and keeps to itself what is written."""

    def __init__(self, plugin: t.Any) -> None:
        self._plugin = plugin
        self._own: dict[str, t.Any] = {}
        self._deleted: set[str] = set()

    def get(self, key: str) -> t.Any:
        if key in self._own:
            return self._own[key]
        if key in self._deleted:
            raise KeyError(key)
        facts = self._plugin.get(key)
        return dict(facts) if isinstance(facts, dict) else facts

    def set(self, key: str, value: t.Any) -> None:
        self._own[key] = value

    def delete(self, key: str) -> None:
        self._own.pop(key, None)
        self._deleted.add(key)

    def contains(self, key: str) -> bool:
        return key in self._own or (key not in self._deleted and self._plugin.contains(key))

    def keys(self) -> list[str]:
        return [*{*self._own, *(set(self._plugin.keys()) - self._deleted)}]

    def flush(self) -> None:
        for key in self.keys():
            self.delete(key)
