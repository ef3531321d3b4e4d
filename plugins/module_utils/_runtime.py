# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one door to the jobs of a target: a request (dict) comes in, a response (dict) goes out.

Every request has ``op`` and ``async_dir``, and a response is ``{"error": text}`` or has ``jobs``: one look for
each job, in the order asked. A look is::

    {"id": str, "known": bool, "results_file": path, "looked_in": path, "user": str,
     "job": {...} as users see it or None, "ended": bool,
     "output": {"rc": int, "stdout": str, "stderr": str} of an ended module (op "wait") or None,
     "result": the result file's content (op "status") or None}

==========  ==================================================================================================
op          what it does, and what else it takes
==========  ==================================================================================================
``start``   starts ``jobs`` (id, name, module, limit, grace, argv, environment, stdin, files, tmpdir each);
            asked again with the same ids, it starts nothing
``wait``    looks at ``ids`` as soon as all have ended, or after ``seconds``
``status``  looks at ``ids`` now, with the content of their result files
``remove``  removes the files of ``ids``
==========  ==================================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

import base64
import os
import pwd
import signal

from . import _clock
from . import _outcome
from . import _store
from . import _supervisor


def respond(request):
    """The response to *request*; what is wrong with either is told in it, never raised."""
    umask = os.umask(0o077)
    try:
        operation = _OPERATIONS.get(request.get('op'))
        if operation is None:
            return {'error': 'unknown operation %r' % (request.get('op'),)}
        return {'jobs': operation(_store.Store(request['async_dir']), dict(request, umask=umask))}
    except (_store.StoreError, OSError) as error:
        return {'error': '%s' % error}
    finally:
        os.umask(umask)


def _start(store, request):
    store.prepare()
    return [_start_one(store, wanted, request['umask']) for wanted in request['jobs']]


def _start_one(store, wanted, umask):
    spec = dict(_clock.now(), **{key: wanted[key] for key in ('id', 'name', 'module', 'limit', 'grace')})
    launch = {
        'argv': wanted['argv'], 'environment': dict(os.environ, **wanted['environment']), 'umask': umask,
        'cwd': _working_directory(), 'stdin': wanted['stdin'], 'tmpdir': wanted['tmpdir'],
    }
    files = {name: base64.b64decode(data) for name, data in wanted['files'].items()}
    job = store.create(spec, launch, files)
    if job is not None:
        _outcome.write_started(job)
        _supervisor.daemonize(job)
        job.let_go()
    return _look(store.job(wanted['id']))


def _working_directory():
    try:
        return os.getcwd()
    except OSError:
        return None


def _wait(store, request):
    jobs = [store.job(job_id) for job_id in request['ids']]
    with _Alarm(request['seconds']):
        for job in jobs:
            job.alive(wait=True)
    return [_look(job, output=True) for job in jobs]


class _Alarm(object):
    """Ends the block after *seconds*, silently; a flock() cannot be given a time."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, max(self.seconds, 0.001))  # 0 would mean: never

    def _ring(self, signum, frame):
        raise _Alarm.Rang

    def __exit__(self, kind, value, trace):
        signal.setitimer(signal.ITIMER_REAL, 0)
        return kind is _Alarm.Rang

    class Rang(Exception):
        """Time is over."""


def _status(store, request):
    looks = []
    for job_id in request['ids']:
        job = store.job(job_id)
        look = _look(job)
        look['result'] = _result_file(job)
        looks.append(look)
    return looks


def _result_file(job):
    """The content of the result file, ansible-core's own included; an empty dict where it is not whole yet."""
    try:
        content = _store.read_json(job.result_file)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _remove(store, request):
    looks = []
    for job_id in request['ids']:
        look = _look(store.job(job_id))
        store.job(job_id).remove()
        looks.append(look)
    return looks


_OPERATIONS = {'start': _start, 'wait': _wait, 'status': _status, 'remove': _remove}


def _look(job, output=False):
    """What there is to know of *job* now; a job found dead without an end is declared lost here."""
    look = {
        'id': job.id, 'known': True, 'results_file': job.result_file, 'looked_in': job.store.root, 'user': _user(),
        'job': None, 'ended': False, 'output': None, 'result': None,
    }
    spec = job.read('spec.json')
    if spec is None:
        look['known'] = os.path.isfile(job.result_file)  # a job of ansible-core's own, then
        return look
    run, end = _settle(job)
    look['ended'] = end is not None
    look['job'] = _describe(job, spec, run, end)
    if output and end is not None:
        look['output'] = {'rc': end['rc'], 'stdout': _outcome.read_text(job, 'stdout') or '',
                          'stderr': _outcome.read_text(job, 'stderr') or ''}
    return look


def _settle(job):
    """(run, end) of *job*, end None while it lives. The lock is looked at before the end is read once more:
    a job that ends between the two has written its end before it let go."""
    end = job.read('end.json')
    if end is None and not job.alive():
        end = job.read('end.json') or _declare_lost(job)
    return job.read('run.json'), end


def _declare_lost(job):
    run = job.read('run.json')
    boot = (run or job.read('spec.json'))['boot']
    if boot != _clock.boot_id():
        reason = 'the host was rebooted, or lost power, while job %s ran' % job.id
    elif run is None:
        reason = 'the start of job %s was cut off before its module was executed' % job.id
    else:
        reason = ('the supervisor of job %s (pid %d) was killed: out of memory, or kill -9; its module had pid %d'
                  % (job.id, run['supervisor'], run['pid']))
    return _outcome.write(job, 'lost', reason=reason)


def _describe(job, spec, run, end):
    """The job as users see it: the ``job`` of the returned values."""
    state, elapsed = 'running', None
    if end is not None:
        state, elapsed = end['state'], end['elapsed']
    elif run is not None:
        elapsed = _clock.since(run)
    shown = {
        'id': job.id, 'name': spec['name'], 'state': state, 'module': spec['module'], 'limit': spec['limit'],
        'queue': None, 'created': spec['at'], 'started': run['at'] if run else None,
        'ended': end['ended'] if end else None, 'elapsed': elapsed, 'output_file': job.file('stdout'),
    }
    for key in ('reason', 'signal'):
        if end is not None and end[key]:
            shown[key] = end[key]
    return shown


def _user():
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
