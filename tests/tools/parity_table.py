# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put what `make parity` has recorded into docs/compatibility.md.

parity_table.py 2.16 2.21   the versions of ansible-core whose records are in .build
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/compatibility.md"
BEGIN, END = "<!-- modules: made by `make parity` -->\n", "<!-- end of modules -->\n"


def table(records: dict[str, list[dict[str, Any]]]) -> str:
    """The table, from ansible-core's version -> what was recorded of each module."""
    fields = " | ".join(f"fields, {version}" for version in records)
    lines = [f"| module | {fields} | differences | compared by type only |", f"| --- |{' --- |' * (len(records) + 2)}"]
    for rows in zip(*records.values(), strict=True):
        counts = " | ".join(str(row["fields"]) for row in rows)
        lines.append(f"| {rows[0]['module']} | {counts} | {_differences(records, rows)} | {_varying(rows[0])} |")
    return "\n".join(lines) + "\n"


def _differences(records: dict[str, list[dict[str, Any]]], rows: tuple[dict[str, Any], ...]) -> str:
    stated = [f"`{path}`: {reason}" for path, reason in rows[0]["reasons"].items()]
    found = [
        f"{version}, {way}: {', '.join(f'`{path}`' for path in paths)}"
        for version, row in zip(records, rows, strict=True)
        for way, paths in row["differs"].items()
    ]
    return "; ".join(stated + found) or "none"


def _varying(row: dict[str, Any]) -> str:
    reasons = dict.fromkeys(row["varies"].values())
    return "; ".join(
        f"{', '.join(f'`{path}`' for path, why in row['varies'].items() if why == reason)} ({reason})"
        for reason in reasons
    )


def main(versions: list[str]) -> int | str:
    """Write the page."""
    records = {
        version: json.loads((ROOT / f".build/parity-{version}.json").read_text(encoding="ascii"))
        for version in versions
    }
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        return f"{PAGE} has no place for the table"
    PAGE.write_text(f"{before}{begin}\n{table(records)}\n{end}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
