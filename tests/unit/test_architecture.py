# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/architecture.md and the code have the same files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / 'docs/architecture.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('side', ['plugin_utils', 'module_utils'])
def test_the_house_names_every_file(side: str) -> None:
    house = TEXT.split('## The house')[1].split('\n## ')[0]
    rooms = re.split(r'\| \*\*`plugins/(\w+)/`\*\*', house)
    named = re.findall(r'`(\w+(?:/\w+)?\.py)`', rooms[rooms.index(side) + 1])
    top = ROOT / 'plugins' / side / ('_runtime' if side == 'module_utils' else '')
    there = [path.relative_to(top).as_posix() for path in top.rglob('*.py') if path.name != '__init__.py']
    assert sorted(named) == sorted(there)
