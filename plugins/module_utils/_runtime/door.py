# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one door to the jobs of a target: a request (dict) comes in, a response (dict) goes out.

protocol.py has the shapes of both, and each module of `requests` what its operations take.

===========  =================================================================================================
op           what it does, and what else it takes
===========  =================================================================================================
``start``    starts or queues ``jobs`` (shape: requests/start.py); asked again with the same ids, it starts nothing
``wait``     looks at ``ids`` as soon as all have ended, then with their output, or after ``seconds``, or soon after
             one of them has live output from its one of ``offsets`` on (each, and all of them: None, do not follow).
             With ``output``, those that have ended come with their output though others go on; with ``results``, with
             the content of their result files, too
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
from .protocol import VERSION
from .requests import cancel as _cancel
from .requests import prune as _prune
from .requests import start as _start
from .requests.look import look as look_at
from .requests.look import missing, settle
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
        if request.get('version') != VERSION:
            return _failure(
                'this runtime of background.jobs speaks version %d of its protocol, and was asked in version %s: use the '
                'same version of the collection on both sides' % (VERSION, request.get('version'))
            )
        operation = _OPERATIONS.get(request.get('op'))
        if operation is None:
            return _failure('unknown operation %r' % (request.get('op'),))
        request['umask'] = umask
        store = _store.Store(request['async_dir'])
        if operation is not _start.start:
            store.check()
        looks = operation(store, request)
        if request.get('shown'):
            looks = [_withhold(look) for look in looks]
        return {'version': VERSION, 'jobs': [look._asdict() for look in looks]}
    except _store.StoreError as error:
        return _failure('%s' % error)
    except OSError as error:
        return _failure('user %s cannot use the job files in %s: %s' % (_store.user(), store.root, error))
    except Exception:
        return _failure(_store.trace())
    finally:
        os.umask(umask)


def _failure(error):
    return {'version': VERSION, 'error': error}


def _withhold(look):
    """*look* without what ``no_log`` hides."""
    secret = [name for name in ('output', 'result', 'live_output', 'last_line') if look.no_log and getattr(look, name)]
    return look._replace(withheld=True, **dict.fromkeys(secret)) if secret else look


def _looks(store, request, output=False):
    jobs = [(wanted, find(store, wanted)) for wanted in request['ids']]
    return _kicked(
        store,
        lambda lines: [missing(store, wanted) if job is None else look_at(job, output, lines) for wanted, job in jobs],
    )


def _kicked(store, take):
    """What *take(lines)* finds, after the queues of the jobs that wait were kicked: a killed supervisor did not."""
    looks = take(Lines(store))
    queues = {look.job['queue'] for look in looks if look.job and look.job['state'] == 'queued'}
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
                looks = _looks(store, request, output=not pending or request.get('output', False))
                if pending and all(look.ended or not look.job for look in looks):  # just now
                    looks = _looks(store, request, output=True)
                if request.get('results'):
                    looks = [look._replace(result=_result(store, look)) if look.ended else look for look in looks]
                looks = _with_lines(store, looks)
                return _with_live(store, request, looks, _GLANCE, newest=True)
            touched = watch.sleep(left)


def _offsets(request):
    return request.get('offsets') or [None] * len(request['ids'])


def _with_lines(store, looks):
    """*looks* with the last line of each job that has not ended."""
    return [
        look._replace(last_line=_live.last_line(store.job(look.id))) if look.job and not look.ended else look
        for look in looks
    ]


def _with_live(store, request, looks, most, newest=False):
    """*looks* with live output, of all of them together not much more than *most* bytes."""
    each = max(_LEAST, most // max(1, len(looks)))
    return [
        look._replace(live_output=_live.read(store.job(look.id), offset, each, newest))
        if look.job and offset is not None
        else look
        for look, offset in zip(looks, _offsets(request))
    ]


def _over(job, lines):
    spec = job.spec()
    return spec is None or settle(job, spec, lines)[1] is not None


def _status(store, request):
    looks = _looks(store, request)
    for look in looks:
        _remember(store, look)
    looks = [look._replace(result=_result(store, look)) if look.known else look for look in looks]
    return _with_live(store, request, looks, _PAGE)


def _result(store, look):
    end = store.job(look.id).read('end.json') if look.ended else None
    if end is None:
        return _store.read_json(look.results_file) or {}
    return _outcome.result_of(store.job(look.id), end)


def _collect(store, request):
    looks = _looks(store, request, output=True)
    for look in looks:
        _remember(store, look)
    return looks


def _remember(store, look):
    if look.ended:
        try:
            _store.write_file(store.job(look.id).file('collected'), b'')
        except OSError:  # a look is worth more than the memory of it
            pass


def _list(store, request):
    looks = _kicked(store, lambda lines: [look_at(store.job(job_id), lines=lines) for job_id in store.job_ids()])
    chosen = [
        look
        for look in looks
        if look.job
        and all(request[key + 's'] is None or look.job[key] in request[key + 's'] for key in ('state', 'name', 'queue'))
    ]
    return sorted(chosen, key=lambda look: look.job['created'])  # the ids that ansible-core gives are random


def _remove(store, request):
    looks = _looks(store, request)
    for look in looks:
        if look.job and not look.ended:
            _store.remove_file(look.results_file)  # more than that has to be there when it ends
        elif look.known:
            store.job(look.id).remove()
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
