# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws how the costs of waiting grow with the number of hosts.

    .venv/bench/bin/python benchmarks/growth_of_waiting.py

Reads the measured numbers, of waiting.py, from the table in docs/how_many_hosts.md, and writes docs/how_many_hosts.svg.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import matplotlib as mpl

mpl.use('svg')

import matplotlib.pyplot as plt

PAGE = Path(__file__).resolve().parents[1] / 'docs/how_many_hosts.md'
_HEADER = """<!--
Copyright: (c) 2026, background.jobs contributors
GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->
"""
_ROW = re.compile(r'^\| ([\d,]+), simulated \|(.*)\|$', re.MULTILINE)
_NUMBER = re.compile(r'[\d.]+')


class Panel(t.NamedTuple):
    title: str
    lines: dict[str, int]
    """Label -> number of the column in the table, after that of the hosts."""


PANELS = (
    Panel('memory of all processes of Ansible (MB)', {'memory': 1}),
    Panel('processor time for each host (ms)', {'start': 2, 'end': 4}),
    Panel('share of one processor while all wait (%)', {'waiting': 3}),
)


def measured() -> list[tuple[int, list[str]]]:
    """(number of hosts, the further cells) of each row"""
    rows = _ROW.findall(PAGE.read_text(encoding='utf-8'))
    return [(int(hosts.replace(',', '')), cells.split('|')) for hosts, cells in rows]


def _number(cell: str) -> float:
    """The first number in *cell*."""
    return float(_NUMBER.findall(cell.replace(',', ''))[0])


def main() -> None:
    rows = measured()
    counts = [hosts for hosts, _cells in rows]
    plt.rcParams.update({'svg.fonttype': 'none', 'svg.hashsalt': 'background.jobs', 'font.size': 9})
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 3.2), layout='constrained')
    for panel, ax in zip(PANELS, axes, strict=True):
        for label, column in panel.lines.items():
            ax.plot(counts, [_number(cells[column]) for _hosts, cells in rows], marker='o', label=label)
        ax.set(title=panel.title, xlabel='hosts that wait', ylim=(0, None), xlim=(0, None))
        ax.title.set_fontsize(9)
        ax.grid(alpha=0.3)
        if len(panel.lines) > 1:
            ax.legend()
    picture = PAGE.with_suffix('.svg')
    figure.savefig(picture, metadata={'Date': None})
    declaration, rest = picture.read_text(encoding='utf-8').split('\n', 1)
    text = '\n'.join(line.rstrip() for line in f'{declaration}\n{_HEADER}{rest}'.splitlines())
    picture.write_text(f'{text}\n', encoding='utf-8')


if __name__ == '__main__':
    main()
