# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run tests again and again on a machine that is busy, and count how often each failed.

    flaky.py [--times N] [--busy N] [what pytest takes: files, -m, -k ...]

A test that fails once in ten runs fails once a day for somebody else. Beside the tests run busy loops, because most of
what is flaky fails only where something else has the processor. The count is printed and kept in .build/flaky.json,
also of a series that is interrupted.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / '.build/flaky.json'

# It ends by itself when we do, however that is.
BUSY = 'import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    for _ in range(1_000_000): pass'


class Count(t.NamedTuple):
    """What became of one test in all runs."""

    runs: int
    failures: int
    why: list[str]
    """The first line of each failure."""


def outcomes(report: Path) -> dict[str, str | None]:
    """Test -> why it failed, or nothing, as a JUnit report of pytest has them. What was skipped is left out."""
    found: dict[str, str | None] = {}
    for case in ElementTree.parse(report).iter('testcase'):
        name = f'{case.get("classname")}::{case.get("name")}'
        bad = [element for kind in ('failure', 'error') for element in case.iter(kind)]
        if bad:
            found[name] = (bad[0].get('message') or '').partition('\n')[0]
        elif case.find('skipped') is None:
            found.setdefault(name, None)  # an error of the teardown is a case of its own, of the same name
    return found


def tally(runs: list[dict[str, str | None]]) -> dict[str, Count]:
    """Test -> its count, the worst first."""
    seen = collections.defaultdict(list)
    for run in runs:
        for name, why in run.items():
            seen[name].append(why)
    counts = {}
    for name, whys in seen.items():
        bad = [why for why in whys if why is not None]
        counts[name] = Count(len(whys), len(bad), bad)
    return dict(sorted(counts.items(), key=lambda item: (-item[1].failures, item[0])))


@contextlib.contextmanager
def busy(loops: int) -> t.Iterator[None]:
    """Have the processors busy meanwhile."""
    started = [subprocess.Popen([sys.executable, '-c', BUSY, str(os.getpid())]) for _loop in range(loops)]
    try:
        yield
    finally:
        for loop in started:
            loop.kill()
            loop.wait()


def run_once(arguments: list[str]) -> dict[str, str | None]:
    """The outcomes of one run of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / 'report.xml'
        command = [sys.executable, '-m', 'pytest', '--quiet', '--tb=short', f'--junitxml={report}', *arguments]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code not in (0, 1):
            raise SystemExit(f'pytest ended with {code}: this was no run of tests')
        return outcomes(report)


def show(counts: dict[str, Count], runs: int) -> None:
    failed = {name: count for name, count in counts.items() if count.failures}
    print(f'\n{len(counts)} tests, {runs} runs: {len(failed)} failed at least once')
    for name, count in failed.items():
        print(f'{count.failures:4} of {count.runs}  {name}')
        for why in dict.fromkeys(count.why):
            print(f'             {why[:160]}')


def main() -> int:
    parser = argparse.ArgumentParser(description='Count how often each test fails on a busy machine.')
    parser.add_argument('--times', type=int, default=10, help='how many runs (%(default)s)')
    parser.add_argument('--busy', type=int, default=2, help='how many busy loops beside them (%(default)s)')
    options, arguments = parser.parse_known_args()
    runs: list[dict[str, str | None]] = []
    interrupted = False
    with busy(options.busy):
        for number in range(1, options.times + 1):
            print(f'\n=== Run {number} of {options.times}', flush=True)
            begin = time.monotonic()
            try:
                runs.append(run_once(arguments))
            except KeyboardInterrupt:
                interrupted = True
                break
            print(f'=== took {time.monotonic() - begin:.0f} s')
    counts = tally(runs)
    show(counts, len(runs))
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps({name: count._asdict() for name, count in counts.items()}, indent=2), encoding='utf-8')
    return int(interrupted or any(count.failures for count in counts.values()))


if __name__ == '__main__':
    sys.exit(main())
