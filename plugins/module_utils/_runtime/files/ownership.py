# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses directories that somebody else could have prepared for us.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import os
import stat

from .async_dir import others_may_write
from .errors import StoreError
from .users import user

AS_WHOM = (
    'This task works as user %s: let it work as the user whose jobs these are (become, become_user), or set '
    'ansible_async_dir to a directory of its own.'
)


def refuse_foreign(path):
    link, status, own = os.lstat(path), os.stat(path), os.geteuid()
    for owner, trusted in ((link.st_uid, (0, own)), (status.st_uid, (own,))):
        if owner not in trusted:
            raise StoreError('%s belongs to user %s. %s' % (path, user(owner), AS_WHOM % user()))
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError('%s is not a directory: remove it, or set ansible_async_dir to another directory.' % path)
    if others_may_write(status):
        raise StoreError(
            '%s can be written by others (mode %04o): run chmod go-w on it, or set ansible_async_dir to '
            'another directory.' % (path, stat.S_IMODE(status.st_mode))
        )
