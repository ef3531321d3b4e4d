# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors, warnings and deprecations in results. From 2.19 on they are objects, which JSON cannot hold.

Private names of ansible-core, all of them from 2.19 on:

- ``ansible.module_utils._internal._messages``: ``ErrorSummary``, ``WarningSummary``, ``DeprecationSummary``
- ``ansible.module_utils._internal._event_utils.deprecation_as_dict``
- ``ansible._internal._templating._transform``: ``error_summary``, ``warning_summary``

Private to this collection.
"""

from __future__ import annotations

import typing as t

try:
    from ansible._internal._templating._transform import error_summary, warning_summary
    from ansible.module_utils._internal._event_utils import deprecation_as_dict
    from ansible.module_utils._internal._messages import DeprecationSummary, ErrorSummary, WarningSummary
except ImportError:  # ansible-core before 2.19
    _FORMS: list[tuple[type, t.Callable[[t.Any], t.Any]]] = []
else:
    # A deprecation is a warning as well.
    _FORMS = [
        (DeprecationSummary, deprecation_as_dict),
        (WarningSummary, warning_summary),
        (ErrorSummary, error_summary),
    ]


def as_modules_say(value: t.Any) -> t.Any:
    """*value* in the form in which modules return it, if it is an error, a warning or a deprecation; or else *value*.

    ansible-core takes this form from every action, and shows it in registered variables.
    """
    return next((form(value) for kind, form in _FORMS if isinstance(value, kind)), value)
