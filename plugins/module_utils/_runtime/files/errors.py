# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the runtime reports in a response instead of the answer.

Standard library only, Python 3.6 and up. Private to this collection.
"""


class StoreError(Exception):
    """The job files cannot be used; the text is for a person."""


def trace():
    """What went wrong in this code, for the person who has to mend it."""
    import traceback  # here, because each supervisor would pay for it in memory

    return 'the runtime of background.jobs failed:\n%s' % traceback.format_exc()
