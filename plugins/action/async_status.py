# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import collections.abc as c
import functools
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_STATUS
from ansible_collections.background.jobs.plugins.module_utils._runtime.core import status as core_status
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import Look

# ansible-lint looks for main() here, to check the options of a task.
from ansible_collections.background.jobs.plugins.modules.async_status import main  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.background.jobs.plugins.plugin_utils._branch.joining import without_layers
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.action import discovered_facts
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.failure import with_clean_failures
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.registered import hosts_with_job
from ansible_collections.background.jobs.plugins.plugin_utils._options.arguments import arguments, refuse, refuse_follow
from ansible_collections.background.jobs.plugins.plugin_utils._options.references import Reference, reference
from ansible_collections.background.jobs.plugins.plugin_utils._payload.reader import read_result
from ansible_collections.background.jobs.plugins.plugin_utils._places.host_places import HostPlaces
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import (
    Missing,
    Result,
    as_read,
    hidden,
    hide_loop,
    with_facts,
    written,
)
from ansible_collections.background.jobs.plugins.plugin_utils._waiting import drop_in
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.main_process import set_up_main_process

set_up_main_process()

_EMPTY = {'started': True, 'finished': False, 'stdout': '', 'stderr': '', 'stdout_lines': [], 'stderr_lines': []}
_OF_THE_JOB = ('started', 'finished', 'results_file', 'job', '_ansible_no_log')
"""What a result has of the job itself, whatever its module has printed; an action may have hidden the result of a branch."""


class ActionModule(ActionBase):
    """One look at one job; where ansible-core itself polls, the look that it waits for."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._polling = drop_in.polling(self)

    @with_clean_failures
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        if drop_in.is_used(self) and drop_in.is_of_windows(self):
            return drop_in.of_core(self, task_vars)
        options = self._options()
        remote = HostPlaces(self, task_vars)
        # ansible-core knows no names, and in its place a playbook may compare its message about what is no id.
        job = str(options['jid']) if drop_in.is_used(self) else reference(options['jid'])
        empty = {**_EMPTY, 'ansible_job_id': options['jid']}
        if options['mode'] == 'cleanup':
            look, result = self._remove(remote, job, empty)
        else:
            offsets = [options['offset'] or 0] if options['output'] else None
            look, result = self._look_at(remote, job, offsets, empty, task_vars)
        if drop_in.is_used(self):
            return self._polling.result(look, result) if self._polling else result
        if not look.known and not look.error:
            others = functools.partial(hosts_with_job, task_vars)
            result['msg'] = Missing(remote.host, ok=False, others=others).message([job], look)
            result.pop('exception', None)  # has the message that this one replaces, and ansible-core 2.21 shows both
        return result

    def _remove(self, remote: HostPlaces, job: Reference, empty: Result) -> tuple[Look, Result]:
        """Remove the files of *job*. The last look at it, and the result: *empty*, with what there is to tell."""
        look = self._polling.remove(remote, str(job)) if self._polling else _ask(remote, 'remove', job)
        result = self._for_caller(look, {**empty, 'started': False, **core_status.cleanup(look)})
        return look, with_facts(result, discovered_facts(self))

    def _look_at(
        self, remote: HostPlaces, job: Reference, offsets: list[int] | None, empty: Result, task_vars: dict[str, t.Any]
    ) -> tuple[Look, Result]:
        """The look at *job*, and the result: *empty*, with what the module has returned. *offsets*: for live output."""
        look = _ask(remote, 'status', job, offsets=offsets)
        if self._polling and look.job and not look.ended:
            look = self._polling.wait(self, remote, look, task_vars)
        status = self._for_caller(look, core_status.status(look))
        read = without_layers(read_result(self, status, task_vars))
        # What is of the job stands there also where ansible-core refuses what the module has printed.
        result = {**empty, **{key: status[key] for key in _OF_THE_JOB if key in status}}
        if look.ended and 'job' not in read:
            result['job'] = as_read(look.job, read)
        result.update(**read, **hidden(look))
        hide_loop(self, result)
        return look, result

    def _for_caller(self, look: Look, result: Result) -> Result:
        """*result*, made of *look*, as ansible-core's own async_status returns it if this action stands in for that."""
        return drop_in.as_core(look, result) if drop_in.is_used(self) else result

    def _options(self) -> dict[str, t.Any]:
        given = [self._task.args.get(option) for option in ('jid', 'job')]
        if not drop_in.is_used(self) and any(isinstance(value, c.Mapping) for value in given):
            raise AnsibleActionFail(
                "'jid' takes the id or the name of one job, found a mapping: of a registered result r, give r.ansible_job_id."
            )
        options = arguments(self, ASYNC_STATUS)
        refuse_follow(self, options)
        if options['offset'] is not None:
            if options['offset'] < 0:
                raise AnsibleActionFail(f"'offset' must not be negative, found {options['offset']}.")
            if not options['output']:
                refuse(self, 'offset', "it is where the live output of 'output: true' begins.")
        return options


def _ask(remote: HostPlaces, op: str, job: Reference, **details: t.Any) -> Look:
    """The look of the operation *op* at *job*. What goes wrong stands in it, as an error."""
    try:
        look = remote.ask(op, ids=[job], **details)[0]
    except AnsibleActionFail as error:
        return core_status.failed_look(written(job), error.message)
    return look._replace(id=written(look.id))
