# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a job ended, in both forms: end.json for us, the result file for everybody who reads ansible-core's.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from ..files.atomic import remove_file, write_json
from ..files.clock import since, utc
from ..files.job import SPARES, write_record
from ..files.records import VERSION, End
from ..output.last_lines import last_lines
from .module_output import is_failure, read_result, read_text
from .reasons import signal_name, why_failed, why_stopped

_STARTED = {'started': True, 'finished': False}


def write_started(job, as_numbers):
    """The result file of a job that runs. *as_numbers*: as ansible-core before 2.19 has it."""
    started = {key: int(value) if as_numbers else value for key, value in _STARTED.items()}
    write_json(job.result_file, dict(started, ansible_job_id=job.id))


def write(job, state, reason):
    """Write that *job* ended as *state*, for *reason*. Who may do so: publish()."""
    publish(job, end_of(job, state, reason=reason))


def end_of(job, state, status=None, stopped=None, exceeded=None, reason=None):
    """The End of *job*, which ends at this moment.

    *state* None: the module's process ended by itself with wait status *status*, and its output tells the state.
    *stopped*: what contain.tree.stop() returned, if the job was stopped. *exceeded*: as contain.limits.exceeded() returns it.
    """
    end = _end(job, state, reason, status)
    if state is None:
        result = read_result(job)
        end = end._replace(module_rc=_module_rc(job, result))
        end = end._replace(state='failed' if result is None or is_failure(result) else 'succeeded')
        if end.state == 'failed':
            end = end._replace(reason=why_failed(job, end, result, exceeded))
            end = _with_last_lines(job, end, with_stdout=result is None)
    elif reason is None:
        end = end._replace(reason=why_stopped(job, end, stopped))
        end = _with_last_lines(job, end, with_stdout=True)
    return end


def publish(job, end):
    """Write the *end* of *job*; nobody else may be about to do so: the caller holds its lock, that of its queue, or that of
    the jobs that wait for others.
    """
    _publish(job, end, *map(job.file, SPARES))


def write_withdrawn(job, queue, by):
    """Write that *job* was cancelled while it waited in *queue* (its name). *by*: on whose request."""
    reason = 'job %s was taken out of queue %s %s, before its turn came' % (job.id, queue, by)
    write(job, 'cancelled', reason=reason)


def write_lost(job, reason):
    """Write that *job* is lost, as far as that is possible, and return its End. Another process may do the same at this moment."""
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
        end = end._replace(reason='%s; the last line of its output: %s' % (end.reason.rstrip('.'), end.last_lines[-1]))
    return end


def _publish(job, end, end_spare=None, result_spare=None):
    """Write both files. end.json comes last: who has seen it may remove the job, so nothing is written after it."""
    job.forget('launch.json', 'base', 'payload', 'args')
    try:
        write_json(job.result_file, result_of(job, end), True, result_spare)
    except (OSError, MemoryError) as error:
        if result_spare is None and isinstance(error, OSError):
            raise
        result = _result_without_module(job, end)
        if end.state == 'succeeded':
            result['msg'] = 'the result of job %s is in %s; here it did not fit: %s' % (
                job.id,
                job.file('stdout'),
                getattr(error, 'strerror', 'not enough memory'),
            )
        write_json(job.result_file, result, True, result_spare)
    try:
        write_record(job.file('end.json'), end, True, end_spare)
    except FileNotFoundError:  # somebody has removed the job meanwhile, so nobody else would remove the result file
        remove_file(job.result_file)
        raise


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


def _module_rc(job, result):
    """The ``rc`` in the *result* of a module, of a command for one; None where it has none, or `no_log` hides it."""
    rc, spec = (result or {}).get('rc'), job.spec()
    fits = isinstance(rc, int) and not isinstance(rc, bool) and abs(rc) < 2**32  # a longer one has no room in end.spare
    return rc if fits and spec is not None and not spec.no_log else None


def _exit(status):
    """(rc as a shell would tell it, the signal's name or None) of a wait status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return 128 + number, signal_name(number)
    return os.WEXITSTATUS(status), None
