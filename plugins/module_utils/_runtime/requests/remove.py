# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``remove``: remove the files of jobs. A job that lives keeps all but its result file.

The request has ``ids``. Standard library only, Python 3.6 and up. Private to this collection.
"""

from ..files.atomic import remove_file
from ..files.names import forget_name
from .look import take_looks


def remove(store, request):
    """Looks at the jobs as they were."""
    looks = take_looks(store, request['ids'])
    for look in looks:
        if (look.job and not look.ended) or (look.error and store.job(look.id).alive()):
            remove_file(look.results_file)  # its other files are needed when it ends
        elif look.known:
            store.job(look.id).remove()
            if look.job and look.job['name'] is not None:
                forget_name(store, look.job['name'])
    return looks
