# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Job ids: ours, those of ansible-core, and those of mitogen.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import re

from .errors import StoreError

JOB_ID = re.compile(r'j?[0-9]{1,40}\.[0-9]{1,20}')
# Of jobs that mitogen starts, whose result files are like ansible-core's. Most requests do not need this pattern, so it is
# compiled when it is used, as others of the runtime are.
_MITOGEN_ID = '[0-9a-f]{16}'


def is_job_id(value):
    """Whether *value* is a text that can be a job id: ours, ansible-core's or mitogen's."""
    return isinstance(value, str) and bool(JOB_ID.fullmatch(value) or re.fullmatch(_MITOGEN_ID, value))


def check_job_id(job_id):
    """Refuse whatever is not a job id before it becomes part of a path."""
    if not is_job_id(job_id):
        raise StoreError('%r is not a job id: expected something like j20261122044512123456.12345678' % (job_id,))
    return job_id
