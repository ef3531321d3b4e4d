# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table that `make parity` writes says what was recorded, and the page has a row for each module of modules.yml."""

from __future__ import annotations

from ansible_collections.background.jobs.tests.integration._modules import modules
from ansible_collections.background.jobs.tests.tools.parity_table import BEGIN, END, PAGE, table


def test_a_row_says_what_differs_and_where() -> None:
    row = {'module': 'a.b.c', 'fields': 3, 'differs': {}, 'varies': {}, 'reasons': {}}
    other = {**row, 'fields': 4, 'differs': {'drop-in': ['msg']}}
    head, _rule, line = table({'2.16': [row], '2.21': [other]}).splitlines()
    assert 'fields, 2.16 | fields, 2.21' in head
    assert line == '| a.b.c | 3 | 4 | 2.21, drop-in: `msg` |  |'


def test_a_row_gives_the_reasons() -> None:
    row = {
        'module': 'a.b.c',
        'fields': 3,
        'differs': {},
        'varies': {'x*': 'random', 'y': 'random'},
        'reasons': {'z': 'why'},
    }
    assert table({'2.16': [row]}).splitlines()[-1] == '| a.b.c | 3 | `z`: why | `x*`, `y` (random) |'


def test_the_page_has_a_row_for_each_module() -> None:
    written = PAGE.read_text(encoding='utf-8').partition(BEGIN)[2].partition(END)[0]
    cells = [line.split(' ')[1] for line in written.splitlines() if line.startswith('| ')]
    names = [cell for cell in cells if '.' in cell]
    assert names == [case.id for case in modules()], 'run make parity'
    assert len(set(names)) >= 60
