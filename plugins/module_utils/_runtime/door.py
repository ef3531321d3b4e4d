# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one door to the jobs of a target: a request (dict) comes in, a response (dict) goes out.

Every request has ``op`` and ``async_dir``, with ``shown`` where the response can be seen by others, and a response is
``{"error": text}`` or has ``jobs``: one look for each job, in the order asked. A look is::

    {"id": str, "known": bool, "results_file": path, "looked_in": path, "user": str,
     "job": {...} as users see it or None, "ended": bool, "error": text or None, "no_log": bool,
     "output": {"rc": int, "stdout": str, "stderr": str} of an ended module, or None,
     "result": what the result file says, whether or not it is whole (op "status"), or None,
     "line": the last line of live output of a job that has not ended (op "wait"), or None,
     "live": live output (shape: output/reader.py), where it was asked for, or None,
     "withheld": True where there is more to tell, and it is not told because of ``no_log``}

===========  =================================================================================================
op           what it does, and what else it takes
===========  =================================================================================================
``start``    starts or queues ``jobs`` (shape: requests/start.py); asked again with the same ids, it starts nothing
``wait``     looks at ``ids`` as soon as all have ended, then with their output, or after ``seconds``, or soon after
             one of them has live output from its one of ``offsets`` on (each, and all of them: None, do not follow)
``status``   looks at ``ids`` now, with the content of their result files, and the live output from ``offsets`` on
``collect``  looks at ``ids`` now, with their output, and remembers that somebody has seen the ended ones
``cancel``   asks for the end of ``ids``, with ``grace`` seconds between TERM and KILL; does not wait for it
``list``     looks at all jobs in one of ``states``, ``names``, ``queues`` (each None: any), oldest first
``prune``    removes ended jobs in one of ``states`` that ended ``older_than`` seconds ago or more, but for the
             newest ``keep``; with ``check``, only tells which. Looks at those
``remove``   removes the files of ``ids``; one that has not ended keeps all but its result file
===========  =================================================================================================

Instead of an id, ``{"name": text}`` stands for the last job of that name.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import time

from .files import store as _store
from .files.names import find
from .files.watch import Watch
from .output import reader as _live
from .requests import cancel as _cancel
from .requests import prune as _prune
from .requests import start as _start
from .requests.look import look, missing, settle
from .schedule.queue import Lines
from .supervise import ending as _outcome
from .supervise import supervisor as _supervisor

_GATHERING = 0.5
"""Seconds between the first new line and an answer: what is followed comes in groups, and within a second."""
_GLANCE, _PAGE, _LEAST = 65536, 1048576, 4096
"""Bytes of live output in one response: for people, who could not read more in time; for tasks; and for one job."""


def respond(request):
    """The response to *request*; what is wrong with either is told in it, never raised."""
    umask = os.umask(0o077)
    try:
        operation = _OPERATIONS.get(request.get('op'))
        if operation is None:
            return {'error': 'unknown operation %r' % (request.get('op'),)}
        request['umask'] = umask
        store = _store.Store(request['async_dir'])
        if operation is not _start.start:
            store.check()
        looks = operation(store, request)
        return {'jobs': [_withhold(found) for found in looks] if request.get('shown') else looks}
    except _store.StoreError as error:
        return {'error': '%s' % error}
    except OSError as error:
        return {'error': 'user %s cannot use the job files in %s: %s' % (_store.user(), store.root, error)}
    except Exception:
        return {'error': _store.trace()}
    finally:
        os.umask(umask)


def _withhold(found):
    """The look *found* without what ``no_log`` hides."""
    secret = {key: None for key in ('output', 'result', 'live', 'line') if found['no_log'] and found.get(key)}
    return dict(found, withheld=True, **secret) if secret else found


def _looks(store, request, output=False):
    jobs = [(wanted, find(store, wanted)) for wanted in request['ids']]
    return _kicked(
        store,
        lambda lines: [missing(store, wanted) if job is None else look(job, output, lines) for wanted, job in jobs],
    )


def _kicked(store, take):
    """What *take(lines)* finds, after the queues of the jobs that wait were kicked: a killed supervisor did not."""
    looks = take(Lines(store))
    queues = {found['job']['queue'] for found in looks if found['job'] and found['job']['state'] == 'queued'}
    return take(Lines(store)) if _kick(store, queues) else looks


def _kick(store, queues):
    """True where a kick has started something. What is wrong with a queue is no reason not to answer."""
    started = False
    for queue in queues:
        try:
            started = _supervisor.kick(store, queue) or started
        except (_store.StoreError, OSError):  # the disk is full, say
            pass
    return started


def _wait(store, request):
    deadline = time.monotonic() + request['seconds']
    asked = [find(store, wanted) for wanted in request['ids']]
    pending = {job.path: job for job in asked if job is not None and job.spec()}
    followed = [
        (job, offset) for job, offset in zip(asked, _offsets(request)) if job is not None and offset is not None
    ]
    with Watch(pending, writes=bool(followed)) as watch:
        _kick(store, {job.spec()['queue'] for job in pending.values()} - {None})
        touched = list(pending)
        while True:
            lines = Lines(store)
            for path in touched:
                if path in pending and _over(pending[path], lines):
                    del pending[path]
            if any(_live.has_more(job, offset) for job, offset in followed):
                followed = []
                watch.ignore_writes()
                deadline = min(deadline, time.monotonic() + _GATHERING)
            left = deadline - time.monotonic()
            if not pending or left <= 0:
                looks = _looks(store, request, output=not pending)
                if pending and all(found['ended'] or not found['job'] for found in looks):  # just now
                    looks = _looks(store, request, output=True)
                looks = _with_lines(store, looks)
                return _with_live(store, request, looks, _GLANCE, newest=True)
            touched = watch.sleep(left)


def _offsets(request):
    return request.get('offsets') or [None] * len(request['ids'])


def _with_lines(store, looks):
    """*looks* with the last line of each job that has not ended."""
    for found in looks:
        if found['job'] and not found['ended']:
            found['line'] = _live.last_line(store.job(found['id']))
    return looks


def _with_live(store, request, looks, most, newest=False):
    """*looks* with live output, of all of them together not much more than *most* bytes."""
    for found, offset in zip(looks, _offsets(request)):
        if found['job'] and offset is not None:
            found['live'] = _live.read(store.job(found['id']), offset, max(_LEAST, most // len(looks)), newest)
    return looks


def _over(job, lines):
    spec = job.spec()
    return spec is None or settle(job, spec, lines)[1] is not None


def _status(store, request):
    looks = _looks(store, request)
    for found in looks:
        end = store.job(found['id']).read('end.json') if found['ended'] else None
        if end is not None:
            found['result'] = _outcome.result_of(store.job(found['id']), end)
        elif found['known']:
            found['result'] = _store.read_json(found['results_file']) or {}
        _remember(store, found)
    return _with_live(store, request, looks, _PAGE)


def _collect(store, request):
    looks = _looks(store, request, output=True)
    for found in looks:
        _remember(store, found)
    return looks


def _remember(store, found):
    if found['ended']:
        try:
            _store.write_file(store.job(found['id']).file('collected'), b'')
        except OSError:  # a look is worth more than the memory of it
            pass


def _list(store, request):
    looks = _kicked(store, lambda lines: [look(store.job(job_id), lines=lines) for job_id in store.job_ids()])
    chosen = [
        found
        for found in looks
        if found['job']
        and all(
            request[key + 's'] is None or found['job'][key] in request[key + 's'] for key in ('state', 'name', 'queue')
        )
    ]
    return sorted(chosen, key=lambda found: found['job']['created'])  # the ids that ansible-core gives are random


def _remove(store, request):
    looks = _looks(store, request)
    for found in looks:
        if found['job'] and not found['ended']:
            _store.remove_file(found['results_file'])  # more than that has to be there when it ends
        elif found['known']:
            store.job(found['id']).remove()
    return looks


_OPERATIONS = {
    'start': _start.start,
    'wait': _wait,
    'status': _status,
    'collect': _collect,
    'cancel': _cancel.cancel,
    'list': _list,
    'prune': _prune.prune,
    'remove': _remove,
}
