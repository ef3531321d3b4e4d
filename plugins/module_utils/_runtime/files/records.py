# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON files of a job directory, as records: what each field means, and what an earlier version has written of it.

A supervisor of version 0.1.0 hands its slot on to jobs that this version has written, so each key of 0.1.0 stays, with
its meaning and type. A change that an earlier version would misunderstand raises VERSION.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import collections

from ..protocol import RETENTION, TARGET
from .errors import StoreError

VERSION = 2
"""Of these files. Version 1 is that of background.jobs 0.1.0, which did not write it down."""

Spec = collections.namedtuple(
    'Spec',
    (
        'version',  # of the file (int)
        'id',  # the job id
        'name',  # the user's name for the job, or None
        'module',  # name of the module, for people
        'about',  # {key of protocol.ABOUT: text}
        'limit',  # seconds for which the module may run, or None: no limit
        'leeway',  # seconds beyond the limit after which the job is stopped (protocol.StartRequest)
        'spare_daemons',  # whether the limit spares processes in sessions of their own
        'grace',  # seconds between TERM and KILL
        'queue',  # name of its queue, or None
        'after',  # ids of the jobs that it is started after, none or more
        'after_any',  # whether it starts however these have ended; else each of them must have succeeded
        'is_on_end',  # whether it tells of the end of the one job in `after`, with which it was started
        'no_log',  # whether `no_log` hides what the job prints
        'retention',  # seconds for which the files are kept after the end
        'work',  # a digest of what the job does, or None (protocol.StartRequest)
        'resources',  # what the job may use of its host (dict of the fields of protocol.Resources; empty: anything)
        'machine',  # name of the machine that the job belongs to, or None: of 0.1.0 (files/machine.py)
        'machine_id',  # the machine id of that machine; empty if it has none
        'at',  # when the job was made: UTC, as clock.utc() writes it
        'monotonic',  # the same in seconds of the monotonic clock, or None
        'boot',  # id of the boot that clock belongs to; empty if the system has none
        'place',  # protocol.TARGET or CONTROLLER: whether the job is a module, or a function that its start has forked
    ),
)
"""spec.json: what was asked for. It never changes."""

Launch = collections.namedtuple(
    'Launch',
    (
        'version',  # of the file (int)
        'argv',  # the command (list of str); "{job}" in it stands for the job directory; empty where the job is a function
        'stdin',  # whether the interpreter, a Python, reads the module from standard input
        'tmpdir',  # path of ansible-core's temporary directory for the task, or None
        'output_limit',  # bytes of live output that are kept; 0: none
        'payload',  # how the module is made from its base (dict of the fields of protocol.PayloadReference), or {}: a function
        'environment',  # the whole environment of the module ({str: str})
        'umask',  # of the module (int)
        'cwd',  # path of the module's working directory, or None: it has been removed
    ),
)
"""launch.json: how the module is executed."""

Run = collections.namedtuple(
    'Run',
    (
        'version',  # of the file (int)
        'pid',  # of the module
        'process_start',  # when that process started (clock.process_start()), or None
        'supervisor',  # pid of the supervisor
        'supervisor_start',  # when that process started, or None
        'program',  # the first word of the command
        'tmpdir',  # as in Launch
        'cgroup',  # path of the job's own cgroup, or None: it has none
        'at',  # when the module was executed: UTC
        'monotonic',  # the same in seconds of the monotonic clock
        'boot',  # id of the boot that clock belongs to
    ),
)
"""run.json: as what the module was executed, and when."""

End = collections.namedtuple(
    'End',
    (
        'version',  # of the file (int)
        'state',  # one of protocol.ENDED
        'reason',  # why the job ended badly, a sentence for a person, or None
        'ended',  # when: UTC
        'elapsed',  # seconds for which the module ran, or None: it did not, or nobody knows
        'rc',  # of the module as a shell would tell it, or None
        'signal',  # name of the signal that ended the module, or None
        'pid',  # of the module, or None
        'module_rc',  # the rc in the module's result (int), or None
        'last_lines',  # what the job printed last (list of str), if it ended badly
    ),
)
"""end.json: how the job ended. It never changes."""

Report = collections.namedtuple('Report', ('spec', 'run', 'warning'))
"""What a supervisor reports to the request that has started its job, when the module was executed: a Spec, a Run, and
what may happen to the job that its user does not expect, or None."""

_NONE = type(None)
_NUMBER = (int, float)
_TYPES = {
    Spec: {
        'id': str,
        'name': (str, _NONE),
        'module': str,
        'limit': (int, float, _NONE),
        'grace': _NUMBER,
        'queue': (str, _NONE),
        'no_log': bool,
        'at': str,
        'boot': str,
    },
    Launch: {
        'argv': list,
        'stdin': bool,
        'output_limit': int,
        'payload': dict,
        'environment': dict,
        'umask': int,
        'cwd': (str, _NONE),
    },
    Run: {
        'pid': int,
        'process_start': (int, _NONE),
        'supervisor': int,
        'supervisor_start': (int, _NONE),
        'at': str,
        'monotonic': _NUMBER,
        'boot': str,
    },
    End: {
        'state': str,
        'reason': (str, _NONE),
        'ended': str,
        'elapsed': (int, float, _NONE),
        'rc': (int, _NONE),
        'signal': (str, _NONE),
        'pid': (int, _NONE),
    },
}
"""The fields that each version has written, with their types. A file without one of them is not whole."""
_LATER = {
    Spec: {
        'version': (int, 1),
        'about': (dict, {}),
        'leeway': (_NUMBER, 0),
        'spare_daemons': (bool, False),
        'after': (list, []),
        'after_any': (bool, False),
        'is_on_end': (bool, False),
        'retention': (_NUMBER, RETENTION),
        'work': (str, None),
        'resources': (dict, {}),
        'machine': (str, None),
        'machine_id': (str, ''),
        'monotonic': (_NUMBER, None),
        'place': (str, TARGET),
    },
    Launch: {'version': (int, 1), 'tmpdir': (str, None)},
    Run: {'version': (int, 1), 'program': (str, 'python'), 'tmpdir': (str, None), 'cgroup': (str, None)},
    End: {'version': (int, 1), 'module_rc': (int, None), 'last_lines': (list, [])},
}
"""The other fields, with their type and what they are in a file without them."""


class NewerFormat(StoreError):
    """A file was written by a later version of this collection, and may mean something that this one does not know."""


def parse(kind, value, path):
    """The record of the class *kind* in the JSON object *value* of the file *path*, or None: the file is not whole.

    Raises NewerFormat.
    """
    version = value.get('version', 1)
    if isinstance(version, int) and version > VERSION:
        raise NewerFormat(
            'a later version of background.jobs has written %s: the format of the file is %d, and this version reads '
            'formats up to %d. Update the collection on this controller, or remove the job with async_status and '
            'mode=cleanup' % (path, version, VERSION)
        )
    if not all(key in value and _is(value[key], types) for key, types in _TYPES[kind].items()):
        return None
    fields = {
        key: value[key] if _is(value.get(key), types) else default for key, (types, default) in _LATER[kind].items()
    }
    fields.update((key, value[key]) for key in _TYPES[kind])
    return kind(**fields)


def _is(value, types):
    """Whether *value* has one of *types*. A number that nothing can be added to is none."""
    return isinstance(value, types) and (not isinstance(value, _NUMBER) or -1e30 < value < 1e30)
