# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-core's call of its async_wrapper -> a start request, for drop-in use.

Until ansible-core 2.20 the arguments are ``jid limit module args-file-or-_ [-preserve_tmp]``, from 2.21 on
``jid limit preserve_tmp module command...``. The module lies in a temporary directory, which ansible-core removes when
it likes if it is to be preserved, and leaves to us otherwise. Standard library only, Python 3.6 and up. Private to this
collection.
"""

import binascii
import os

from ..door import respond
from ..files.atomic import read_file, remove_file, remove_tree
from ..files.errors import StoreError
from ..protocol import ABOUT, GRACE, OUTPUT_LIMIT, RETENTION, VERSION, PayloadReference, StartRequest, resources_of
from .status import as_told_by, has_numbers, is_before

_UMASK = 0o022  # the one that ansible-core's wrapper gives to its module, whatever that of the connection is
_PREFIX = 'AnsiballZ_'
_STEP_SECONDS = 5


class Call:
    """The arguments of ansible-core's call."""

    def __init__(self, words, version):
        jid, limit, third = words[:3]
        self.job_id = '%s.%d' % (jid, os.getpid())
        self.limit = max(0, int(limit))
        if third in ('true', 'false'):
            self.module, self.command = words[3], words[4:]
            self.preserve = third == 'true'
        else:
            self.module = third
            self.command = _interpreter(third) + [third] + [word for word in words[3:4] if word != '_']
            self.preserve = '-tmp-' not in self.folder or words[4:] == ['-preserve_tmp']
        self.args = self.command[-1] if self.command[-1] != self.module else None
        self._leeway = _leeway(self.limit, version)
        self._as_numbers = has_numbers(version)

    @property
    def folder(self):
        """ansible-core's temporary directory."""
        return os.path.dirname(self.module)

    def request(self):
        """The start request (fields: requests/start.py) for a module that is read now, and needed no more afterwards."""
        payload = read_file(self.module)
        if payload is None:
            raise StoreError('there is no module %s' % self.module)
        args = None if self.args is None else read_file(self.args)
        stdin = self.args is None and 'python' in os.path.basename(self.command[0])
        placeholders = {self.module: '{job}/payload', self.args: '{job}/args'}
        job = StartRequest(
            id=self.job_id,
            name=None,
            on_existing='attach',
            work=None,
            module=self._name(),
            about=dict.fromkeys(ABOUT),  # ansible-core does not tell
            limit=self.limit or None,
            leeway=self._leeway,
            spare_daemons=True,
            as_numbers=self._as_numbers,
            grace=GRACE,
            queue=None,
            slots=1,
            after=[],
            after_any=False,
            on_end=None,
            no_log=False,
            argv=[placeholders.get(word, word) for word in self.command if not stdin or word != self.module],
            environment={},
            stdin=stdin,
            args=None if args is None else _base64(args),
            tmpdir=None if self.preserve else self.folder,
            output_limit=OUTPUT_LIMIT,
            retention=RETENTION,
            resources=resources_of({})._asdict(),
            payload=PayloadReference('module', len(payload), '', 0)._asdict(),
        )
        return {
            'version': VERSION,
            'op': 'start',
            'async_dir': os.environ.get('ANSIBLE_ASYNC_DIR', '~/.ansible_async'),
            'bases': {'module': _base64(payload)},
            'jobs': [job._asdict()],
        }

    def _name(self):
        name = os.path.basename(self.module)
        name = name[len(_PREFIX) :] if name.startswith(_PREFIX) else name
        return os.path.splitext(name)[0]

    def forget(self, started):
        """Remove what ansible-core's temporary directory holds of the module: its arguments may be secrets."""
        if self.preserve:
            return
        if not started:
            remove_tree(self.folder)
            return
        for path in filter(None, (self.module, self.args)):
            try:
                remove_file(path)
            except OSError:  # of another user, who became the one of the job
                pass


def answer(words, version):
    """What ansible-core's wrapper would answer to the arguments *words*; *version*: of ansible-core."""
    call = Call(words, version)
    error = None
    try:
        os.umask(_UMASK)
        response = respond(call.request())
        error = response.get('error') or response['jobs'][0]['error']
    except (StoreError, OSError) as failure:
        error = '%s' % failure
    call.forget(started=not error)
    if error:
        return {'failed': True, 'msg': 'the job was not started: %s' % error}
    warning = response['jobs'][0]['warning']
    result = {
        'failed': False,
        'started': True,
        'finished': False,
        'ansible_job_id': call.job_id,
        'results_file': response['jobs'][0]['results_file'],
        **({'warnings': [warning]} if warning else {}),
        '_ansible_suppress_tmpdir_delete': not call.preserve,
    }
    return as_told_by(version, result)


def _leeway(limit, version):
    """Seconds beyond *limit* after which the async_wrapper of ansible-core *version* stops a module.

    It counts in steps of 5 seconds, and before 2.18 it waits for one step before it begins to count. From 2.18 on, its
    steps are smaller for limits below 5 seconds.
    """
    steps = _STEP_SECONDS * -(-limit // _STEP_SECONDS)
    if is_before(version, (2, 18)):
        return steps + _STEP_SECONDS - limit
    return 0 if limit < _STEP_SECONDS else steps - limit


def _interpreter(path):
    """The words of the ``#!`` line of *path*, none where the system executes it without."""
    first = (read_file(path, 1024) or b'').partition(b'\n')[0]
    return [os.fsdecode(word) for word in first[2:].split()] if first.startswith(b'#!') else []


def _base64(data):
    return binascii.b2a_base64(data, newline=False).decode('ascii')
