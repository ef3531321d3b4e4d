# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller as a place where jobs live: those that are functions, the branches of plays.

The runtime is called in this process, on a store of each inventory host. Private to this collection.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.background.jobs.plugins.module_utils._runtime.door import respond
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.errors import StoreError
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.names import Name, file_name, find, path_of
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import Store
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.users import user
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION, Look, new_look
from ansible_collections.background.jobs.plugins.plugin_utils._options import settings
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Function, Place
from ansible_collections.background.jobs.plugins.plugin_utils._show.text import readable_lines

_SETTING = 'background_jobs_controller_dir'
_DEFAULT = '~/.ansible_async/controller'


class Controller(Place):
    """The jobs on this controller of the host of *action*."""

    def __init__(self, action: ActionBase, task_vars: dict[str, t.Any]) -> None:
        self.host = str(task_vars.get('inventory_hostname', ''))
        folder = settings.text(action, task_vars, _SETTING, _DEFAULT)
        try:
            self._store = Store(os.path.join(folder, file_name(self.host, 'host')))
        except StoreError as error:
            raise AnsibleActionFail(_about_this_place(error)) from None

    def is_used(self) -> bool:
        """Whether there may be jobs."""
        return os.path.isdir(self._store.jobs)

    def has(self, reference: t.Any) -> bool:
        """Whether there is the job *reference*: its id, or {"name": text}."""
        try:
            job = find(self._store, reference) if self.is_used() else None
        except StoreError:  # no id or name of a job, which the target says
            return False
        return job is not None and job.exists()

    def check_name(self, name: str) -> None:
        """Raises AnsibleActionFail if the job of *name* lives: a job on the target cannot get its name."""
        if not self.has({'name': name}):
            return
        (look,) = self.ask('wait', ids=[{'name': name}], seconds=0)
        if look.job and not look.ended:
            raise AnsibleActionFail(
                f"Job {look.id} of the name '{name}' is {look.job['state']} on the controller already: wait for it, cancel "
                'it, or give this job another name.'
            )

    def forget_name(self, name: str) -> None:
        """Forget which job has *name*: a job on the target has got it, and whoever looks is to find that one."""
        if self.has({'name': name}):
            with Name(path_of(self._store, name)) as held:
                held.forget()

    def ask(
        self, op: str, within: float | None = None, *, functions: dict[str, Function] | None = None, **details: t.Any
    ) -> list[Look]:
        """As Place.ask(). *functions*: the bodies of the jobs of a start, by their ids."""
        request = dict(details, version=VERSION, op=op, async_dir=self._store.root)
        # As it would arrive on a target: without the types of ansible-core.
        response = respond(json.loads(json.dumps(request)), functions)
        if 'error' in response:
            raise AnsibleActionFail(readable_lines(_about_this_place(response['error'])))
        return [_about_this_place_only(Look(**look)) for look in response['jobs']]

    def unknown(self, reference: t.Any) -> Look:
        """A look at a job that is not here."""
        return new_look(reference, self._store.root, user())

    def reset(self) -> None:
        pass

    def is_remote(self, ids: list[t.Any]) -> bool:
        return False


def _about_this_place_only(look: Look) -> Look:
    return look._replace(error=_about_this_place(look.error)) if look.error else look


def _about_this_place(message: t.Any) -> str:
    """*message* of the runtime, which calls the setting of its directory by the name that this has for a target."""
    return str(message).replace('ansible_async_dir', _SETTING)
