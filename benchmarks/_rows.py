# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: experiments, the rows of the table that come out of them, and their budgets."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from _processes import Process, above, with_variable
from _stage import ADDRESSES, CORE, JOBS, MITOGEN, RUN, SETTINGS, Engine, Setting, Stage

MB = 1_000_000


@dataclass(frozen=True)
class Size:
    """How much each experiment does; `--quick` does less, to try the benchmark itself."""

    times: int = 5
    many: int = 100
    hosts: int = 20
    many_hosts: int = ADDRESSES
    watched: float = 20


QUICK = Size(times=2, many=10, hosts=6, many_hosts=10, watched=6)

Medians = Mapping[str, float]
"""Of one row: engine's name -> median."""
Samples = dict[str, list[float]]
"""Row's key -> what one round of an experiment measured for it, with one engine."""
Measure = Callable[[Stage, list[Engine], Size, Setting], dict[str, Samples]]
"""One round: engine's name -> samples."""


@dataclass(frozen=True)
class Budget:
    text: str
    most: Callable[[Medians], float]


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    unit: str
    budget: Budget | None = None
    why: str = ""
    """What a profile says where the budget is missed."""


@dataclass(frozen=True)
class Experiment:
    key: str
    rows: list[Row]
    measure: Measure
    what: str
    engines: list[Engine] = field(default_factory=lambda: [CORE, JOBS])
    settings: list[Setting] = field(default_factory=lambda: SETTINGS)
    long: bool = False
    """Takes minutes: half as many rounds."""


def _by_turns(one: Callable[[Stage, Engine, Size, Setting], Samples], around: bool = False) -> Measure:
    """One engine after the other. *around*: the others before and after ansible-core, which takes much longer."""

    def measure(stage: Stage, engines: list[Engine], size: Size, setting: Setting) -> dict[str, Samples]:
        others = [engine for engine in engines if engine is not CORE]
        found: dict[str, Samples] = {}
        for engine in [*others, CORE, *reversed(others)] if around else engines:
            for row, numbers in one(stage, engine, size, setting).items():
                found.setdefault(engine.name, {}).setdefault(row, []).extend(numbers)
        return found

    return measure


def _together(before: list[str], task: list[str], row: str) -> Measure:
    """Tasks of both engines by turns in one process, so that both see the same load. mitogen needs one of its own.

    *before*, *task*: playbooks, the first of *task* is what is measured. Its first time is the warm-up.
    """

    def measure(stage: Stage, engines: list[Engine], size: Size, setting: Setting) -> dict[str, Samples]:
        found = {}
        pair = [engine for engine in engines if engine is not MITOGEN]
        for group in (pair, [engine for engine in engines if engine is MITOGEN]):
            if group:
                begin = [f"{name}-{engine.playbooks}" for engine in group for name in before]
                turn = [_own(name, engine) for engine in group for name in task]
                run = stage.run(group[0], ["raw", *begin, *turn * (size.times + 1)], setting=setting)
                for number, engine in enumerate(group):
                    own = slice(1 + len(begin) + number * len(task), None, len(turn))
                    seconds, cpu = run.seconds[own], run.cpu[own]
                    found[engine.name] = {row: seconds[1:], f"{row}_first": seconds[:1], f"{row}_cpu": cpu[1:]}
        return found

    return measure


def _own(name: str, engine: Engine) -> str:
    return name if name == "pause" else f"{name}-{engine.playbooks}"


def _command(line: str, count: int) -> dict[str, Any]:
    return {"job_commands": [line] * count, "job_tasks": [{"ansible.builtin.command": line}] * count}


def _floor(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    playbooks = ["raw", *["raw", "plain"] * size.times]
    run = stage.run(engine, playbooks, setting=setting)
    return {"raw": run.seconds[1::2], "plain": run.seconds[2::2], "raw_cpu": run.cpu[1::2], "plain_cpu": run.cpu[2::2]}


def _many(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    run = stage.run(engine, ["start", "pause", "many"], _command("/bin/true", size.many), setting=setting)
    return {
        "many": run.seconds[-1:],
        "each": [run.seconds[-1] / size.many],
        "each_cpu": [run.cpu[-1] / size.many],
    }


def _notice(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    run = stage.run(engine, ["start", "pause", "wait"], {"job_seconds": 11, "job_poll": 10}, setting=setting)
    own = [seconds - 11 for seconds in run.jobs]
    return {"notice": [run.seconds[-1] - 11], "notice_own": own, "notice_cpu": run.cpu[-1:]}


def _wait_for(name: str, stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    """The rows that begin with *name*, which is the field of *size* that tells how many hosts there are.

    Beside the time: the memory of all processes of Ansible while as many hosts wait as can, for each of these.
    """
    hosts = getattr(size, name)
    looks: list[tuple[int, float]] = []

    def watch(mark: str) -> None:
        found = [process for process in with_variable(RUN, mark) if "[mux]" not in process.argv]
        looks.append(_memory(found))

    forks = 5
    variables = {"job_seconds": 10, "job_poll": 2}
    run = stage.run(
        engine, ["start", "pause", "wait"], variables, setting=setting, hosts=hosts, forks=forks, watch=watch
    )
    waiting = forks if engine is CORE else hosts
    most = max(count for count, _moment in looks)
    memory = statistics.median(size for count, size in looks if count == most) / waiting
    return {
        name: run.seconds[-1:],
        f"{name}_whole": [run.whole],
        f"{name}_cpu": [run.cpu[-1] / hosts],
        f"{name}_memory": [memory / MB],
    }


def _block(stage: Stage, engine: Engine, size: Size, setting: Setting, name: str = "block") -> Samples:
    """Connections are opened anew. Memory: the most at any moment, beyond what Ansible itself takes, for each host."""
    looks: list[float] = []

    def watch(mark: str) -> None:
        found = [process for process in with_variable(RUN, mark) if "[mux]" not in process.argv]
        looks.append(_memory(found)[1])

    run = stage.run(engine, [name], setting=setting, hosts=size.hosts, watch=watch)
    return {f"{name}_cpu": [run.cpu[-1] / size.hosts], f"{name}_memory": [max(looks) / size.hosts / MB]}


def _branches(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    found = _block(stage, engine, size, setting)
    if engine is CORE:
        found.update(_block(stage, engine, size, setting, "alone"))
    run = stage.run(engine, ["raw", "copy", "copy"], setting=setting, hosts=size.hosts)
    return {**found, "copy_cpu": [run.cpu[-1] / size.hosts]}


def _memory(processes: list[Process]) -> tuple[int, float]:
    """(how many there are, bytes of all beyond what the first of them, Ansible itself, would take alone)."""
    total, first = 0.0, min(processes, key=lambda process: process.pid, default=None)
    count = 0
    for process in processes:
        try:
            total += process.pss() - (process.rss() if process is first else 0)
            count += 1
        except (OSError, KeyError):  # it has ended
            continue
    return count, total


def _batch(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    durations = [1, 2, 3, 4, 5]
    tasks = [{"ansible.builtin.command": f"/bin/sleep {seconds}"} for seconds in durations]
    run = stage.run(
        engine, ["start", "pause", "batch"], {"sleep_durations": durations, "job_tasks": tasks}, setting=setting
    )
    # The best order runs the first, third and fifth one after the other, which is 9 s of sleep.
    return {"batch": run.seconds[-1:], "batch_own": [sum(run.jobs[::2]) - 9] if run.jobs else []}


def _engine_processes(stage: Stage, jobs: int) -> list[Process]:
    """What stands above the modules of the running jobs, once all run their `sleep`."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        processes = stage.processes()
        by_pid = {process.pid: process for process in processes}
        modules = [by_pid.get(process.parent) for process in processes if process.command == "sleep"]
        if len(modules) == jobs:
            time.sleep(3)  # whoever started them ends, and the engine comes to rest
            processes = stage.processes()
            return list({above_it for module in modules if module for above_it in above(module, processes)})
        time.sleep(0.2)
    raise TimeoutError(f"{jobs} jobs should be running")


def _target(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    sleep = "/bin/sleep 600"
    stage.run(engine, ["start", "running"])
    one = _engine_processes(stage, 1)
    alone = sum(process.pss() for process in one) / MB
    before = sum(process.wake_ups() for process in one)
    time.sleep(size.watched)
    wake_ups = (sum(process.wake_ups() for process in one) - before) * 60 / size.watched
    stage.run(engine, ["start", "many"], _command(sleep, 10))
    ten = _engine_processes(stage, 10)
    each = sum(process.pss() for process in ten) / 10 / MB
    return {"alone": [alone], "of_ten": [each], "processes": [len(ten) / 10], "wake_ups": [wake_ups]}


def _of_target(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    """Processor time of the target for a job, from its start to its end, beyond that of the same task in the foreground."""

    def each(name: str) -> float:
        stage.run(engine, [name, "pause"], setting=setting)  # the first run leaves the runtime on the target
        before = stage.cpu()
        stage.run(engine, [name, "pause"] * size.times, setting=setting)
        return (stage.cpu() - before) / size.times

    return {"target_cpu": [each(_own("start", engine)) - each("plain")]}


def _queued(stage: Stage, engine: Engine, size: Size, setting: Setting) -> Samples:
    counts = []
    for jobs in (1, 11):
        stage.run(engine, ["start", "queued"], _command("/bin/sleep 600", jobs))
        _engine_processes(stage, 1)
        counts.append(sum(process.command.startswith(("python", "sleep")) for process in stage.processes()))
    return {"queued": [(counts[1] - counts[0]) / 10]}


def _waiting(
    name: str, settings: list[Setting], budget: Budget | None = None, why: str = "", around: bool = False
) -> Experiment:
    """A job on as many hosts as the field *name* of `Size` tells."""
    hosts = getattr(Size, name)
    return Experiment(
        name,
        [
            Row(name, f"{hosts} hosts, 5 forks, a 10 s job, `poll: 2`", "s", budget, why=why),
            Row(f"{name}_whole", "the same, the whole process, with a start of one job before it", "s"),
            Row(f"{name}_cpu", "the same, processor time of the controller for each host", "s"),
            Row(f"{name}_memory", "the same, memory on the controller per waiting host", "MB"),
        ],
        _by_turns(functools.partial(_wait_for, name), around=around),
        f"`command: /bin/sleep 10` on {hosts} addresses of one test host, which runs all the jobs",
        settings=settings,
        long=True,
    )


EXPERIMENTS = [
    Experiment(
        "floor",
        [
            Row("raw", "for comparison: `raw: /bin/true`, a bare command", "s"),
            Row("raw_cpu", "the same, processor time of the controller", "s"),
            Row("plain", "for comparison: `command: /bin/true`, not in the background", "s"),
            Row("plain_cpu", "the same, processor time of the controller", "s"),
        ],
        _by_turns(_floor),
        "`raw` and `command`, by turns, in one process",
        engines=[CORE],
    ),
    Experiment(
        "start",
        [
            Row("start", "start one job, `poll: 0`", "s", Budget("0.3 of ansible-core", lambda m: 0.3 * m[CORE.name])),
            Row("start_cpu", "the same, processor time of the controller", "s"),
            Row("start_first", "the same, the first ever on that host, of a new process", "s"),
        ],
        _together([], ["start", "pause"], "start"),
        "`command: /bin/true` with `async: 60`, `poll: 0`, both by turns in one process, with a pause of 1 s between",
        engines=[CORE, JOBS, MITOGEN],
    ),
    Experiment(
        "many",
        [
            Row(
                "many",
                "start 100 jobs of one host in one task",
                "s",
                Budget(
                    "0.03 of ansible-core, and less than mitogen",
                    lambda m: min(0.03 * m[CORE.name], m.get(MITOGEN.name, float("inf"))),
                ),
                why="100 jobs take the target some 0.9 s of processor time for two processes and ten files each, and the "
                "controller 0.35 s; then the answer's way back wants the two processors that 100 modules have by then",
            ),
            Row("each", "the same, for each job", "s"),
            Row("each_cpu", "the same, processor time of the controller for each job", "s"),
        ],
        _by_turns(_many, around=True),
        "ansible-core, mitogen: `loop` over 100 commands `/bin/true` with `poll: 0`; background.jobs: `tasks` with these",
        engines=[CORE, JOBS, MITOGEN],
        long=True,
    ),
    Experiment(
        "status",
        [
            Row(
                "status",
                "status of one job",
                "s",
                Budget("0.3 of ansible-core", lambda m: 0.3 * m[CORE.name]),
                why="a session of ssh takes two round trips, as a command of ansible-core does; that is 80 ms, and the start of "
                "Python on the target takes 20 ms more",
            ),
            Row("status_cpu", "the same, processor time of the controller", "s"),
        ],
        _together(["running"], ["status"], "status"),
        "`async_status` of a job that runs, both by turns in one process",
        engines=[CORE, JOBS, MITOGEN],
    ),
    Experiment(
        "notice",
        [
            Row(
                "notice",
                "noticing the end: task time minus 11 s, `poll: 10`",
                "s",
                Budget("0.6 s", lambda m: 0.6),
                why="the module's own time (next row), and two commands over ssh beside the wait, to start and to tidy up, "
                "of two round trips each",
            ),
            Row("notice_own", "of this, the module itself: its process beyond its command's 11 s", "s"),
            Row("notice_cpu", "processor time of the controller for the start, the wait and the end of that job", "s"),
        ],
        _by_turns(_notice),
        "`command: /bin/sleep 11` with `async: 600`, `poll: 10`",
    ),
    _waiting(
        "hosts",
        SETTINGS,
        Budget("0.25 of ansible-core", lambda m: 0.25 * m[CORE.name]),
        why="controller and 20 targets share two processors: 20 starts, the modules' own processor time, and 20 results come "
        "on top of the 10 s",
        around=True,
    ),
    _waiting("many_hosts", SETTINGS[:1]),
    Experiment(
        "branches",
        [
            Row(
                "block_cpu",
                f"{Size.hosts} hosts, 5 at a time, a branch of six tasks each and a task of the play meanwhile, beside the same "
                "in the foreground: processor time of the controller for each host",
                "s",
                Budget("1.3 of the foreground", lambda m: 1.3 * m[CORE.name]),
                why="beside the tasks, the supervisor of a branch takes 45 ms, its process 25 to 50 ms, and the workers of the "
                "start and of the wait 30 ms each",
            ),
            Row("block_memory", "the same, memory on the controller at most, for each host", "MB"),
            Row(
                "alone_cpu", "for comparison: one `ansible-playbook` for each host, in the background, 5 at a time", "s"
            ),
            Row("alone_memory", "the same, memory on the controller at most, for each host", "MB"),
            Row("copy_cpu", "`copy` in a branch of one task, beside the same in the foreground: processor time", "s"),
        ],
        _by_turns(_branches),
        f"`file`, `copy`, `template`, `command`, `stat` and `file` on {Size.hosts} addresses of one test host, and a `command` "
        "of the play meanwhile; connections are opened anew",
        settings=SETTINGS[:2],
        long=True,
    ),
    Experiment(
        "batch",
        [
            Row(
                "batch",
                "jobs of 1, 2, 3, 4, 5 s, two at a time, on one host",
                "s",
                Budget("10.5 s", lambda m: 10.5),
            ),
            Row("batch_own", "of this, the modules themselves: three processes beyond their commands' 9 s", "s"),
        ],
        _by_turns(_batch),
        "ansible-core: the recipe of its documentation (`batch(2)`, `include_tasks`); background.jobs: a queue of 2 slots",
    ),
    Experiment(
        "target",
        [
            Row(
                "alone",
                "memory (PSS) on the target of what stands beside the module of a running job",
                "MB",
                Budget("6.5 MB", lambda m: 6.5),
            ),
            Row("of_ten", "the same, for each of 10 jobs that one task started", "MB"),
            Row("processes", "processes beside the module, for each running job", ""),
            Row("wake_ups", "wake-ups of these in a minute", "", Budget("0", lambda m: 0)),
        ],
        _by_turns(_target),
        "`command: /bin/sleep 600`: smaps_rollup and context switches of the processes above the module's",
        settings=SETTINGS[:1],
    ),
    Experiment(
        "load",
        [
            Row(
                "target_cpu",
                "processor time of the target for one job, beyond its module's",
                "s",
                Budget("0.06 s", lambda m: 0.06),
                why="without ssh a job takes 35 to 45 ms, and more on ext4 where many files were deleted within the last "
                "minutes",
            )
        ],
        _by_turns(_of_target),
        "`command: /bin/true` with `async: 60`, `poll: 0`, less the same in the foreground: the test host's control group",
        settings=SETTINGS[:2],
    ),
    Experiment(
        "queued",
        [Row("queued", "processes for each queued job", "", Budget("0", lambda m: 0))],
        _by_turns(_queued),
        "1 and 11 jobs in a queue of one slot: the difference",
        engines=[JOBS],
        settings=SETTINGS[:1],
    ),
]
