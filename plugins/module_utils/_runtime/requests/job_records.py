# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of a job that a start request (protocol.StartRequest) asks for.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.clock import now
from ..files.errors import StoreError
from ..files.machine import host_name, machine_id
from ..files.records import VERSION, Launch, Spec
from ..supervise.body_start import as_text


def check_numbers(request):
    """Raise StoreError for a number that cannot be."""
    if request.limit is not None and not request.limit > 0:
        raise StoreError('limit must be a number above 0, found %r' % (request.limit,))
    if not request.grace >= 0:
        raise StoreError('grace must be a number of 0 or more, found %r' % (request.grace,))
    if not request.slots >= 1:
        raise StoreError('slots must be 1 or more, found %r' % (request.slots,))
    if not request.retention >= 0:
        raise StoreError('retention must be a number of 0 or more, found %r' % (request.retention,))


def spec_of(request, after, is_on_end, place):
    """The Spec. *after*: ids of jobs. *place*: where the job lives."""
    return Spec(
        version=VERSION,
        id=request.id,
        name=request.name,
        module=request.module,
        about=request.about,
        limit=request.limit,
        leeway=request.leeway,
        spare_daemons=request.spare_daemons,
        grace=request.grace,
        queue=request.queue,
        after=after,
        after_any=request.after_any,
        is_on_end=is_on_end,
        no_log=request.no_log,
        retention=request.retention,
        work=request.work,
        resources=request.resources,
        machine=host_name(),
        machine_id=machine_id(),
        place=place,
        **now(),
    )


def launch_of(request, umask, environment):
    """The Launch. *umask*, *environment*: of this process, for the body."""
    return Launch(
        version=VERSION,
        argv=request.argv,
        stdin=request.stdin,
        tmpdir=request.tmpdir,
        output_limit=0 if request.no_log else request.output_limit,
        payload=request.payload,
        environment=dict({as_text(name): as_text(value) for name, value in environment.items()}, **request.environment),
        umask=umask,
        cwd=_working_directory(),
    )


def _working_directory():
    try:
        return as_text(os.getcwd())
    except OSError:
        return None
