# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of users, for people.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import functools
import os
import pwd


def user(uid=None):
    """The name of a user, of the effective one without *uid*."""
    return _user_name(os.geteuid() if uid is None else uid)


@functools.lru_cache(maxsize=None)  # each look tells the user, and each question opens the password database
def _user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
