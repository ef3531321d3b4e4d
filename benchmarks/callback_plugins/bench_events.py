# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logs when tasks start and results arrive, as lines of JSON. For benchmarks/, see _stage.py there."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: bench_events
type: aggregate
short_description: Logs when tasks start and results arrive
version_added: 0.1.0
description:
  - Appends a line of JSON for each event to the file named in E(BENCH_EVENTS), with the processor time that the control
    group E(BENCH_CGROUP), a directory, has taken so far.
author:
  - background.jobs contributors (@background-jobs)
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "bench_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = open(os.environ["BENCH_EVENTS"], "a", encoding="utf-8", buffering=1)  # noqa: SIM115
        self._cpu = Path(os.environ["BENCH_CGROUP"], "cpu.stat")
        self._play = 0

    def _log(self, event: str, task: Any, **details: Any) -> None:
        cpu = int(self._cpu.read_text(encoding="ascii").split()[1]) / 1_000_000  # the first line is usage_usec
        line = {
            "at": time.monotonic(),
            "cpu": cpu,
            "event": event,
            "play": self._play,
            "task": task.get_name(),
            **details,
        }
        print(json.dumps(line), file=self._file)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play += 1

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._log("task", task)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._log("ok", _task(result), elapsed=_elapsed(_result(result)))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._log("failed", _task(result), why=str(_result(result).get("msg")))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._log("unreachable", _task(result), why=str(_result(result).get("msg")))


def _task(result: Any) -> Any:
    return getattr(result, "task", None) or result._task  # the first is 2.19 and later


def _result(result: Any) -> Any:
    return getattr(result, "result", None) or result._result


def _elapsed(result: Any) -> list[float]:
    """How long the jobs of a result ran, as their supervisors measured it."""
    jobs = [one.get("job") for one in result.get("jobs", [result]) if one.get("job")]
    return [job["elapsed"] for job in jobs if job["ended"]]
