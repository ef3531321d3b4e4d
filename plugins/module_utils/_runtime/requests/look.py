# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is to know of a job now. A job found dead without an end is declared lost here.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files import clock as _clock
from ..files.store import user
from ..protocol import new_look
from ..schedule.queue import Lines
from ..supervise import ending as _outcome


def look(job, output=False, lines=None):
    """A look at *job*; with *output*, what the module of an ended job printed.

    *lines*: places in queues that are known already, for looks at many jobs.
    """
    spec = job.spec()
    if spec is None:  # of ansible-core's own jobs, there is only a result file
        return missing(job.store, job.id)._replace(known=os.path.isfile(job.result_file), results_file=job.result_file)
    position, end = settle(job, spec, lines)
    if end is None and not job.exists():
        return missing(job.store, job.id)
    return _known(
        job,
        spec,
        _describe(job, spec, job.read('run.json'), position, end),
        ended=end is not None,
        output=_printed(job, end) if output and end is not None else None,
    )


def _printed(job, end):
    return {
        'rc': end['rc'],
        'stdout': _outcome.read_text(job, 'stdout') or '',
        'stderr': _outcome.read_text(job, 'stderr') or '',
    }


def started(job, spec, run):
    """A look at *job* just after its module was executed, whose files are not read for that."""
    return _known(job, spec, _describe(job, spec, run))


def _known(job, spec, described, **fields):
    return missing(job.store, job.id)._replace(
        known=True, results_file=job.result_file, no_log=spec['no_log'], job=described, **fields
    )


def missing(store, wanted):
    """A look at what is not there: an id, or {"name": text}."""
    return new_look(wanted, store.root, user())


def settle(job, spec, lines=None):
    """(position in its queue from 1 on, or None; end, or None while it waits or lives) of *job*.

    The lock is looked at before the end is read once more: a job that ends between the two has written its end
    before it let go. Likewise, a job that is in none of the *lines* may have been queued since.
    """
    end = job.read('end.json')
    if end is not None or job.alive():
        return None, end
    if spec['queue'] is not None:
        for known in (lines, Lines(job.store)):
            position = known and known.place(spec['queue'], job.id)
            if position:
                return position, None
    if job.alive():  # its turn came between the two looks
        return None, None
    end = job.read('end.json')
    if end is None and not job.exists():  # not lost: somebody has removed it meanwhile
        return None, None
    return None, end or _declare_lost(job, spec)


def _declare_lost(job, spec):
    run = job.read('run.json')
    if run is None and not spec['boot']:
        reason = 'the files of job %s in %s are damaged, by a power cut perhaps' % (job.id, job.path)
    elif (run or spec)['boot'] != _clock.boot_id():
        reason = 'the host was rebooted, or lost power, while job %s ran' % job.id
    elif run is None:
        reason = 'the start of job %s was cut off before its module was executed' % job.id
    else:
        reason = (
            'the supervisor of job %s (pid %d) was killed, by kill -9 or for want of memory; its module (pid %d) %s'
            % (
                job.id,
                run['supervisor'],
                run['pid'],
                'still ran when this was found out'
                if _clock.lives(run['pid'], run['process_start'])
                else 'had ended by then',
            )
        )
    return _outcome.write_lost(job, reason)


def _describe(job, spec, run, position=None, end=None):
    """The job as users see it: the ``job`` of the returned values."""
    if end is not None:
        state, elapsed = end['state'], end['elapsed']
    elif position is not None:
        state, elapsed = 'queued', None
    else:
        state, elapsed = 'running', _clock.since(run) if run else None
    shown = {
        'id': job.id,
        'name': spec['name'],
        'state': state,
        'module': spec['module'],
        'limit': spec['limit'],
        'queue': spec['queue'],
        'created': spec['at'],
        'started': run['at'] if run else None,
        'ended': end['ended'] if end else None,
        'elapsed': elapsed,
        'output_file': job.file('output'),
    }
    if position is not None:
        shown['position'] = position
    for key in ('reason', 'signal'):
        if end is not None and end[key]:
            shown[key] = end[key]
    return shown
