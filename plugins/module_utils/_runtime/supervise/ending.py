# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a job ended, in both forms: end.json for us, the result file for everybody who reads ansible-core's.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import json
import os
import re
import signal

from ..files.atomic import read_file, remove_file, write_file, write_json
from ..files.clock import since, utc
from ..files.job import SPARES, write_record
from ..files.records import VERSION, End
from ..output.last_lines import last_lines

_QUOTE_CHARACTERS = 1000  # of somebody else's words in a reason
_QUOTE_BYTES = 2000  # of the same, as JSON
_ROOM_BYTES = 65536  # a module that finds less may well fail for want of them
UNWRITTEN_RC = 120  # what Python ends with if its last output could not be written
_NO_START = re.compile(r'^Fatal Python error: (.*(?:[Ii]nit|encodings).*)$', re.MULTILINE)
"""What Python says on stderr where it cannot start, because its standard library is not there, for one."""
_UNREADABLE = (ValueError, RecursionError)  # not JSON, or nested more deeply than this Python can read
_STARTED = {'started': True, 'finished': False}


def write_started(job):
    """The result file of a job that runs."""
    write_json(job.result_file, dict(_STARTED, ansible_job_id=job.id))


def write(job, state, status=None, reason=None, stopped=None, exceeded=None):
    """Write that *job* ended; nobody else may be about to do so: the caller holds its lock, that of its queue, or that of
    the jobs that wait for others.

    *state* None: the module's process ended by itself with wait status *status*, and its output tells the state.
    *stopped*: what contain.tree.stop() returned, if the job was stopped. *exceeded*: as contain.limits.exceeded() returns it.
    """
    end = _end(job, state, reason, status)
    if state is None:
        result = read_result(job)
        end = end._replace(module_rc=_module_rc(job, result))
        end = end._replace(state='failed' if result is None or _is_failure(result) else 'succeeded')
        if end.state == 'failed':
            end = end._replace(reason=_why_failed(job, end, result, exceeded))
            end = _with_last_lines(job, end, with_stdout=result is None)
    elif reason is None:
        end = end._replace(reason=_stopped(job, end, stopped))
        end = _with_last_lines(job, end, with_stdout=True)
    _publish(job, end, *map(job.file, SPARES))


def write_withdrawn(job, queue, by):
    """Write that *job* was cancelled while it waited in *queue* (its name). *by*: on whose request."""
    reason = 'job %s was taken out of queue %s %s, before its turn came' % (job.id, queue, by)
    write(job, 'cancelled', reason=reason)


def write_lost(job, reason):
    """Write that *job* is lost, as far as that is possible; the end. Others may be finding out the same."""
    end = _end(job, 'lost', reason)._replace(elapsed=None)  # nobody knows when it ended
    end = _with_last_lines(job, end, with_stdout=True)
    try:
        _publish(job, end)
        job.forget(*SPARES)
    except OSError:  # the disk is full, say; the next look will find the same
        pass
    return end


def _end(job, state, reason, status=None):
    """The End of *job* at this moment. *status*: the wait status of its module, or None."""
    run = job.run()
    rc, signal_name = (None, None) if status is None else _exit(status)
    return End(
        version=VERSION,
        state=state,
        reason=reason,
        ended=utc(),
        elapsed=since(run) if run else None,
        rc=rc,
        signal=signal_name,
        pid=run.pid if run else None,
        module_rc=None,
        last_lines=[],
    )


def _with_last_lines(job, end, with_stdout):
    """*end* with the last lines that *job* printed, unless no_log hides them.

    The reason of a job that failed or timed out also ends with the very last line.
    """
    spec = job.spec()
    if spec is None or spec.no_log:
        return end
    end = end._replace(last_lines=last_lines(job, with_stdout))
    if end.last_lines and end.state in ('failed', 'timed_out') and end.last_lines[-1] not in end.reason:
        end = end._replace(reason='%s; the last line of its output: %s' % (end.reason, end.last_lines[-1]))
    return end


def _publish(job, end, end_spare=None, result_spare=None):
    """Write both files. end.json comes last: who has seen it may remove the job, so nothing is written after it."""
    job.forget('launch.json', 'base', 'payload', 'args')
    try:
        write_json(job.result_file, result_of(job, end), True, result_spare)
    except OSError as error:
        if result_spare is None:
            raise
        result = _result_without_module(job, end)
        if end.state == 'succeeded':
            result['msg'] = 'the result of job %s is in %s; here it did not fit: %s' % (
                job.id,
                job.file('stdout'),
                error.strerror,
            )
        write_json(job.result_file, result, True, result_spare)
    write_record(job.file('end.json'), end, True, end_spare)


def result_of(job, end):
    """The result of a job that ended as *end*, as ansible-core's own job file has it."""
    result = None
    if end.state in ('succeeded', 'failed'):
        result = read_result(job)
    if result is None:
        result = _result_without_module(job, end)
        for key, name in (('data', 'stdout'), ('stderr', 'stderr')):
            text = read_text(job, name)
            if text or (text is not None and end.state == 'failed'):
                result[key] = text
    return result


def _result_without_module(job, end):
    """A result for a job whose module's own is not there."""
    if end.state == 'timed_out':  # ansible-core's text, which people match
        return {'failed': True, 'msg': 'Timeout exceeded', 'child_pid': end.pid, 'ansible_job_id': job.id}
    if end.state == 'skipped':
        return {'skipped': True, 'changed': False, 'msg': end.reason, 'ansible_job_id': job.id}
    return {'failed': True, 'msg': end.reason, 'ansible_job_id': job.id}


def read_text(job, name):
    """What the module printed; bytes that are not UTF-8 survive as lone surrogates."""
    data = read_file(job.file(name))
    return None if data is None else data.decode('utf-8', 'surrogateescape')


def read_result(job):
    """The module's result as ansible-core's own job file has it, or None where it printed none."""
    text = read_text(job, 'stdout')
    try:
        result, junk = _parse(text or '')
    except _UNREADABLE:
        return None
    if junk:
        warnings = result.get('warnings', [])
        result['warnings'] = (warnings if isinstance(warnings, list) else [warnings]) + [junk]
    stderr = read_text(job, 'stderr')
    if stderr:
        result['stderr'] = stderr
    return result


def _parse(text):
    """(the JSON object in *text*, a warning about what follows it or None); ValueError where there is none.

    Lines before the first that begins with a brace are dropped (a login banner, say), and those after the last
    that ends with one.
    """
    lines = text.splitlines()
    opening = [number for number, line in enumerate(lines) if line.strip().startswith('{')]
    closing = [number for number, line in enumerate(lines) if line.strip().endswith('}')]
    if not opening or not closing or closing[-1] < opening[0]:
        raise ValueError('No %s of json char found' % ('end' if opening else 'start'))  # ansible-core's words
    first, last = opening[0], closing[-1] + 1
    result = json.loads('\n'.join(lines[first:last]))
    junk = None
    if any(line.strip() for line in lines[last:]):
        junk = 'Module invocation had junk after the JSON data: %s' % '\n'.join(lines[last:])
    return result, junk


def _is_failure(result):
    if 'failed' in result:
        return bool(result['failed'])
    return result.get('rc', 0) not in (0, '0', None)


def _module_rc(job, result):
    """The ``rc`` in the *result* of a module, of a command for one; None where it has none, or `no_log` hides it."""
    rc, spec = (result or {}).get('rc'), job.spec()
    fits = isinstance(rc, int) and not isinstance(rc, bool) and abs(rc) < 2**32  # a longer one has no room in end.spare
    return rc if fits and spec is not None and not spec.no_log else None


def _exit(status):
    """(rc as a shell would tell it, the signal's name or None) of a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return 128 + number, _signal_name(number)
    return os.WEXITSTATUS(status), None


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return 'SIGRTMIN+%d' % (number - signal.SIGRTMIN)


def _reported(job, result):
    """Why a module that printed a result failed; the words are its own, which no_log hides."""
    if job.spec().no_log:
        return 'the module reported a failure, which no_log hides'
    rc = result.get('rc')
    if isinstance(rc, int) and -signal.NSIG < rc < 0:  # of a command, as Python's subprocess has it
        return 'the module reported a failure: its command was killed by %s' % _signal_name(-rc)
    return 'the module reported a failure: %s' % cut(str(result.get('msg') or 'rc %s, and no message' % rc))


def cut(text):
    """*text* of somebody else's, so short that the reason fits into what is set aside for it."""
    characters = _QUOTE_CHARACTERS
    while len(json.dumps(text[:characters])) > _QUOTE_BYTES:  # what is not ASCII takes up to 12 bytes
        characters = characters * 3 // 4
    return text if len(text) <= characters else text[:characters] + ' [cut]'


def _why_failed(job, end, result, exceeded):
    if exceeded and result is None and end.signal == 'SIGKILL':
        return 'job %s %s, and the kernel killed it' % (job.id, exceeded)
    reason = _no_result(job, end) if result is None else _reported(job, result)
    return 'job %s %s: %s' % (job.id, exceeded, reason) if exceeded else reason


def _no_result(job, end):
    no_start = _NO_START.search(read_text(job, 'stderr') or '')
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
        _parse(read_text(job, 'stdout') or '')
    except _UNREADABLE as error:
        return '%s' % error
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


def _stopped(job, end, stopped):
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
