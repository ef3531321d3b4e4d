# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The C library, for the system calls that Python's own library does not have.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import functools
import sys


@functools.lru_cache(maxsize=None)
def libc():
    """The C library, as ctypes loads it; None on other systems than Linux, and in a Python that cannot load it."""
    if not sys.platform.startswith('linux'):
        return None
    try:
        import ctypes  # here, because not every request needs it

        return ctypes.CDLL(None, use_errno=True)
    except (ImportError, OSError):  # a Python without ctypes, or with one that has no libffi; a static Python
        return None
