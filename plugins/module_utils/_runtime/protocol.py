# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller and the runtime share: requests, responses, looks, and the states of a job.

A request is a JSON object with ``version`` (VERSION), ``op``, ``async_dir``, and what the operation takes. Each module of
`requests` says what that is. ``shown`` is true where others can see the response.

A response is ``{"version": int, "error": text}`` or ``{"version": int, "jobs": [look, ...]}``, a look as the JSON object of
Look's fields, one for each job, in the order asked.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import collections

VERSION = 2
"""Of requests and responses. Version 1 is that of background.jobs 0.1.0, which did not write it down."""

LIVE = ('queued', 'running')
"""The states of jobs that have not ended."""
BAD = ('failed', 'timed_out', 'cancelled', 'lost')
"""The states of jobs that have ended without success."""
ENDED = ('succeeded', 'skipped', *BAD)
STATES = (*LIVE, *ENDED)

TARGET, CONTROLLER = 'target', 'controller'
"""The places where a job lives. On the controller, a job is a function that its start has forked; on a target, a module."""

GRACE = 10
"""Seconds between TERM and KILL, unless a job or whoever stops it says otherwise."""
OUTPUT_LIMIT = 10 * 1024 * 1024
"""Bytes of live output that are kept of each job, unless `background_jobs_output_limit` says otherwise."""
RETENTION = 7 * 86400
"""Seconds for which the files of a job are kept after its end, unless `background_jobs_retention` says otherwise."""

ABOUT = ('task', 'summary', 'host', 'started_by')
"""What people want to know of a job that its files do not tell: the name of the task; the command line, or the telling
arguments of the module; the inventory name of the host; user@controller. Each a str of one line, or None: not known."""

ENDED_VARIABLES = {key: 'BACKGROUND_JOBS_' + key.upper() for key in ('id', 'name', 'state', 'rc')}
"""What a job of `on_end` gets to know of the job that has ended, and the environment variable that tells it."""

StartRequest = collections.namedtuple(
    'StartRequest',
    (
        'id',  # the job id, made by the controller: a start that is asked again starts nothing twice
        'name',  # str, or None
        'on_existing',  # what to do about a job of the same name: "attach", "fail" or "replace"
        'work',  # a digest of what the job does, equal in two runs of the same task, or None: "attach" compares it
        'module',  # name of the module, for people
        'about',  # {key of ABOUT: text}
        'limit',  # seconds, or None: no limit
        'leeway',  # seconds beyond the limit after which the job is stopped, for drop-in
        'spare_daemons',  # whether the limit spares processes in sessions of their own, as in drop-in
        'as_numbers',  # whether `started` and `finished` are numbers in the result file of the job while it runs
        'grace',  # seconds between TERM and KILL
        'queue',  # name of a queue, or None
        'slots',  # how many jobs of the queue may run at once
        'after',  # the jobs after which it starts: a list of ids, also of jobs further up in the request, or {"name": text}
        'after_any',  # whether it starts however these have ended; else each of them must have succeeded
        'on_end',  # a StartRequest, as a JSON object, of a job that starts when this one has ended, however; or None
        'no_log',  # whether `no_log` hides what the job prints
        'argv',  # the command (list of str) that runs the module; "{job}" in it stands for the job directory
        'environment',  # what is added to the environment of the runtime ({str: str})
        'stdin',  # whether the interpreter, a Python, reads the module from standard input
        'args',  # the file of arguments that a module of the older styles reads: Base64, or None
        'tmpdir',  # path of ansible-core's temporary directory for the task, which goes when the job has ended; or None
        'output_limit',  # bytes of live output that are kept, where `stdin` is true; 0: none
        'retention',  # seconds for which the files are kept after the end
        'resources',  # what the job may use of its host: a Resources, as a JSON object
        'payload',  # a PayloadReference, as a JSON object
    ),
)
"""One of the ``jobs`` of a start request, sent as the JSON object of these fields."""

Resources = collections.namedtuple(
    'Resources',
    (
        'memory',  # bytes (int) that all processes of the job together may use, or None
        'cpu',  # percent of one processor that they may use (a number), or None
        'tasks',  # how many processes and threads they may be (int), or None
        'nice',  # their nice value (int), or None: that of the connection
        'io',  # their class of input and output, as in "idle" or "best-effort:7", or None
    ),
)
"""What a job may use of its host."""


def resources_of(fields):
    """The Resources of a JSON object, in which some of the fields may be missing."""
    return Resources(**{key: fields.get(key) for key in Resources._fields})


PayloadReference = collections.namedtuple(
    'PayloadReference',
    (
        'base',  # digest of the base (requests/start.py)
        'head',  # bytes of the base that the file begins with
        'middle',  # what follows: Base64
        'tail',  # bytes of the base that the file ends with
    ),
)
"""How the file of a module is made from its base. Modules of one kind differ in their arguments only."""

Look = collections.namedtuple(
    'Look',
    (
        'id',  # the job id; what was asked for where there is no such job: an id, or {"name": text}
        'looked_in',  # path of the async directory
        'user',  # name of the user as whom the runtime looked
        'known',  # whether there is such a job, ansible-core's own ones included
        'results_file',  # path of the result file, or None
        'job',  # the job as users see it (dict: docs/architecture.md), or None: unknown, or ansible-core's own
        'ended',  # whether the job has ended
        'no_log',  # whether `no_log` hides what the job printed
        'error',  # why the job was not started, or cannot be looked at, or None
        'warning',  # what may happen to the job that its user does not expect, of a start, or None
        'output',  # {"rc": int, "stdout": str, "stderr": str} of an ended module, where it was asked for, or None
        'result',  # what the result file says (dict), where it was asked for, or None
        'last_line',  # the last line of live output of a job that has not ended, where it was asked for, or None
        'live_output',  # live output (shape: output/reader.py), where it was asked for, or None
        'attached',  # whether a start found this job, and started none
        'uncollected',  # the ended job (dict as `job`) of the name whose result a start has left, or None
        'to_stop',  # whether a cancel found this job alive
        'withheld',  # whether `no_log` has hidden a part of this look, because others can see the response
    ),
)
"""What the runtime says of one job."""


def new_look(id, looked_in, user, **fields):
    """A look at a job of which only *fields* are known."""
    look = dict.fromkeys(Look._fields)
    look.update(dict.fromkeys(('known', 'ended', 'no_log', 'attached', 'to_stop', 'withheld'), False))
    look.update(fields, id=id, looked_in=looked_in, user=user)
    return Look(**look)
