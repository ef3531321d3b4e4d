# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``list``: look at all jobs of an async directory, or at a selection of them.

The request has these fields. None selects any, and there may be no ``output``:

==========  ==================================================================================================
``states``  a list of states, or None
``names``   a list of names, or None
``queues``  a list of names of queues, or None
``output``  true: jobs that have not ended come with their last line of live output
==========  ==================================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

from ..output.reader import last_line
from .look import after_kick, take_look


def list_jobs(store, request):
    """Looks at the jobs, oldest first, then at those of which this version can only tell why it knows nothing."""
    states = request['states']
    jobs = [job for job, end in store.ends() if end is None or states is None or end.state in states]
    looks = after_kick(store, lambda snapshot: [take_look(job, snapshot=snapshot) for job in jobs])
    selection = [(key, request[key + 's']) for key in ('state', 'name', 'queue')]
    selected = [
        look
        for look in looks
        if look.job and all(values is None or look.job[key] in values for key, values in selection)
    ]
    if request.get('output'):
        selected = [look if look.ended else look._replace(last_line=last_line(store.job(look.id))) for look in selected]
    selected.sort(key=lambda look: look.job['created'])  # not by id: those of ansible-core are random
    return selected + [look for look in looks if look.error]
