# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The benchmark that asks the runtime itself keeps up with the fields of its requests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_growth_can_be_measured() -> None:
    command = [sys.executable, str(ROOT / 'benchmarks/growth.py'), '2']
    environment = {'PYTHONPATH': str(ROOT / 'collections')}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert 'prune of all' in run.stdout
