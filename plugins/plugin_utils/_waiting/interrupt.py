# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of the jobs that a play waits for when it is interrupted: by Ctrl-C, TERM, or the end of its terminal.

A process that waits for jobs has a file in ansible's temporary directory, `wait-<pid>`, and holds its flock. TERM, INT and
HUP take it out of its wait. Then it stops its jobs, or leaves them, adds one line of JSON to its file (the fields of an
Ending for each job), and ends by TERM. So whoever wants all waits to end sends TERM to each process that has a locked
file, waits for the locks, and reads the files. ansible's main process does so (signals.py) before it ends. Where no
code of this collection runs in the main process (drop-in), the guardian sends TERM to its child when ansible has ended.
Private to this collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import threading
import types
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import GRACE, Look
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.worker import current_worker
from ansible_collections.background.jobs.plugins.plugin_utils._options.settings import CANCEL
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import label_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.rounds import SILENCE_SECONDS
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import Turns, path_in_run
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import turn, wait

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What interrupts a play."""
GOES_ON = 'goes on'
"""Ending.what of a job that was left."""
_FILE_PREFIX = 'wait-'

display = Display()


class Ending(t.NamedTuple):
    """What became of a job that an interrupted play was waiting for."""

    host: str
    label: str
    """How people call the job."""
    id: str
    what: str
    """The rest of a sentence about the job."""


class _Interrupted(BaseException):
    """Raised in a process that waits. No `except Exception` on its way out stops it."""


def wait_interruptibly(
    remote: Place,
    looks: list[Look],
    reporter: SilentReporter,
    *,
    on_interrupt: str,
    turns: Turns | None = None,
    **details: t.Any,
) -> list[Look]:
    """wait(), but an interrupt leaves the jobs or cancels them, as *on_interrupt* says, and ends this process."""
    if current_worker() is None or threading.current_thread() is not threading.main_thread():
        return wait(remote, looks, reporter, turns=turns, **details)  # signals belong to others there
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # one that comes now is to find the wait under way
    try:
        registration = _Registration(on_interrupt)
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        display.warning(
            f'{remote.host}: if this play is interrupted, nobody will be told what becomes of the jobs that this task waits for, '
            f'and they go on: {error}'
        )
        return wait(remote, looks, reporter, turns=turns, **details)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return wait(remote, looks, reporter, turns=turns, **details)
    except _Interrupted:
        live = [look for look in reporter.latest or looks if not look.ended]
        if on_interrupt == CANCEL:
            registration.end(_cancel(remote, live, turns))
        registration.end([_ending(remote, look, GOES_ON) for look in live])
    finally:
        registration.close()


class _Registration:
    """Makes this process one that waits for jobs, for others and for signals. Raises OSError."""

    def __init__(self, on_interrupt: str) -> None:
        self._path = path_in_run(f'{_FILE_PREFIX}{os.getpid()}')
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            os.write(self._file, f'{on_interrupt}\n'.encode())
        except OSError:  # the disk is full
            self._forget_file()
            raise
        # Ctrl-C may be ignored in all of ansible. TERM is how the main process ends this wait.
        taken = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._handlers = {number: signal.signal(number, self._interrupt) for number in {*taken, signal.SIGTERM}}

    def _interrupt(self, _number: int, _frame: types.FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # the end is under way
        raise _Interrupted

    def close(self) -> None:
        """The wait is over."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._forget_file()

    def _forget_file(self) -> None:
        pathlib.Path(self._path).unlink(missing_ok=True)
        os.close(self._file)

    def end(self, endings: list[Ending]) -> t.NoReturn:
        """Say what became of the jobs, and end this process as by TERM, with the processes of its connection."""
        with contextlib.suppress(OSError):  # the disk is full, and this process must end nevertheless
            os.write(self._file, f'{json.dumps(endings)}\n'.encode())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(1)


def _ending(remote: Place, look: Look, what: str) -> Ending:
    return Ending(remote.host, label_of(look), look.id, what)


def _cancel(remote: Place, looks: list[Look], turns: Turns | None) -> list[Ending]:
    """Stop the jobs of *looks*, and wait for their ends as long as that should take."""
    try:
        asked = _ask_to_end(remote, [look.id for look in looks], turns)
        stopped = [look for look in asked if look.to_stop]
        if stopped:
            # To wait longer helps nobody: they were sent KILL by then, or the host is gone.
            seconds = GRACE + SILENCE_SECONDS
            stopped = wait(remote, stopped, SilentReporter(), timeout=seconds, margin=0, turns=turns)
    except (AnsibleError, OSError, RuntimeError) as error:
        return [_ending(remote, look, f'may go on, because it could not be stopped: {error}') for look in looks]
    newer = {look.id: look for look in [*asked, *stopped]}
    return [_ending(remote, look, _what_became(newer[look.id])) for look in looks]


def _ask_to_end(remote: Place, ids: list[str], turns: Turns | None) -> list[Look]:
    """Looks at the jobs *ids*, which were asked to end. The connection may be one that the interrupt has ended."""

    def ask(ids: list[str]) -> list[Look]:
        with turn(turns):
            return remote.ask('cancel', within=SILENCE_SECONDS, ids=ids, grace=GRACE, check=False)

    try:
        looks = ask(ids)
    except AnsibleConnectionFailure:
        remote.reset()
        looks = ask(ids)
    known = [look.id for look in looks if look.job and not look.error]
    if 0 < len(known) < len(ids):  # the target stops none where one is unknown
        newer = {look.id: look for look in ask(known)}
        looks = [newer.get(look.id, look) for look in looks]
    return looks


def _what_became(look: Look) -> str:
    if look.error:
        return f'goes on: {look.error}'
    if not look.job:
        return 'is gone: somebody removed its files'
    if not look.ended:
        return f'was asked to stop, and has not ended within {GRACE + SILENCE_SECONDS} s'
    state = look.job['state']
    return f'was {state}' if state in ('cancelled', 'skipped') else f'had ended: {state}'


class Wait:
    """A process of this run that waits for jobs, as another process sees it."""

    def __init__(self, name: str) -> None:
        self._pid = int(name[len(_FILE_PREFIX) :])
        self._file = open(path_in_run(name), encoding='utf-8')  # noqa: SIM115  # pylint: disable=consider-using-with
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self.goes_on = True
        else:
            self.goes_on = False
        self.cancels = self._file.readline().strip() == CANCEL

    def interrupt(self) -> None:
        """Have the process end its wait."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)

    def endings(self) -> list[Ending]:
        """Wait until the process has ended its wait. Returns what became of its jobs, or nothing if they had all ended before."""
        fcntl.flock(self._file, fcntl.LOCK_SH)
        endings: list[Ending] = []
        with self._file:
            for line in self._file:
                with contextlib.suppress(ValueError):  # half a line, because the disk was full
                    endings += [Ending(*fields) for fields in json.loads(line)]
        return endings


def waits() -> dict[str, Wait]:
    """The processes of this run that wait for jobs now, by the names of their files."""
    found = {}
    for name in os.listdir(os.path.dirname(path_in_run(_FILE_PREFIX))):
        if name.startswith(_FILE_PREFIX):
            with contextlib.suppress(FileNotFoundError):  # it is over
                wait_there = Wait(name)
                if wait_there.goes_on:
                    found[name] = wait_there
    return found
