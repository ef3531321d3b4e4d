# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of each action: the one place that the action and its documented module take them from.

Each constant holds keyword arguments of AnsibleModule and of ActionBase.validate_argument_spec. Times are strings, because
people may write them as ``5m``; the controller reads them. The module takes the same options, so that ansible-lint, which
calls the main() of a module, checks the tasks of users.

Standard library only, Python 3.6 and up. Private to this collection.
"""

from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import ENDED, GRACE, STATES

_JOBS = {'type': 'raw', 'required': True}
_MISSING = {'type': 'str', 'choices': ['fail', 'ok'], 'default': 'fail'}
_FOLLOW = {'type': 'bool'}
"""Every action takes it, because `module_defaults` of the action group hands it to all of them."""
_SELECTION = {
    'states': {'type': 'list', 'elements': 'str', 'choices': list(STATES)},
    'names': {'type': 'list', 'elements': 'str'},
    'queues': {'type': 'list', 'elements': 'str'},
}
_WAYS = ('task', 'tasks', 'cmd', 'block')

ASYNC_RUN = {
    'argument_spec': {
        'task': {'type': 'raw'},
        'tasks': {'type': 'list', 'elements': 'raw'},
        'cmd': {'type': 'str'},
        'block': {'type': 'raw'},
        'rescue': {'type': 'raw'},
        'always': {'type': 'raw'},
        'name': {'type': 'str'},
        'on_existing': {'type': 'str', 'choices': ['attach', 'fail', 'replace'], 'default': 'attach'},
        'queue': {'type': 'str'},
        'slots': {'type': 'int'},
        'in_order': {'type': 'bool', 'default': False},
        'after': {'type': 'raw'},
        'after_any': {'type': 'bool', 'default': False},
        'on_end': {'type': 'raw'},
        'grace': {'type': 'str', 'default': str(GRACE)},
        'limit': {'type': 'str'},
        'resources': {'type': 'dict'},
        'follow': _FOLLOW,
    },
    'mutually_exclusive': [_WAYS],
    'required_one_of': [_WAYS],
    'required_by': {'rescue': ['block'], 'always': ['block']},
}
ASYNC_WAIT = {
    'argument_spec': {'jobs': _JOBS, 'timeout': {'type': 'str'}, 'missing': _MISSING, 'follow': _FOLLOW},
}
ASYNC_STATUS = {
    'argument_spec': {
        'jid': {'type': 'str', 'required': True, 'aliases': ['job']},
        'mode': {'type': 'str', 'choices': ['status', 'cleanup'], 'default': 'status'},
        'output': {'type': 'bool', 'default': False},
        'offset': {'type': 'int'},
        'follow': _FOLLOW,
    },
}
ASYNC_CANCEL = {
    'argument_spec': {
        'jobs': _JOBS,
        'grace': {'type': 'str', 'default': str(GRACE)},
        'missing': _MISSING,
        'follow': _FOLLOW,
    },
}
ASYNC_INFO = {
    'argument_spec': dict(_SELECTION, output={'type': 'bool', 'default': False}, follow=_FOLLOW),
}
ASYNC_TABLE = {
    'argument_spec': dict(_SELECTION, columns={'type': 'int'}, follow=_FOLLOW),
}
ASYNC_PRUNE = {
    'argument_spec': {
        'older_than': {'type': 'str', 'default': '7d'},
        'states': {'type': 'list', 'elements': 'str', 'choices': list(ENDED), 'default': list(ENDED)},
        'keep': {'type': 'int', 'default': 0},
        'follow': _FOLLOW,
    },
}

OPTIONS = frozenset(
    option
    for arguments in (ASYNC_RUN, ASYNC_WAIT, ASYNC_STATUS, ASYNC_CANCEL, ASYNC_INFO, ASYNC_TABLE, ASYNC_PRUNE)
    for option in arguments['argument_spec']
)
"""The options of all actions. `module_defaults` of their group hands each of them to every action."""

IS_AN_ACTION = (
    '%s runs on the controller, as the action plugin of the same name; on a target there is nothing to run. Ansible did not '
    'find that plugin: where ansible.cfg sets library to plugins/modules of this collection, it has to set action_plugins '
    'to plugins/action as well.'
)
"""What a module says that documents an action and is executed nevertheless."""
