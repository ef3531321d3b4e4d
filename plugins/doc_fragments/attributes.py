# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes that every plugin of this collection documents."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  async:
    description: Supports being used with the C(async) keyword.
  platform:
    description: Target operating systems that can run it.
    support: full
    platforms: posix
"""

    GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/background.jobs.jobs) in C(module_defaults) to set defaults for it.
    membership:
      - background.jobs.jobs
    support: full
"""

    FOLLOW = r"""
options:
  follow:
    description:
      - Has no effect here, and a task that sets it fails. It is taken from C(module_defaults) of
        C(group/background.jobs.jobs), where it is meant for the modules that show live output,
        M(background.jobs.async_run) and M(background.jobs.async_wait).
    type: bool
"""

    FILTERS = r"""
options:
  states:
    description:
      - Only jobs in one of these states.
    type: list
    elements: str
    choices:
      - queued
      - running
      - succeeded
      - skipped
      - failed
      - timed_out
      - cancelled
      - lost
  names:
    description:
      - Only jobs of one of these names.
    type: list
    elements: str
  queues:
    description:
      - Only jobs of one of these queues.
    type: list
    elements: str
"""
