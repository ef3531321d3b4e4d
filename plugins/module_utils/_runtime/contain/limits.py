# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits of a job: whether this host can keep them, how they are set, and whether the job has met them.

==================  ============================================================
memory, cpu, tasks  a cgroup of the job's own (cgroup.py). Where systemd runs, it is below a scope of the job
nice, io            the priority of the module's process (priority.py), which what it starts inherits
==================  ============================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.users import user
from . import cgroup, priority, systemd
from .fork import ForkError, fork

_CONTROLLERS = {'memory': 'memory', 'cpu': 'cpu', 'tasks': 'pids'}
"""The keys of Resources that a cgroup limits -> its controllers."""
_UNITS = ((1 << 40, 'TB'), (1 << 30, 'GB'), (1 << 20, 'MB'), (1 << 10, 'kB'))


class LimitError(Exception):
    """This host cannot limit a job as asked; the text is for a person."""


def check(resources):
    """Raise LimitError if this host cannot keep *resources* (Resources). Nothing is changed."""
    for key, apply in (('nice', priority.set_nice), ('io', priority.set_io)):
        value = getattr(resources, key)
        if value is not None:
            try:
                trouble = _trial(apply, value)
            except ForkError as error:
                raise _limit_error([key], error) from None
            if trouble:
                raise _limit_error([key], 'user %s may not set %s to %s: %s' % (user(), key, value, trouble))
    keys = [key for key in _CONTROLLERS if getattr(resources, key) is not None]
    if keys:
        reason = _why_no_cgroup(keys)
        if reason:
            raise _limit_error(keys, reason)


def _limit_error(keys, reason):
    return LimitError(
        'host %s cannot limit a job as asked (resources: %s): %s' % (os.uname().nodename, ', '.join(keys), reason)
    )


def _trial(apply, value):
    """Why *apply(value)* fails, or None: tried in a process of its own, because only the kernel knows."""
    reader, writer = os.pipe()
    try:
        child = fork()
    except ForkError:
        os.close(reader)
        os.close(writer)
        raise
    if child == 0:
        try:
            apply(value)
        except OSError as error:
            os.write(writer, (error.strerror or '%s' % error).encode('utf-8', 'replace'))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, 'rb') as pipe:
        trouble = pipe.read().decode('utf-8')
    try:
        os.waitpid(child, 0)
    except ChildProcessError:  # whoever started this process lets it ignore SIGCHLD, so the kernel has reaped it
        pass
    return trouble or None


def _why_no_cgroup(keys):
    """Why this process cannot have a cgroup that limits *keys*, or None."""
    own = cgroup.own()
    if own is None:
        return 'cgroup v2 is not mounted, as on a Linux that was booted with cgroup v1, or in a container without it'
    controllers = {_CONTROLLERS[key] for key in keys}
    if systemd.is_running():
        reason = systemd.why_no_scope()
        if reason:
            return reason
        missing = controllers - _controllers_of_scopes(own)
        whose = 'the system' if os.geteuid() == 0 else 'user %s (Delegate= of user@.service)' % user()
    else:
        missing = controllers if _parent(own, controllers) is None else ()
        whose = 'user %s' % user()
    if missing:
        return (
            'no cgroup v2 with %s can be made for %s: cgroup v1 has it, or it was not handed down to here (a container), or '
            '/sys/fs/cgroup cannot be written' % (', '.join(sorted(missing)), whose)
        )
    return None


def _controllers_of_scopes(own):
    """The controllers that the scopes of this user may have, where systemd runs."""
    top = own
    while not top.is_root() and os.path.exists(os.path.join(os.path.dirname(top.path), 'cgroup.controllers')):
        top = top.parent()
    if os.geteuid():
        top = top.child('user.slice/user-%d.slice/user@%d.service' % (os.geteuid(), os.geteuid()))
    try:
        return top.controllers()
    except OSError:  # the user's manager has no cgroup there
        return set()


def _parent(own, controllers):
    """The nearest cgroup, from *own* upwards, whose children may have *controllers*, and be made by this user; or None."""
    candidate = own
    while candidate is not None:
        try:
            ready = not candidate.missing(controllers)
            possible = controllers <= candidate.controllers() and (candidate.is_root() or not candidate.has_processes())
        except OSError:  # above the top
            return None
        if (ready or possible) and os.access(candidate.path, os.W_OK):
            return candidate
        candidate = candidate.parent()
    return None


def new_cgroup(job_id, resources):
    """A new Cgroup for the job with the limits of *resources*, or None: they need none. Raises LimitError.

    Where systemd runs, this process, the job's supervisor, moves into a scope of its own, to outlive a login session. It
    stays outside of the job's cgroup: what limits the job must not hit its supervisor.
    """
    keys = [key for key in _CONTROLLERS if getattr(resources, key) is not None]
    if not keys:
        return None
    controllers = {_CONTROLLERS[key] for key in keys}
    try:
        if systemd.is_running():
            systemd.enter_scope(job_id, delegate=True)
            top = cgroup.own()
            supervisor, found = top.child('supervisor'), top.child('job')
            supervisor.make()
            supervisor.enter()
        else:
            top = _parent(cgroup.own(), controllers)
            if top is None:
                raise _limit_error(keys, _why_no_cgroup(keys))
            found = top.child('background-jobs-%s' % job_id)
        top.hand_down(controllers)
        found.make()
        try:
            found.limit(resources.memory, resources.cpu, resources.tasks)
        except OSError:
            found.remove()
            raise
    except (systemd.ScopeError, OSError) as error:
        raise _limit_error(keys, error) from None
    return found


def enter(found, resources):
    """Put this process, which is about to become the module, under its limits. *found*: of new_cgroup()."""
    if found is not None:
        found.enter()
    if resources.io is not None:
        priority.set_io(resources.io)
    if resources.nice is not None:
        priority.set_nice(resources.nice)


def exceeded(found, resources):
    """What of *resources* the job in the Cgroup *found* wanted more of than it may have, as words for a reason; or None."""
    if resources.memory is not None and found.count('memory.events', 'oom_kill'):
        return 'used more than its %s of memory' % size(resources.memory)
    if resources.tasks is not None and found.count('pids.events', 'max'):
        return 'wanted more than its %d tasks' % resources.tasks
    return None


def size(count):
    """*count* bytes as people write it: the largest unit in which it is a whole number, or has one decimal."""
    for unit, name in _UNITS:
        if count >= unit:
            return ('%.1f' % (count / unit)).rstrip('0').rstrip('.') + ' ' + name
    return '%d bytes' % count
