# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a playbook. Private to this collection."""

from __future__ import annotations

import typing as t


def path_of(playbook: t.Any) -> str:
    """The path of the file of *playbook*."""
    return str(playbook._file_name)  # 2.16 to 2.22
