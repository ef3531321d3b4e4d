# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fork(), with an error that a person understands.

The runtime forks in four places. What a refused fork does there:

* Batch.add(), the supervisor of a job: a start reports the error for this job, and there is no such job; a job that has
  waited goes back to where it waited: the head of its queue, or the jobs that wait for others.
* hand_on(), the supervisor of a job that may start: it goes back.
* limits.check(), a trial of a limit: nothing starts.
* the supervisor, its job's module: a job that has waited goes back; any other job ends as failed.

A job that went back is started by the next start, end or look at a job of its queue, or else by the next look at it.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.users import user


class ForkError(OSError):
    """The kernel refused to make a process; the text is for a person."""


def fork():
    """As os.fork(); raises ForkError."""
    try:
        return os.fork()
    except OSError as error:
        raise ForkError(
            'user %s could not start another process on this host: %s. See what limits the number of processes: '
            'ulimit -u, TasksMax= of a systemd unit or slice, pids.max of a cgroup' % (user(), error.strerror)
        ) from None
