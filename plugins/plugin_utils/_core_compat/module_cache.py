# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module files that ansible-core builds: the branches of a run share them with each other and with their play.

ansible-core builds the file of each module once in a run, which takes a tenth of a second and more, and keeps it in the
temporary directory of the run. A branch has a temporary directory of its own, because it may outlive its play. Without
sharing, each branch would build each of its modules anew, and take twice the processor time of the foreground.

Private names of ansible-core, all of them in 2.16 to 2.22:

- the directory ``ansiballz_cache`` in the temporary directory
- ``ansible.plugins.action.modify_module``

Private to this collection.
"""

from __future__ import annotations

import atexit
import collections.abc as c
import contextlib
import fcntl
import functools
import os
import typing as t

from ansible import constants as C
from ansible.plugins import action as action_module

_CACHE = 'ansiballz_cache'
_NO_MODULES = ('.lock', '-part', '.branches')
"""What the names of files in the cache end with that are no modules: two of ansible-core, and the locks of this file."""

_of_run: str | None = None
"""The cache of the run; None where the main process has not called share_built_modules()."""


def share_built_modules() -> None:
    """Let the branches of this run use what it has built, and add to it. Call it in ansible's main process."""
    global _of_run
    if _of_run is None:
        cache = os.path.join(C.DEFAULT_LOCAL_TMP, _CACHE)
        with contextlib.suppress(OSError):  # a full disk: each branch builds its own
            os.makedirs(cache, 0o700, exist_ok=True)
            _of_run = cache
            atexit.register(_close, os.getpid(), cache)


def _close(main: int, cache: str) -> None:
    """Have no branch add to *cache* from now on: ansible-core removes the directory that it is in, file by file."""
    if os.getpid() == main:
        with contextlib.suppress(OSError):
            os.rename(cache, f'{cache}.closed')


def use_shared_modules(directory: str) -> None:
    """Share the modules that are built with *directory* as the temporary directory. Call it in the process of a branch."""
    if _of_run is None:
        return
    own = os.path.join(directory, _CACHE)
    os.mkdir(own, 0o700)
    build: t.Any = action_module.modify_module
    build = getattr(build, '__wrapped__', build)  # of a branch that this one was started by
    action_module.modify_module = _sharing(build, _of_run, own)


def _sharing(build: c.Callable[..., t.Any], shared: str, own: str) -> c.Callable[..., t.Any]:
    """*build* for branches that have the cache *own*: what another one builds at this moment is waited for."""

    @functools.wraps(build)
    def sharing(*args: t.Any, **kwargs: t.Any) -> t.Any:
        name = kwargs['module_name'] if 'module_name' in kwargs else args[0]
        with contextlib.ExitStack() as stack:
            try:
                lock = stack.enter_context(open(os.path.join(shared, f'{name}.branches'), 'wb'))
            except OSError:  # the play has ended
                return build(*args, **kwargs)
            fcntl.flock(lock, fcntl.LOCK_EX)
            _link(shared, own)
            built = build(*args, **kwargs)
            _link(own, shared)
        return built

    return sharing


def _link(source: str, target: str) -> None:
    """Have in the directory *target* the modules of *source* as well; where that cannot be, they are built again."""
    with contextlib.suppress(OSError):  # the play has ended meanwhile, or they are on two file systems
        for name in set(os.listdir(source)).difference(os.listdir(target)):
            if not name.endswith(_NO_MODULES):
                with contextlib.suppress(FileExistsError, FileNotFoundError):
                    os.link(os.path.join(source, name), os.path.join(target, name))
