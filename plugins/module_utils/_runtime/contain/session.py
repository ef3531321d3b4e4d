# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login session that a job is started in, and whether the job outlives it.

logind ends all processes of a session with it where KillUserProcesses= says so. A job then moves into a scope of its own.
Standard library only, Python 3.6 and up. Private to this collection.
"""

from . import systemd


def leave(job_id):
    """Move this process, the supervisor of a job, out of a session that logind will end. A warning where it cannot be, or None."""
    warning = warn()
    if warning is None and systemd.ending_session() is not None:
        try:
            systemd.enter_scope(job_id, delegate=False)
        except systemd.ScopeError as error:
            return _warning('%s' % error)
    return warning


def warn():
    """A warning where a job that is started now will end with the session, or None."""
    if systemd.ending_session() is None:
        return None
    reason = systemd.why_no_scope()
    return None if reason is None else _warning(reason)


def _warning(reason):
    return 'the job ends when user %s logs out, because logind of this host has KillUserProcesses=yes: %s' % (
        systemd.ending_session(),
        reason,
    )
