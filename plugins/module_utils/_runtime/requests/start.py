# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation ``start``: start jobs, many in one request, each at most once.

The request has these fields:

=========  ===================================================================================================
``jobs``   a list of protocol.StartRequest, each as a JSON object
``bases``  {digest: Base64}; the files that the modules of the jobs are made from. start() takes it out of the request
=========  ===================================================================================================

Standard library only, Python 3.6 and up. Private to this collection.
"""

import binascii
import functools
import os

from ..contain import limits, session
from ..files.atomic import remove_file, write_file
from ..files.errors import StoreError, trace
from ..files.machine import host_name, other_machine
from ..files.names import Name, check_new_name, path_of
from ..files.tmpdir import remove_unused_tmpdirs
from ..protocol import CONTROLLER, TARGET, PayloadReference, StartRequest, resources_of
from ..schedule.dependents import Dependents, awaited_by
from ..schedule.queue import Queue, QueueSnapshot
from ..schedule.shared_queue import SharedQueue
from ..supervise.batch import Batch
from ..supervise.ending import write_started
from ..supervise.handover import this_image
from ..supervise.supervisor import supervise, supervise_function
from .cancel import stop
from .dependencies import Dependencies
from .job_records import check_numbers, launch_of, spec_of
from .look import executed_look, kick_waiting, take_look, unknown_look
from .retention import start_under_way

_SUPERVISORS_OF_ONE_BUNDLE = 4
"""From so many on, it is cheaper to write their bundle before they are forked, although short jobs need none."""


def start(store, request, umask, functions):
    """One look for each job of the request. A job that was not started has an ``error`` in it.

    *umask*: of the bodies. *functions*: {job id: function} of the jobs that are functions of this process (shape:
    supervise/function.py).
    """
    _check_resources(request['jobs'])
    store.prepare()
    dependencies = Dependencies(store, request['jobs'])
    bases = {}
    with start_under_way(store):
        batch = Batch()
        try:
            # Free the payloads before forking; each supervisor inherits this memory.
            _write_bases(store, request.pop('bases'), bases)
            if not functions and _at_once(request['jobs']) >= _SUPERVISORS_OF_ONE_BUNDLE:
                this_image().write_bundle(store.jobs)
            starter = _Starter(store, bases, umask, batch, dependencies, functions)
            looks = [starter.start(fields) for fields in request['jobs']]  # None: started or queued
            ready_looks = starter.ready_looks()
        finally:
            for path in bases.values():
                remove_file(path)
            begun = batch.go()
    started = [fields for look, fields in zip(looks, request['jobs']) if look is None]
    queues = {fields['queue'] for fields in started if fields['id'] not in functions} - {None}
    kick_waiting(store, queues, [fields['id'] for fields in started if fields['after']])
    snapshot = QueueSnapshot(store)
    begun_looks = {job_id: ready_looks[job_id] for job_id in begun}
    return [
        look or begun_looks.get(fields['id']) or starter.look(fields['id'], snapshot)
        for look, fields in zip(looks, request['jobs'])
    ]


def _at_once(jobs):
    """How many of *jobs*, which are modules, get a supervisor now: those that wait for nothing."""
    return sum(not fields.get('queue') and not fields.get('after') for fields in jobs)


def _write_bases(store, bases, paths):
    """Write each base to a file, whose path is added to *paths* ({digest: path})."""
    unique = binascii.hexlify(os.urandom(8)).decode('ascii')  # a pid is not: hosts may share a directory on NFS
    for number, (digest, data) in enumerate(bases.items()):
        path = os.path.join(store.jobs, '.base-%s-%d' % (unique, number))
        write_file(path, binascii.a2b_base64(data))
        paths[digest] = path


class _Starter:
    """Starts or queues the jobs of one request."""

    def __init__(self, store, bases, umask, batch, dependencies, functions):
        self._store = store
        self._bases = bases
        self._umask = umask
        self._batch = batch
        self._functions = functions
        self._dependencies = dependencies
        self._uncollected = {}  # id of a job -> the ended job of its name whose result was left

    def start(self, fields):
        """None if the job was started or queued; otherwise a look at the existing job, or at the error."""
        look = self._start(fields)
        if look is None:
            self._dependencies.started(fields['id'], fields['id'])
        else:
            if not look.error:
                self._dependencies.started(fields['id'], look.id)
            remove_unused_tmpdirs(self._store, fields)
        return look

    def ready_looks(self):
        """Looks at the jobs whose bodies can begin, as they will be when the bodies have begun: {job id: look}."""
        return {
            job_id: executed_look(self._store.job(job_id), report.spec, report.run)._replace(
                uncollected=self._uncollected.get(job_id), warning=report.warning
            )
            for job_id, report in self._batch.reports().items()
        }

    def look(self, job_id, snapshot):
        """A look at the job *job_id*, which waits, or whose body could not begin."""
        look = take_look(self._store.job(job_id), snapshot=snapshot)
        return look._replace(uncollected=self._uncollected.get(job_id), warning=session.warn())

    def _start(self, fields):
        try:
            request = StartRequest(**fields)
            if request.name is None:
                self._create(request)
                return None
            check_new_name(request.name)
            with Name(path_of(self._store, request.name)) as name:
                if self._store.job(request.id).exists():  # an earlier request, whose answer was lost, has started it
                    return None  # and the name may be that of a newer job by now
                existing = self._existing(name, request)
                if existing is None:
                    self._create_named(request, name)
                return existing
        except (StoreError, OSError) as error:
            return unknown_look(self._store, request.id)._replace(error='%s' % error)
        except Exception:  # whatever is wrong with this job, the others of the request are started
            return unknown_look(self._store, fields.get('id'))._replace(error=trace())

    def _existing(self, name, request):
        """A look at the job that *name* stands for already, or None where a new one may be started."""
        if name.job_id() is None:
            return None
        job = self._store.job(name.job_id())
        look = take_look(job)
        if look.error:
            raise StoreError(look.error)
        spec = job.spec()
        if not look.job or spec is None:  # somebody has removed it, perhaps since the look
            return None
        machine = other_machine(spec)
        if machine is not None:
            self._check_ended_elsewhere(machine, look, request)
            return None
        work = spec.work  # None: of version 0.1.0, for one
        if look.ended:
            return self._uncollected_look(job, look, request, work)
        if request.on_existing == 'replace':
            stop(job, request.grace)
            return None
        if request.on_existing == 'fail':
            raise StoreError(
                'job %s of the name %r is %s already: wait for it, cancel it, or set on_existing to attach '
                'or replace' % (job.id, request.name, look.job['state'])
            )
        if work is not None and work != request.work:
            raise StoreError(
                'job %s of the name %r is %s already, and does other work: its module, arguments, environment or check '
                'mode is not the same. Wait for it, cancel it, give this job another name, or set on_existing to replace'
                % (job.id, request.name, look.job['state'])
            )
        return look._replace(attached=True)

    def _check_ended_elsewhere(self, machine, look, request):
        """Raise StoreError if the job of *look*, which belongs to another *machine*, has not ended."""
        if look.ended:
            return
        raise StoreError(
            'job %s of the name %r runs on machine %s, and this is %s. Both use the async directory %s: set ansible_async_dir '
            'to a directory of each machine, for example by its inventory_hostname, or give this job another name'
            % (look.id, request.name, machine, host_name(), self._store.root)
        )

    def _uncollected_look(self, job, look, request, work):
        """*look* at the ended *job* if no task has seen its result, and it did the same work; else None: a new job starts."""
        if request.on_existing != 'attach' or os.path.exists(job.file('collected')):
            return None
        if work == request.work:
            return look._replace(attached=True)
        self._uncollected[request.id] = look.job
        return None

    def _create_named(self, request, name):
        previous = name.job_id()
        name.give_to(request.id)  # first: it fails on a full disk, and no job must run without its name
        try:
            self._create(request)
        except BaseException:
            if previous is not None and self._store.job(previous).exists():
                name.give_to(previous)
            else:
                name.forget()
            raise

    def _create(self, request):
        self._create_after(request, self._dependencies.ids(request.id))

    def _create_after(self, request, after, is_on_end=False):
        """Make and start the job of *request*, which waits for the jobs *after* (ids); then there is a job for its end, too."""
        check_numbers(request)
        function = self._functions.get(request.id)
        launch = launch_of(request, self._umask, os.environ if function is None else {})
        spec = spec_of(request, after, is_on_end, TARGET if function is None else CONTROLLER)
        args = None if request.args is None else binascii.a2b_base64(request.args)
        kind = Queue if function is None else SharedQueue
        queue = None if request.queue is None else kind(self._store, request.queue)  # here it refuses what is no name
        base = None if function else self._bases[PayloadReference(**request.payload).base]
        job = self._store.create(spec, launch, base, args)
        if job is None:  # an earlier request, whose answer was lost, has started it
            return
        try:
            write_started(job, request.as_numbers)
            if request.on_end is not None:
                self._create_after(StartRequest(**request.on_end), [job.id], is_on_end=True)
            _take_down(job, after, queue, request.slots)
            if function is not None:  # it is a process from here on, also while it waits
                self._batch.add(job, functools.partial(supervise_function, function))
            elif not after and queue is None:
                self._batch.add(job, supervise)
        except BaseException:  # no room, no more processes: then there is no such job
            if request.on_end is not None:  # first: it may be a process already, which would take the other for ended
                self._remove(self._store.job(request.on_end['id']))
            self._remove(job)
            raise
        finally:
            job.release()

    def _remove(self, job):
        job.remove()
        if awaited_by(self._store, job.id) is not None:
            with Dependents(self._store) as dependents:
                dependents.remove(job.id)


def _take_down(job, after, queue, slots):
    """Write down what *job* waits for: the jobs *after* (ids), and its turn in *queue* (a Queue, a SharedQueue or None)."""
    if queue is not None:
        with queue:
            if after:
                queue.resize(slots)
            else:
                queue.add(job.id, slots)
    if after:
        with Dependents(job.store) as dependents:
            dependents.add(job.id, after)


def _check_resources(jobs):
    """Raise StoreError if this host cannot keep the resources of one of *jobs*: then none of them starts."""
    different = {resources_of(fields.get('resources') or {}) for fields in jobs}
    try:
        for resources in sorted(different, key=repr):
            limits.check(resources)
    except limits.LimitError as error:
        raise StoreError('%s' % error) from None
