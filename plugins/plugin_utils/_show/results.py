# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at jobs -> the results that tasks return. Private to this collection."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import CONTROLLER, Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import task_of
from ansible_collections.background.jobs.plugins.plugin_utils._show.table import number
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import (
    fit,
    printable,
    readable,
    readable_lines,
    spoken,
)

Result = dict[str, t.Any]
"""What a task returns."""
Read = c.Callable[[dict[str, t.Any]], Result]
"""What a module printed (``{"rc": int, "stdout": str, "stderr": str}``) -> the module's result."""

_CAUSE_CELLS = 200
"""Of the cause of one job's failure, in the message of a task of many jobs."""
_LOOK_ELSEWHERE = (
    'Look it up as the user it runs as (become, become_user) and with the async directory it was started with '
    '(ansible_async_dir, or ANSIBLE_ASYNC_DIR in the environment of ansible itself).'
)


def result_of(look: Look, read: Read, label: str) -> Result:
    """The result of one job of a task that started it, or attached to it. *label*: how people call it."""
    if look.error:
        return _failed(look, f'{label} was not started: {readable_lines(look.error)}', started=False)
    if not look.ended and look.job:
        return live_result(look, changed=not look.attached)
    result = ended_result(look, read, label)
    if look.attached:
        result['changed'] = False
    return result


def live_result(look: Look, *, changed: bool) -> Result:
    """The result of a job that has not ended."""
    return {
        'ansible_job_id': look.id,
        'started': True,
        'finished': False,
        'changed': changed,
        'results_file': look.results_file,
        'job': look.job,
        **hidden(look),
    }


def ended_result(look: Look, read: Read, label: str) -> Result:
    """The result of a job that has ended: its module's own, or what happened to it instead."""
    job, output = look.job, look.output
    if job is None:
        return _failed(
            look, f'{label} is gone: somebody removed its files from {look.looked_in} while this task waited.'
        )
    if job['state'] in ('succeeded', 'failed') and output['rc'] is not None:
        result = read(output)
        if job['state'] == 'failed':
            result['failed'] = True
        if _has_no_result_of_its_own(job, result):
            result['msg'] = readable_lines(job['reason'])
            # That there is no result, which ansible-core 2.21 shows in place of the message.
            result.pop('exception', None)
        job = as_read(job, result)
    elif job['state'] == 'skipped':
        result = {'skipped': True, 'changed': False, 'msg': readable_lines(job['reason'])}
    else:
        result = {'failed': True, 'msg': readable_lines(job['reason']), 'changed': False}
        result.update({f'module_{name}': output[name] for name in ('stdout', 'stderr') if output[name]})
    result.update(ansible_job_id=look.id, started=True, finished=True, job=job, **hidden(look))
    return result


def _has_no_result_of_its_own(job: dict[str, t.Any], result: Result) -> bool:
    """Whether *job* was killed, or is a branch that ended otherwise before it could print one: *result* tells no more."""
    return 'signal' in job or (job['state'] == 'failed' and job['place'] == CONTROLLER and 'msg' not in result)


def _failed(look: Look, message: str, *, started: bool = True) -> Result:
    return {
        'failed': True,
        'changed': False,
        'ansible_job_id': look.id,
        'started': started,
        'finished': True,
        'msg': message,
    }


def hidden(look: Look) -> Result:
    """What a result needs beside the rest if its job was started with `no_log`, whoever looks at it now."""
    return {'_ansible_no_log': True} if look.no_log else {}


def hide_loop(action: ActionBase, result: Result) -> None:
    """Hide the results of a loop as a whole, too, where *result* is one of them: ansible-core 2.16 asks the task of that."""
    if result.get('_ansible_no_log'):
        task_of(action).no_log = True


def result_of_many(results: list[Result], labels: list[str], *, no_log: bool) -> Result:
    """The result of a task of many jobs, which fails where one of them did, and is hidden where one of them is.

    *labels*: how people call the job of each of *results*. *no_log*: of the task. ansible-core 2.21 shows the message of a
    failed task in spite of `no_log`, so the message leaves out what such a job printed. A task all of whose jobs were
    skipped is skipped, as a loop is. ansible-core looks for facts and differences at the top of a result only, so those of
    the jobs stand there as well.
    """
    failures = [
        _failure(result, label, no_log=no_log or result.get('_ansible_no_log', False))
        for result, label in zip(results, labels, strict=True)
        if result.get('failed')
    ]
    together: Result = {'jobs': results, 'changed': any(result.get('changed') for result in results)}
    skipped = [label for result, label in zip(results, labels, strict=True) if _is_skipped(result)]
    messages = []
    if failures:
        together['failed'] = True
        messages.append(f'{len(failures)} of {number(len(results), "job")} failed: ' + '; '.join(failures))
    if skipped:
        together['skipped'] = len(skipped) == len(results)
        messages.append(f'{len(skipped)} of {number(len(results), "job")} skipped: ' + ', '.join(skipped))
    if messages:
        together['msg'] = '. '.join(messages)
    if any(result.get('_ansible_no_log') for result in results):
        together['_ansible_no_log'] = True
    differences = [difference for result in results if result.get('changed') for difference in _differences(result)]
    if differences:
        together['diff'] = differences
    for result in results:
        together = with_facts(together, result.get('ansible_facts'))
    return together


def in_time(together: Result, labels: list[str], timeout: float | None) -> Result:
    """*together* of result_of_many(), failed if a job has not ended after *timeout* seconds."""
    late = [label for result, label in zip(together['jobs'], labels, strict=True) if not result['finished']]
    if late:
        of_all = f'{len(late)} of {number(len(labels), "job")} had not ended after {timeout:g} s, and'
        messages = [f'{of_all} {"goes" if len(late) == 1 else "go"} on: {", ".join(late)}']
        together.update(failed=True, msg='. '.join([*messages, together['msg']] if 'msg' in together else messages))
    return together


def with_facts(result: Result, facts: dict[str, t.Any] | None) -> Result:
    """*result*, and the *facts* that its task has found by the way, if any."""
    return {**result, 'ansible_facts': {**result.get('ansible_facts', {}), **facts}} if facts else result


class Missing:
    """What to do about jobs that *host* does not know.

    *ok*: leave them out. *others*: a job id -> the hosts that have registered a result of that job.
    """

    def __init__(self, host: str, *, ok: bool, others: c.Callable[[str], list[str]]) -> None:
        self._host = host
        self._ok = ok
        self._others = others

    def known(self, references: list[t.Any], looks: list[Look]) -> list[Look]:
        """Those of *looks*, one for each of *references*, that are at jobs of this collection.

        Raises AnsibleActionFail that tells of all unknown jobs, unless they are left out, and of those that ansible-core or
        mitogen started.
        """
        errors = [f'{self._host}: {look.error}' for look in looks if look.error]
        if errors:
            raise AnsibleActionFail('. '.join(errors))
        unknown = [reference for reference, look in zip(references, looks, strict=True) if not look.known]
        if unknown and not self._ok:
            raise AnsibleActionFail(self.message(unknown, looks[0]))
        known = [look for look in looks if look.known]
        foreign = [written(look.id) for look in known if not look.job]
        if foreign:
            one = len(foreign) == 1
            raise AnsibleActionFail(
                f'{"job" if one else "the jobs"} {", ".join(foreign)} on {self._host} {"was" if one else "were"} started by '
                'ansible-core or mitogen, which cannot tell whether a job lives: look at it with async_status.'
            )
        return known

    def message(self, unknown: list[t.Any], look: Look) -> str:
        """What is said of the *unknown* jobs (ids, or ``{"name": text}``), of one of which *look* was taken."""
        names = ', '.join(map(written, unknown))
        if len(unknown) == 1:
            message = (
                f'could not find job {names} on {self._host}: user {look.user} has no such job in {look.looked_in}.'
            )
        else:
            message = f'could not find the jobs {names} on {self._host}: user {look.user} has none of them in {look.looked_in}.'
        for job_id in (reference for reference in unknown if isinstance(reference, str)):
            elsewhere = [host for host in self._others(job_id) if host != self._host]
            if elsewhere:
                return f'{message} Job {job_id} was started on {", ".join(elsewhere)}: ids differ from host to host.'
        return f'{message} {_LOOK_ELSEWHERE}'


def written(reference: t.Any) -> str:
    """A job as people wrote it, from an id or ``{"name": text}``."""
    return printable(reference['name'] if isinstance(reference, dict) else reference)


def with_last_line(look: Look) -> Result:
    """The job of *look*, with its last line of live output, safe for any terminal."""
    return {**(look.job or {}), 'last_line': None if look.last_line is None else readable(look.last_line)}


def label_of(look: Look) -> str:
    """How people call the job of *look*: by its name, or where it has none by its id."""
    return printable(look.job['name'] or look.id) if look.job else written(look.id)


def _is_skipped(result: Result) -> bool:
    """Whether the job of *result* was. A module may say the same of itself, and has run nevertheless."""
    return (result.get('job') or {}).get('state') == 'skipped'


def _differences(result: Result) -> list[t.Any]:
    """What a module says that it has changed, which may be one difference or a list."""
    found = result.get('diff') or []
    return found if isinstance(found, list) else [found]


def _failure(result: Result, label: str, *, no_log: bool) -> str:
    """Which job failed, what it ran, how it ended and why: ``upgrade (command, rc 1: no space left)``."""
    job = result.get('job') or {}
    state = spoken(job.get('state', 'gone' if result.get('started', True) else 'not started'))
    how = f'rc {result["rc"]}' if state == 'failed' and result.get('rc') else state
    module = str(job.get('module') or '').rpartition('.')[2]
    cause = '' if no_log else f': {_cause(result)}'
    return f'{label} ({printable(", ".join(filter(None, (module, how))))}{cause})'


def _cause(result: Result) -> str:
    """The message of a failed *result* on one line; of a command, which has none of its own, what it printed last."""
    message = str(result.get('msg') or result.get('job', {}).get('reason') or 'no message').strip()
    if message.rstrip('.').endswith('non-zero return code'):
        printed = (str(result.get(stream) or '').strip() for stream in ('stderr', 'stdout'))
        message = next((text.rpartition('\n')[2] for text in printed if text), message)
    return fit(printable(message.partition('\n')[0]), _CAUSE_CELLS)


def as_read(job: dict[str, t.Any], result: dict[str, t.Any]) -> dict[str, t.Any]:
    """*job*, failed if the target took its module for a success, but ansible-core has refused to read the *result*."""
    if job['state'] != 'succeeded' or not result.get('failed'):
        return job
    return {**job, 'state': 'failed', 'reason': f"ansible-core cannot read the module's result: {result.get('msg')}"}
