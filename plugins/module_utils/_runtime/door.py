# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one entrance to the jobs of a target: a request (dict) comes in, a response (dict) goes out.

protocol.py has the shapes of both. Each module of `requests` is one operation, and says which fields its request has.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

from .files.errors import StoreError, trace
from .files.store import Store
from .files.tmpdir import remove_unused_tmpdirs
from .files.users import user
from .protocol import VERSION

_OPERATIONS = ('start', 'wait', 'status', 'collect', 'cancel', 'list', 'prune', 'remove')
_HIDDEN_FIELDS = ('output', 'result', 'live_output', 'last_line')
"""The fields of a look that hold what a job printed."""


def respond(request, functions=None):
    """The response to *request*. An error is reported in it, never raised.

    *functions*: {job id: function} of the jobs of a start request that are functions of this process, in place of modules
    (shape: supervise/function.py); their argv, args and payload are empty.
    """
    umask = os.umask(0o077)
    request = request if isinstance(request, dict) else {}
    store = None
    try:
        operation = _operation(request)
        store = Store(request['async_dir'])
        if request['op'] == 'start':  # it makes the directories, and checks them then
            looks = operation(store, request, umask, functions or {})
        else:
            store.check()
            looks = operation(store, request)
        if request.get('shown'):
            looks = [_withhold(look) for look in looks]
        return {'version': VERSION, 'jobs': [look._asdict() for look in looks]}
    except StoreError as error:
        return _failure(request, store, '%s' % error)
    except OSError as error:
        root = store.root if store else request.get('async_dir')
        return _failure(request, store, 'user %s cannot use the job files in %s: %s' % (user(), root, error))
    except Exception:
        return _failure(request, store, trace())
    finally:
        os.umask(umask)


def load_operations():
    """Load all operations now, for a process whose children answer requests: each of them would load its own anew."""
    for name in _OPERATIONS:
        _load(name)


def _operation(request):
    """The function that carries *request* out."""
    if request.get('version') != VERSION:
        raise StoreError(
            'this runtime of background.jobs speaks version %d of its protocol, and was asked in version %s: use the '
            'same version of the collection on both sides' % (VERSION, request.get('version'))
        )
    operation = _load(request.get('op'))
    if operation is None:
        raise StoreError('unknown operation %r' % (request.get('op'),))
    return operation


def _load(name):
    """The function that carries out the operation *name* on a store, and returns looks; None if there is no such operation.

    A request loads the one operation that it needs: to load all of them takes longer than to look at a job. They are
    imported by statements, because those tell ansible-core what belongs into the archive of a module.
    """
    if name == 'start':
        from .requests.start import start as operation
    elif name == 'wait':
        from .requests.wait import wait as operation
    elif name == 'status':
        from .requests.status import status as operation
    elif name == 'collect':
        from .requests.collect import collect as operation
    elif name == 'cancel':
        from .requests.cancel import cancel as operation
    elif name == 'list':
        from .requests.listing import list_jobs as operation
    elif name == 'prune':
        from .requests.prune import prune as operation
    elif name == 'remove':
        from .requests.remove import remove as operation
    else:
        operation = None
    return operation


def _failure(request, store, error):
    """The response to a request that failed as a whole. A start that failed leaves no temporary directory behind."""
    jobs = request.get('jobs') if request.get('op') == 'start' else None
    for fields in jobs if isinstance(jobs, list) else ():
        remove_unused_tmpdirs(store, fields)
    return {'version': VERSION, 'error': error}


def _withhold(look):
    """*look* without what ``no_log`` hides."""
    secret = [name for name in _HIDDEN_FIELDS if look.no_log and getattr(look, name)]
    return look._replace(withheld=True, **dict.fromkeys(secret)) if secret else look
