# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd and logind do for jobs: scopes of their own, outside of the login session that started them.

root asks the manager of the system, whose scopes are in system.slice. An ordinary user asks the user's own manager, which
outlives the user's sessions only if the user lingers.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import functools
import os
import re

from ..files.users import user
from .bus import BusError, Connection

_RUNNING = '/run/systemd/system'
"""This directory exists where systemd is the init system (sd_booted(3))."""
_LINGERING_USERS = '/var/lib/systemd/linger'
_SYSTEM_BUS = '/run/dbus/system_bus_socket'
_SYSTEMD = 'org.freedesktop.systemd1'
_LOGIND = 'org.freedesktop.login1'
_SESSION = r'/user-([0-9]+)\.slice/session-[^/]+\.scope'
"""In the path of the cgroup of a process that belongs to a login session; the uid of the user who logged in."""


class ScopeError(Exception):
    """systemd makes no scope for this process; the text is for a person."""


def is_running():
    """Whether systemd is the init system of this host."""
    return os.path.isdir(_RUNNING)


def why_no_scope():
    """Why this process cannot have a scope that outlives its login session, or None: it can."""
    if not is_running():
        return 'systemd is not the init system of this host'
    name = user()
    if os.geteuid() and not os.path.exists(os.path.join(_LINGERING_USERS, name)):
        return (
            "user %s does not linger, so the user's systemd ends with the last session: run 'loginctl enable-linger %s' as "
            'root once, or let the job run as root (become)' % (name, name)
        )
    if not os.path.exists(_manager_socket()):
        return 'systemd does not listen on %s for user %s' % (_manager_socket(), name)
    return None


def enter_scope(job_id, delegate):
    """Move this process into a new scope. *delegate*: it may divide the scope's cgroup. Raises ScopeError."""
    name = 'background-jobs-%s.scope' % job_id
    properties = [
        ['Description', ('s', 'Job %s of background.jobs' % job_id)],
        ['PIDs', ('au', [os.getpid()])],
        ['CollectMode', ('s', 'inactive-or-failed')],
        ['Delegate', ('b', delegate)],
    ]
    try:
        with Connection(_manager_socket(), is_bus=False) as manager:
            (job,) = manager.call(
                *(_SYSTEMD, '/org/freedesktop/systemd1', _SYSTEMD + '.Manager', 'StartTransientUnit'),
                *('ssa(sv)a(sa(sv))', name, 'fail', properties, []),
            )
            result = manager.wait_for('JobRemoved', lambda values: values[1] == job)[3]
    except BusError as error:
        raise ScopeError('systemd made no scope for the job: %s' % error) from None
    if result != 'done':
        raise ScopeError('systemd made no scope for the job: its start ended as %r' % result)


def _manager_socket():
    uid = os.geteuid()
    return '/run/user/%d/systemd/private' % uid if uid else '/run/systemd/private'


def ending_session():
    """The user whose login session this process belongs to, if logind ends the processes of that session; else None."""
    uid = _session_uid()
    return None if uid is None or not _kills(user(uid)) else user(uid)


def _session_uid():
    try:
        with open('/proc/self/cgroup', encoding='utf-8', errors='replace') as stream:
            match = re.search(_SESSION, stream.read())
    except OSError:
        return None
    return int(match.group(1)) if match else None


@functools.lru_cache(maxsize=None)  # asked once for all jobs of a start: its supervisors share this memory
def _kills(name):
    """Whether logind ends what is left of a session of the user *name*: KillUserProcesses= and its exceptions."""
    try:
        with Connection(_SYSTEM_BUS, is_bus=True) as bus:
            if not _of_logind(bus, 'KillUserProcesses') or name in _of_logind(bus, 'KillExcludeUsers'):
                return False
            only = _of_logind(bus, 'KillOnlyUsers')
            return not only or name in only
    except BusError:  # no message bus, so no logind that could
        return False


def _of_logind(bus, name):
    """The property *name* of logind."""
    path, interface = '/org/freedesktop/login1', 'org.freedesktop.DBus.Properties'
    return bus.call(_LOGIND, path, interface, 'Get', 'ss', _LOGIND + '.Manager', name)[0]
