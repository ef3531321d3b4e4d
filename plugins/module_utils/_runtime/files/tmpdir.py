# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-core's temporary directory of a task: the job's from its start on, and removed with the end of the job.

Where the start makes no job, it is removed at once. Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from .atomic import remove_tree
from .clock import lives
from .errors import StoreError


def remove_unused_tmpdirs(store, fields):
    """Remove the directory of a job that a start was asked for, if there is no such job; and that of its `on_end`.

    *fields*: of protocol.StartRequest, unchecked. *store* None: the async directory cannot be used at all.
    """
    while isinstance(fields, dict):
        _remove_unused(store, fields.get('id'), fields.get('tmpdir'))
        fields = fields.get('on_end')


def _remove_unused(store, job_id, tmpdir):
    try:
        exists = store is not None and store.job(job_id).exists()
    except StoreError:  # not an id, so there is no such job
        exists = False
    if not exists:
        remove_tmpdir(tmpdir)


def tmpdir_of(job):
    """The directory of *job*, whose end is not written yet; None where it has none, or where its module still runs."""
    run = job.run()
    if run is None:
        launch = job.launch()
        return launch and launch.tmpdir
    return None if lives(run.pid, run.process_start) else run.tmpdir


def remove_tmpdir(tmpdir):
    """Remove the directory *tmpdir*, or nothing where it is None."""
    if isinstance(tmpdir, str) and os.path.isabs(tmpdir) and '\0' not in tmpdir:
        remove_tree(tmpdir)
