# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at jobs: what is known of them now.

Most requests name their jobs in ``ids``: a list of references, each a job id (str), or {"name": text} for the last job
of that name. Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.atomic import read_json
from ..files.clock import since
from ..files.machine import other_machine
from ..files.names import find
from ..files.records import NewerFormat
from ..files.users import user
from ..output.reader import read
from ..protocol import ABOUT, TARGET, new_look
from ..schedule.dependents import Edge, awaited_by, edges_to
from ..schedule.queue import QueueSnapshot
from ..supervise.ending import result_of
from ..supervise.following import kick
from ..supervise.module_output import read_text
from ..supervise.standing import RUNS, has_ended, settle

_LEAST_LIVE_OUTPUT_BYTES = 4096
"""Of one job, however many jobs share a response."""


def take_looks(store, references, output=False):
    """A look at each of *references*, after what may start now was started."""
    jobs = [(reference, find(store, reference)) for reference in references]
    return after_kick(
        store,
        lambda snapshot: [
            unknown_look(store, reference) if job is None else take_look(job, output, snapshot)
            for reference, job in jobs
        ],
    )


def after_kick(store, take):
    """What *take(snapshot)* returns, looks, after what may start now was started: a killed supervisor did not."""
    looks = take(QueueSnapshot(store))
    queued = [look.job for look in looks if look.job and look.job['state'] == 'queued']
    queues = {job['queue'] for job in queued if 'waits_for' not in job and job['place'] == TARGET} - {None}
    edges = [edge for look in looks if look.ended for edge in edges_to(store, look.id)]
    edges += due_edges(store, [job['id'] for job in queued if 'waits_for' in job])
    return take(QueueSnapshot(store)) if _kick(store, queues, edges) or edges else looks


def due_edges(store, job_ids):
    """The edges above the jobs *job_ids*, and above those that these wait for, whose awaited job has ended or is gone."""
    due, pending, visited = [], list(job_ids), set(job_ids)
    while pending:
        job_id = pending.pop()
        awaited_ids = awaited_by(store, job_id)
        if awaited_ids == []:  # ready, but not started: whoever was about to do so was killed
            due.append(Edge(job_id, None))
        for awaited_id in awaited_ids or ():
            if awaited_by(store, awaited_id) is None:
                due += [Edge(job_id, awaited_id)] if has_ended(store.job(awaited_id)) else []
            elif awaited_id not in visited:
                visited.add(awaited_id)
                pending.append(awaited_id)
    return due


def start_dependents(store, job_ids):
    """Go on with what waits for the jobs *job_ids*, which have ended, before their files are removed for example."""
    _kick(store, (), [edge for job_id in job_ids for edge in edges_to(store, job_id)])


def kick_waiting(store, queues, job_ids):
    """Start what may start now in *queues* (names), and of the jobs *job_ids* and those that these wait for."""
    _kick(store, queues, due_edges(store, job_ids))


def _kick(store, queues, edges):
    """following.kick(), with the supervisors of what is started."""
    if not queues and not edges:
        return False
    from ..supervise.supervisor import supervise  # here, because most looks start nothing, and need not load it

    return kick(store, queues, edges, supervise)


def with_live_output(store, looks, offsets, limit_bytes, newest=False):
    """*looks* with live output from *offsets* on (one for each look, None: without it; or None: all without it).

    All of it together is not much more than *limit_bytes*. With *newest*, old output is left out for that.
    """
    each = max(_LEAST_LIVE_OUTPUT_BYTES, limit_bytes // max(1, len(looks)))
    return [
        look._replace(live_output=read(store.job(look.id), offset, each, newest))
        if look.job and offset is not None
        else look
        for look, offset in zip(looks, offsets or [None] * len(looks))
    ]


def with_result(store, look):
    """*look* at a job of *store*, with the content of its result file."""
    job = store.job(look.id)
    end = job.end() if look.ended else None
    result = result_of(job, end) if end is not None else read_json(look.results_file) or {}
    if look.job and not job.exists():  # somebody has removed it, perhaps before all of this was read
        return unknown_look(store, job.id)
    return look._replace(result=result)


def take_look(job, output=False, snapshot=None):
    """A look at *job*; with *output*, what the module of an ended job printed.

    *snapshot*: a QueueSnapshot, for looks at many jobs.
    """
    try:
        return _take_look(job, output, snapshot)
    except NewerFormat as error:
        return unknown_look(job.store, job.id)._replace(
            known=True, results_file=job.result_file, error='%s' % error, no_log=True
        )


def _take_look(job, output, snapshot):
    spec = job.spec()
    if spec is None:  # of ansible-core's own jobs, there is only a result file
        known = os.path.isfile(job.result_file)
        return unknown_look(job.store, job.id)._replace(known=known, results_file=job.result_file)
    standing = settle(job, spec, snapshot)
    end = standing.end
    described = _describe(job, spec, job.run(), standing)
    printed = _printed(job, end) if output and end is not None else None
    if not job.exists():  # somebody has removed it, perhaps before all of this was read
        return unknown_look(job.store, job.id)
    return _known_look(job, spec, described, ended=end is not None, output=printed)


def _printed(job, end):
    return {
        'rc': end.rc,
        'stdout': read_text(job, 'stdout') or '',
        'stderr': read_text(job, 'stderr') or '',
    }


def executed_look(job, spec, run):
    """A look at *job* just after its module was executed. No file is read: *spec* and *run* are their content."""
    return _known_look(job, spec, _describe(job, spec, run))


def _known_look(job, spec, described, **fields):
    return unknown_look(job.store, job.id)._replace(
        known=True, results_file=job.result_file, no_log=spec.no_log, job=described, **fields
    )


def unknown_look(store, reference):
    """A look at a job that is not there."""
    return new_look(reference, store.root, user())


def _describe(job, spec, run, standing=RUNS):
    """The job as users see it: the ``job`` of a look, and of what tasks return."""
    end = standing.end
    if end is not None:
        state, elapsed = end.state, end.elapsed
    elif standing.position is not None or standing.awaited is not None:
        state, elapsed = 'queued', None
    else:
        state, elapsed = 'running', since(run) if run else None
    described = {
        'id': job.id,
        'name': spec.name,
        'state': state,
        'place': spec.place,
        'module': spec.module,
        'limit': spec.limit,
        'queue': spec.queue,
        'created': spec.at,
        'started': run.at if run else None,
        'ended': end.ended if end else None,
        'elapsed': elapsed,
        'output_file': job.file('output'),
        'rc': end.module_rc if end else None,
    }
    described.update((key, spec.about.get(key)) for key in ABOUT)  # a job of version 0.1.0 has none of them
    machine = other_machine(spec)
    if machine is not None:
        described['machine'] = machine
    if standing.position is not None:
        described['position'] = standing.position
    if spec.after:
        described['after'] = spec.after
    if standing.awaited is not None:
        described['waits_for'] = [_label(job.store.job(awaited)) for awaited in standing.awaited]
    for key in ('reason', 'signal', 'last_lines'):
        if end is not None and getattr(end, key):
            described[key] = getattr(end, key)
    return described


def _label(job):
    """How people call *job*: by its name, or where it has none by its id."""
    try:
        spec = job.spec()
        return job.id if spec is None or spec.name is None else spec.name
    except NewerFormat:
        return job.id
