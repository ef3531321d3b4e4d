# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A look at one job -> what async_status returns, as ansible-core's own does it.

Used on both sides: by the module when it is called by itself, by the action with a response from the target.
Standard library only, Python 3.6 and up. Private to this collection.
"""

from ..files.errors import StoreError
from ..files.ids import check_job_id
from ..output.reader import lines
from ..protocol import new_look

_NO_SUCH_JOB = 'could not find job'
_CLEANED_UP = 'job %s still runs, but mode: cleanup has removed its result file, which appears again when the job ends.'


def status(look):
    """The result of a look of the operation "status"."""
    if look.error:
        return _failure_result(look, look.error)
    if not look.known:
        return _missing(look)
    result = dict(look.result)
    if look.job is None:  # ansible-core's own files say no more than this
        finished = bool(result) and ('started' not in result or bool(result.get('finished', False)))
    else:
        finished = look.ended
        if look.live_output is None:
            result.setdefault('job', look.job)  # a module's own value of that name comes first
        else:
            result['job'] = dict(look.job, output=_output(look.live_output))
    result.update(ansible_job_id=look.id, results_file=look.results_file, started=True, finished=finished)
    return result


def _output(live_output):
    """Live output (output/reader.py) as lines. The last line of a stream may be continued by the first of the next look."""
    shown = [
        {'stream': stream, 'text': text.encode('utf-8', 'surrogateescape').decode('utf-8', 'backslashreplace')}
        for stream, text in lines(live_output['records'])
    ]
    return {'lines': shown, 'offset': live_output['offset'], 'skipped': live_output['skipped']}


def cleanup(look):
    """The result of removing the files of a job that a look was taken at."""
    if look.error:
        return _failure_result(look, look.error)
    if not look.known:
        return _missing(look)
    return {'ansible_job_id': look.id, 'erased': look.results_file}


def as_core(version, look, result):
    """*result* of status() or cleanup() as the async_status of ansible-core *version* returns it.

    The messages are ansible-core's, because playbooks compare them. What we know beyond that is in ``reason``.
    """
    if not look.known and not (look.error and _is_job_id(look.id)):
        result = dict(result, reason=result['msg'], msg=_NO_SUCH_JOB)
    elif look.result == {} and look.job and not look.ended:
        result = dict(_failure_result(look, _NO_SUCH_JOB), results_file=look.results_file, reason=_CLEANED_UP % look.id)
    return as_told_by(version, result)


def as_told_by(version, result):
    """*result* with the types that ansible-core *version* gives: numbers, not booleans, before 2.19."""
    if has_numbers(version):
        result = dict(result, **{key: int(result[key]) for key in ('started', 'finished') if key in result})
    return result


def has_numbers(version):
    """Whether `started` and `finished` are numbers in the results of ansible-core *version*."""
    return is_before(version, (2, 19))


def is_before(version, other):
    """Whether the ansible-core *version* (a text) is older than *other* (a tuple of numbers)."""
    return tuple(int(number) for number in version.split('.')[:2]) < other


def failed_look(job_id, error):
    """A look that could not be taken, because of *error*."""
    return new_look(job_id, None, None, error=error)


def _is_job_id(job_id):
    try:
        return bool(check_job_id(job_id))
    except StoreError:
        return False


def _missing(look):
    message = (
        'could not find job %s: user %s has no such file in %s. Look it up as the user it runs as (become, '
        'become_user) and with the async directory it was started with (ansible_async_dir, or ANSIBLE_ASYNC_DIR in the '
        'environment of ansible itself).' % (look.id, look.user, look.looked_in)
    )
    return dict(_failure_result(look, message), results_file='%s/%s' % (look.looked_in, look.id))


def _failure_result(look, message):
    return {'failed': True, 'ansible_job_id': look.id, 'started': True, 'finished': True, 'msg': message}
