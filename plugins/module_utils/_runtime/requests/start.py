# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting jobs, many in one request, each at most once.

A request has ``bases`` ({digest: bytes in Base64}), ``retention`` (seconds) and ``jobs``, each of them::

    {"id": str, "name": str or None, "on_existing": "attach", "fail" or "replace", "module": str,
     "limit": seconds or None, "grace": seconds, "queue": str or None, "slots": int, "no_log": bool,
     "argv": [str], "environment": {str: str}, "stdin": bool, "args": bytes in Base64 or None,
     "tmpdir": path or None, "output_limit": bytes,
     "payload": {"base": digest, "head": int, "middle": bytes in Base64, "tail": int}}

The module's file is the first ``head`` bytes of its base, the middle, and the last ``tail`` bytes of the base:
modules of one kind differ in their arguments only. With ``stdin`` its interpreter, a Python, reads it from there, and
about ``output_limit`` bytes of its live output are kept; 0 means none. "{job}" in ``argv`` stands for the job directory.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import binascii
import os

from ..files import clock as _clock
from ..files import store as _store
from ..files.names import Name, path_of
from ..schedule.queue import Lines, Queue
from ..supervise import ending as _outcome
from ..supervise import supervisor as _supervisor
from . import cancel as _cancel
from . import prune as _prune
from .look import look as look_at
from .look import missing, started


def start(store, request):
    """One look for each job of the request; one that was not started has an error in it."""
    store.prepare()
    _prune.retire(store, request['retention'])
    bases = {}
    batch = _supervisor.Batch()
    try:
        _write_bases(store, request.pop('bases'), bases)  # let go of them: the supervisors inherit this memory
        looks = [_start_one(store, wanted, bases, request['umask'], batch) for wanted in request['jobs']]
    finally:
        for path in bases.values():
            _store.remove_file(path)
        reports = batch.go()
    for queue in {wanted['queue'] for found, wanted in zip(looks, request['jobs']) if not found} - {None}:
        _supervisor.kick(store, queue)
    lines = Lines(store)
    return [
        found or _look_at(store.job(wanted['id']), reports.get(wanted['id']), lines)
        for found, wanted in zip(looks, request['jobs'])
    ]


def _look_at(job, report, lines):
    return started(job, **report) if report else look_at(job, lines=lines)


def _write_bases(store, bases, paths):
    for number, (digest, data) in enumerate(bases.items()):
        path = os.path.join(store.jobs, '.base-%d-%d' % (os.getpid(), number))
        _store.write_file(path, binascii.a2b_base64(data))
        paths[digest] = path


def _start_one(store, wanted, bases, umask, batch):
    """None for a job that is on its way, or a look at one that was not made."""
    try:
        if wanted['name'] is None:
            _create(store, wanted, bases, umask, batch)
            return None
        with Name(path_of(store, wanted['name'])) as name:
            existing = _existing(store, name, wanted)
            if existing is not None:
                return existing
            name.give_to(wanted['id'])  # first: on a full disk it is this that fails, and no job must run without it
            _create(store, wanted, bases, umask, batch)
            return None
    except (_store.StoreError, OSError) as error:
        return missing(store, wanted['id'])._replace(error='%s' % error)
    except Exception:  # whatever is wrong with it, the other jobs of the request are no worse for it
        return missing(store, wanted.get('id'))._replace(error=_store.trace())


def _existing(store, name, wanted):
    """A look at the job that *name* stands for already, or None where a new one may be started."""
    if name.job_id() is None or name.job_id() == wanted['id']:
        return None
    job = store.job(name.job_id())
    look = look_at(job)
    if not look.job or (look.ended and (wanted['on_existing'] != 'attach' or os.path.exists(job.file('collected')))):
        return None
    if wanted['on_existing'] == 'replace':
        _cancel.stop(job, wanted['grace'])
        return None
    if wanted['on_existing'] == 'fail':
        raise _store.StoreError(
            'job %s of the name %r is %s already: wait for it, cancel it, or set on_existing to attach '
            'or replace' % (job.id, wanted['name'], look.job['state'])
        )
    return look._replace(attached=True)


def _create(store, wanted, bases, umask, batch):
    spec = {key: wanted[key] for key in ('id', 'name', 'module', 'limit', 'grace', 'queue', 'no_log')}
    if not (wanted['limit'] is None or wanted['limit'] > 0) or not wanted['grace'] >= 0 or not wanted['slots'] >= 1:
        raise _store.StoreError('limit, grace and slots must be numbers above 0, found %r' % (spec,))
    launch = {key: wanted[key] for key in ('argv', 'stdin', 'tmpdir', 'output_limit', 'payload')}
    if wanted['no_log']:
        launch['output_limit'] = 0
    launch.update(environment=dict(os.environ, **wanted['environment']), umask=umask, cwd=_working_directory())
    args = None if wanted['args'] is None else binascii.a2b_base64(wanted['args'])
    queue = None if wanted['queue'] is None else Queue(store, wanted['queue'])
    job = store.create(dict(spec, **_clock.now()), launch, bases[wanted['payload']['base']], args)
    if job is None:
        return
    try:
        _outcome.write_started(job)
        if queue is None:
            batch.add(job)
        else:
            with queue:
                queue.add(job.id, wanted['slots'])
    except BaseException:  # no room, no more processes: then there is no such job
        job.remove()
        raise
    finally:
        job.let_go()


def _working_directory():
    try:
        return os.getcwd()
    except OSError:
        return None
