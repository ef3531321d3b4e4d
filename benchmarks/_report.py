# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured -> a table for the terminal, and docs/performance.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from _rows import EXPERIMENTS, Experiment, Row
from _stage import CORE, JOBS, MITOGEN, ONE_WAY, SETTINGS, Setting

_ENGINES = [CORE.name, JOBS.name, MITOGEN.name]

Record = dict[str, Any]
"""Of an experiment: `samples` (setting's key -> row's key -> engine -> numbers), `loads`, `at`, `commit`, `rounds`, `versions`."""


def cells_of(record: Record, row: Row, setting: Setting) -> list[str] | None:
    """The cells of a row: title, an engine each, ratio, budget, verdict. None where it was not measured."""
    samples = record["samples"].get(setting.key, {}).get(row.key)
    if not samples:
        return None
    medians = {engine: statistics.median(numbers) for engine, numbers in samples.items()}
    cells = [row.title, *(_cell(samples.get(engine), row.unit) for engine in _ENGINES)]
    ours, core = medians.get(JOBS.name), medians.get(CORE.name)
    cells.append(f"{ours / core:.3f}" if ours is not None and core else "")
    if row.budget is None or ours is None:
        return [*cells, "", ""]
    most = row.budget.most(medians)
    missed = f"**missed** by {_number(ours - most)} {row.unit}".rstrip() + f": {row.why}" * bool(row.why)
    verdict = "met" if ours <= most else missed
    shown = (
        row.budget.text
        if row.budget.text.startswith(_number(most))
        else f"{row.budget.text}: {_number(most)} {row.unit}"
    )
    return [*cells, shown.rstrip(), verdict]


def _cell(numbers: list[float] | None, unit: str) -> str:
    if not numbers:
        return ""
    text = f"{_number(statistics.median(numbers))} {unit}".rstrip()
    if len(numbers) > 1:
        text += f" ({_number(min(numbers))} to {_number(max(numbers))})"
    return text


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def text(experiment: Experiment, record: Record) -> str:
    """For the terminal."""
    shown = []
    for setting in SETTINGS:
        for row in experiment.rows:
            cells = cells_of(record, row, setting)
            if cells:
                title, *values, ratio, budget, verdict = cells
                measured = [f"{engine} {value}" for engine, value in zip(_ENGINES, values, strict=True) if value]
                rest = [f"ratio {ratio}"] * bool(ratio) + [f"budget {budget} {verdict}"] * bool(budget)
                shown.append(f"{title} [{setting.title}]\n    " + "; ".join(measured + rest))
    return "\n".join(shown)


def markdown(records: dict[str, Record]) -> str:
    """docs/performance.md."""
    return "\n".join(_markdown(records)) + "\n"


def _markdown(records: dict[str, Record]) -> Iterator[str]:
    measured = [(experiment, records[experiment.key]) for experiment in EXPERIMENTS if experiment.key in records]
    yield "# Performance"
    yield ""
    yield "Written by `make bench`, which measures everything again ([how](../benchmarks/README.md)). ansible-core's own"
    yield "`async` and this collection take turns on the same test host, so that what else the machine does falls on both."
    yield "mitogen is there for what it does itself. Times are from the start of a task to its last result, by Ansible's own"
    yield "events. Each cell has the median, and the smallest and the largest of all measurements."
    for setting in SETTINGS:
        rows = [
            cells
            for experiment, record in measured
            for row in experiment.rows
            if (cells := cells_of(record, row, setting))
        ]
        if rows:
            yield from ("", f"## {setting.title}", "")
            if setting.slow:
                yield f"A TCP proxy holds each byte back for {ONE_WAY * 1000:.0f} ms in each direction. The budgets are the same."
                yield ""
            yield "| what | " + " | ".join(_ENGINES) + " | ratio | budget | |"
            yield "| --- " * 7 + "|"
            yield from ("| " + " | ".join(cells) + " |" for cells in rows)
    yield from ("", "## What was run", "")
    yield "The load is the smallest and the largest of the machine's load averages before and after each round, of a minute."
    yield "Controller and test host are one machine. Where it does other work, all times are longer and the ratios less exact;"
    yield "budgets in seconds then say little, because a module that starts slowly is in them."
    yield ""
    yield "| experiment | what | rounds | load | when | commit |"
    yield "| --- " * 6 + "|"
    for experiment, record in measured:
        load = f"{min(record['loads']):.1f} to {max(record['loads']):.1f}"
        yield (
            f"| {experiment.key} | {experiment.what} | {record['rounds']} | {load} | {record['at']} | {record['commit']} |"
        )
    yield from ("", "## Versions", "")
    seen: list[dict[str, str]] = []
    for _row, record in measured:
        if record["versions"] not in seen:
            seen.append(record["versions"])
            yield from (f"- {name}: {version}" for name, version in record["versions"].items())
            yield ""
