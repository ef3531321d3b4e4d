# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the local connection, for the connections of these tests that are made of it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = """
options:
  become_success_timeout:
    type: int
    default: 10
    description: As in the local connection.
  become_strip_preamble:
    type: bool
    default: true
    description: As in the local connection.
"""
