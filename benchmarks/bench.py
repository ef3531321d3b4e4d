# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures this collection against ansible-core's own async and mitogen, on test hosts. README.md tells more."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/hosts"))

from _report import Record, markdown, text  # noqa: E402
from _rows import EXPERIMENTS, QUICK, Experiment, Size  # noqa: E402
from _stage import HOST, MITOGEN, ROOT, SETTINGS, WORK, RunFailedError, Stage, stage  # noqa: E402
from _system import HostsError, log  # noqa: E402

RECORDS = WORK / "records.json"
DOCUMENT = ROOT / "docs/performance.md"


def main() -> int:
    options = _parser().parse_args()
    chosen = [experiment for experiment in EXPERIMENTS if experiment.key in options.rows]
    size = QUICK if options.quick else Size()
    log.setLevel("INFO")
    failed = 0
    try:
        with stage() as on:
            versions = _versions(on)
            for experiment in chosen:
                try:
                    record = _measure(on, experiment, size, options.repeats, options.settings)
                except (RunFailedError, TimeoutError) as error:
                    print(f"{experiment.key}: {error}", file=sys.stderr)
                    failed += 1
                    continue
                print(text(experiment, record), flush=True)
                if not options.quick:
                    _keep(experiment, {**record, "versions": versions})
    except HostsError as error:
        print(f"bench.py: {error}", file=sys.stderr)
        return 1
    return 1 if failed else 0


def _measure(on: Stage, experiment: Experiment, size: Size, repeats: int, settings: list[str]) -> Record:
    """All rounds of an experiment. The engines take turns in each."""
    rounds = (repeats + 1) // 2 if experiment.long else repeats
    engines = [engine for engine in experiment.engines if engine is not MITOGEN or _version("mitogen")]
    samples: dict[str, dict[str, dict[str, list[float]]]] = {}
    commit, loads = _commit(), [os.getloadavg()[0]]
    for number in range(rounds):
        for setting in [setting for setting in experiment.settings if setting.key in settings]:
            for engine, rows in experiment.measure(on, engines, size, setting).items():
                for row, numbers in rows.items():
                    if numbers:
                        samples.setdefault(setting.key, {}).setdefault(row, {}).setdefault(engine, []).extend(numbers)
            loads.append(os.getloadavg()[0])
            print(f"... {experiment.key}, round {number + 1}, {setting.key}; load {loads[-1]:.1f}", file=sys.stderr)
    on.clear()
    return {"samples": samples, "loads": loads, "rounds": rounds, "at": _today(), "commit": commit}


def _keep(experiment: Experiment, record: Record) -> None:
    """Put what was measured in the place of what was before, and write the document anew."""
    records: dict[str, Record] = json.loads(RECORDS.read_text(encoding="utf-8")) if RECORDS.exists() else {}
    records[experiment.key] = record
    RECORDS.write_text(json.dumps(records, indent=1), encoding="utf-8")
    DOCUMENT.write_text(markdown(records), encoding="utf-8")


def _today() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _commit() -> str:
    changed = _git("status", "--porcelain", "--", "plugins")
    return (_git("rev-parse", "--short=9", "HEAD") or "?") + (" and changes" if changed else "")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions(on: Stage) -> Mapping[str, Any]:
    target = on.fleet.ssh(HOST, "python3 -V; . /etc/os-release; echo $PRETTY_NAME; ssh -V 2>&1").stdout.splitlines()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "ansible-core": _version("ansible-core"),
        "mitogen": _version("mitogen") or "not installed, left out",
        "controller": f"Python {platform.python_version()}, Linux {platform.release().partition('-')[0]}, {os.cpu_count()} processors, {memory:.0f} GB",
        "test host": f"{', '.join(target)}; on the same machine, in containers of systemd-nspawn",
        "settings": "all of ansible-core's defaults: OpenSSH with a shared connection (warm), no become; pipelining as the headings say",
    }


def _parser() -> argparse.ArgumentParser:
    keys = [experiment.key for experiment in EXPERIMENTS]
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__)
    parser.add_argument(
        "--rows",
        type=lambda names: names.split(","),
        default=keys,
        metavar="ROW,ROW",
        help=f"only these experiments; docs/performance.md keeps the others as they are ({', '.join(keys)})",
    )
    parser.add_argument(
        "--settings",
        type=lambda names: names.split(","),
        default=[setting.key for setting in SETTINGS],
        metavar="SETTING,SETTING",
        help=f"only these, of: {', '.join(setting.key for setting in SETTINGS)}; what is chosen replaces all of an experiment",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="rounds; half as many of what takes minutes (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="smaller numbers, and nothing is written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
