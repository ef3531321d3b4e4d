# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at jobs: what is known of them now. A job that is dead and has no end is declared lost here.

Most requests name their jobs in ``ids``: a list of references, each a job id (str), or {"name": text} for the last job
of that name. Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.atomic import read_json
from ..files.clock import boot_id, lives, since
from ..files.machine import other_machine
from ..files.names import find
from ..files.records import NewerFormat
from ..files.tmpdir import remove_tmpdir, tmpdir_of
from ..files.users import user
from ..output.reader import read
from ..protocol import ABOUT, new_look
from ..schedule.queue import QueueSnapshot
from ..supervise.batch import kick
from ..supervise.ending import read_text, result_of, write_lost
from ..supervise.supervisor import supervise

_LEAST_LIVE_OUTPUT_BYTES = 4096
"""Of one job, however many jobs share a response."""


def take_looks(store, references, output=False):
    """A look at each of *references*, after a kick of the queues that these jobs wait in."""
    jobs = [(reference, find(store, reference)) for reference in references]
    return after_kick(
        store,
        lambda places: [
            unknown_look(store, reference) if job is None else take_look(job, output, places) for reference, job in jobs
        ],
    )


def after_kick(store, take):
    """What *take(places)* returns, looks, after the queues of the waiting jobs were kicked: a killed supervisor did not."""
    looks = take(QueueSnapshot(store))
    queues = {look.job['queue'] for look in looks if look.job and look.job['state'] == 'queued'}
    return take(QueueSnapshot(store)) if kick_queues(store, queues) else looks


def kick_queues(store, queues):
    """Start what may start now in *queues* (names). True where a job was started."""
    return kick(store, queues, supervise)


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
    return look._replace(result=result_of(job, end) if end is not None else read_json(look.results_file) or {})


def take_look(job, output=False, places=None):
    """A look at *job*; with *output*, what the module of an ended job printed.

    *places*: a snapshot of the queues, for looks at many jobs.
    """
    try:
        return _take_look(job, output, places)
    except NewerFormat as error:
        return unknown_look(job.store, job.id)._replace(
            known=True, results_file=job.result_file, error='%s' % error, no_log=True
        )


def _take_look(job, output, places):
    spec = job.spec()
    if spec is None:  # of ansible-core's own jobs, there is only a result file
        known = os.path.isfile(job.result_file)
        return unknown_look(job.store, job.id)._replace(known=known, results_file=job.result_file)
    position, end = settle(job, spec, places)
    if end is None and not job.exists():
        return unknown_look(job.store, job.id)
    return _known_look(
        job,
        spec,
        _describe(job, spec, job.run(), position, end),
        ended=end is not None,
        output=_printed(job, end) if output and end is not None else None,
    )


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


def settle(job, spec, places=None):
    """(position, end) of *job*: its place in its queue from 1 on, or None; its end, or None while it waits or lives.

    The lock is tested before the end is read again, because a job writes its end before it releases the lock. And the
    queue is read again where the job is not in the snapshot *places*, because it may have been queued since.
    """
    end = job.end()
    elsewhere = other_machine(spec) is not None  # then this machine's locks and processes say nothing of it
    if end is not None or (not elsewhere and job.alive()):
        return None, end
    if spec.queue is not None:
        for snapshot in (places, QueueSnapshot(job.store)):
            position = snapshot and snapshot.place(spec.queue, job.id)
            if position:
                return position, None
    if elsewhere or job.alive():  # its turn came meanwhile
        return None, None
    end = job.end()
    if end is None and not job.exists():  # not lost: somebody has removed it meanwhile
        return None, None
    return None, end or _declare_lost(job, spec)


def _declare_lost(job, spec):
    run = job.run()
    if run is None and not spec.boot:
        reason = 'the files of job %s in %s are damaged, by a power cut perhaps' % (job.id, job.path)
    elif (run or spec).boot != boot_id():
        reason = 'the host was rebooted, or lost power, while job %s ran' % job.id
    elif run is None:
        reason = 'the start of job %s was cut off before its module was executed' % job.id
    else:
        reason = (
            'the supervisor of job %s (pid %d) was killed, by kill -9 or for want of memory; its module (pid %d) %s'
            % (
                job.id,
                run.supervisor,
                run.pid,
                'still ran when this was found out' if lives(run.pid, run.process_start) else 'had ended by then',
            )
        )
    tmpdir = tmpdir_of(job)
    end = write_lost(job, reason)
    remove_tmpdir(tmpdir)
    return end


def _describe(job, spec, run, position=None, end=None):
    """The job as users see it: the ``job`` of a look, and of what tasks return."""
    if end is not None:
        state, elapsed = end.state, end.elapsed
    elif position is not None:
        state, elapsed = 'queued', None
    else:
        state, elapsed = 'running', since(run) if run else None
    described = {
        'id': job.id,
        'name': spec.name,
        'state': state,
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
    if position is not None:
        described['position'] = position
    for key in ('reason', 'signal', 'last_lines'):
        if end is not None and getattr(end, key):
            described[key] = getattr(end, key)
    return described
