# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a job ended: the sentences of `reason`.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import os
import re
import signal

from ..files.atomic import remove_file, write_file
from .module_output import UNREADABLE, parse, read_text

UNWRITTEN_RC = 120
"""What Python ends with if its last output could not be written."""
_QUOTE_CHARACTERS = 1000  # of somebody else's words in a reason
_QUOTE_BYTES = 2000  # of the same, as JSON
_ROOM_BYTES = 65536  # a module that finds less may well fail for want of them
_NO_START = r'(?m)^Fatal Python error: (.*(?:[Ii]nit|encodings).*)$'
"""What Python says on stderr where it cannot start, because its standard library is not there, for one."""


def why_failed(job, end, result, exceeded):
    """The reason of *job*, whose module ended as *end* with *result* (None: it printed none) and failed.

    *exceeded*: as contain.limits.exceeded() returns it.
    """
    if exceeded and result is None and end.signal == 'SIGKILL':
        return 'job %s %s, and the kernel killed it' % (job.id, exceeded)
    reason = _no_result(job, end) if result is None else _reported(job, result)
    return 'job %s %s: %s' % (job.id, exceeded, reason) if exceeded else reason


def why_stopped(job, end, stopped):
    """The reason of *job*, which was stopped and ended as *end*. *stopped*: what contain.tree.stop() returned."""
    spec = job.spec()
    if end.state == 'timed_out':
        reason = 'Timeout exceeded: job %s was stopped after %.1f s, its limit is %g s' % (
            job.id,
            end.elapsed,
            spec.limit,
        )
        if spec.leeway:
            reason += ", to which ansible-core's async adds %g s" % spec.leeway
    else:
        if os.path.exists(job.file('stop.json')):
            by = job.stop_request().get('by', 'on request')
        else:
            by = 'by a TERM to its supervisor: was the host shut down, or did its user log out (KillUserProcesses)?'
        reason = 'job %s was stopped after %.1f s, %s' % (job.id, end.elapsed, by)
    if stopped.daemons:
        names = ', '.join('%s (pid %d)' % (name, pid) for pid, name in sorted(stopped.daemons.items()))
        reason += '; with it ended the processes that it had put into the background: %s' % cut(names)
    if stopped.survivors:
        reason += '; not even KILL ended the processes %s' % ', '.join(map(str, stopped.survivors))
    return reason


def cut(text):
    """*text* of somebody else's, so short that the reason fits into what is set aside for it."""
    characters = _QUOTE_CHARACTERS
    while len(json.dumps(text[:characters])) > _QUOTE_BYTES:  # what is not ASCII takes up to 12 bytes
        characters = characters * 3 // 4
    return text if len(text) <= characters else text[:characters] + ' [cut]'


def signal_name(number):
    """The name of signal *number*, as kill(1) has it, with SIG before it; "signal 32" where it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        above = number - signal.SIGRTMIN  # the C library keeps the first of these signals for itself
        return 'SIGRTMIN+%d' % above if above > 0 else 'signal %d' % number


def _reported(job, result):
    """Why a module that printed a result failed; the words are its own, which no_log hides."""
    if job.spec().no_log:
        return 'the module reported a failure, which no_log hides'
    rc = result.get('rc')
    if isinstance(rc, int) and -signal.NSIG < rc < 0:  # of a command, as Python's subprocess has it
        return 'the module reported a failure: its command was killed by %s' % signal_name(-rc)
    message = result.get('msg') or _raised(result) or ('no message' if rc is None else 'rc %s, and no message' % rc)
    return 'the module reported a failure: %s' % cut(str(message))


def _raised(result):
    """What a module says that raised an error, with ansible-core 2.19 and later; or None."""
    exception = result.get('exception')
    event = exception.get('event') if isinstance(exception, dict) else None
    return event.get('msg') if isinstance(event, dict) else None


def _no_result(job, end):
    no_start = re.search(_NO_START, read_text(job, 'stderr') or '')
    if no_start:
        run = job.run()
        return 'the interpreter %s of job %s could not start: %s' % (
            run.program if run else 'python',
            job.id,
            cut(no_start.group(1)),
        )
    if end.signal:
        return 'the module of job %s was ended by %s before it had a result%s' % (
            job.id,
            end.signal,
            ': was the host out of memory?' if end.signal == 'SIGKILL' else '',
        )
    reason = 'the module of job %s ended with rc %s and printed no JSON result: %s' % (job.id, end.rc, _fault(job))
    trouble = _trouble(job)
    if trouble:
        return '%s: nothing can be written to %s: %s' % (reason, job.path, trouble)
    if end.rc == UNWRITTEN_RC:  # the module's own end has made room since
        return '%s, for it could not write all of it: was there no room left in %s?' % (reason, job.path)
    return reason


def _fault(job):
    """What is wrong with the output of *job*, which is no JSON result, in the words of ansible-core and Python."""
    try:
        parse(read_text(job, 'stdout') or '')
    except UNREADABLE as error:
        return '%s' % error or type(error).__name__
    return 'it is no JSON object'


def _trouble(job):
    """Why no module could write its result on this disk now, or None."""
    probe = job.file('probe')
    try:
        write_file(probe, b' ' * _ROOM_BYTES)
    except OSError as error:
        return error.strerror
    remove_file(probe)
    return None
