# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the output of ended jobs, and tidies up after them. Private to this collection."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import BAD, Look
from ansible_collections.background.jobs.plugins.plugin_utils._places.base import Place
from ansible_collections.background.jobs.plugins.plugin_utils._show.reporter import SilentReporter
from ansible_collections.background.jobs.plugins.plugin_utils._show.results import label_of
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.interrupt import wait_interruptibly
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.rounds import SILENCE_SECONDS
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import Turns
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.wait import MARGIN_SECONDS, turn, wait

display = Display()


def collect(remote: Place, looks: list[Look], margin: float = MARGIN_SECONDS) -> list[Look]:
    """*looks*, those at ended jobs with their output. Does not wait for the others."""
    ended = [look for look in looks if look.ended and not look.error]
    if not ended:
        return looks
    # They have ended. But wait() asks again after a lost connection, and brings the output.
    ended = wait(remote, ended, SilentReporter(), margin=margin)
    mark_collected(remote, ended)
    return replaced(looks, ended)


def wait_and_remove(
    remote: Place,
    looks: list[Look],
    reporter: SilentReporter,
    margin: float = MARGIN_SECONDS,
    turns: Turns | None = None,
    *,
    answered: float | None = None,
    on_interrupt: str,
) -> list[Look]:
    """*looks* after the ends of their jobs, with their output. The jobs' files are removed, as ansible-core does.

    Two kinds of jobs keep their files for their retention: one that ended badly, because a person may want to read its
    output, and a named one, because another task may have attached to it, and be waiting for it as well. Looks at jobs
    that were not started stay as they are. *answered*: when *looks* were taken (time.monotonic()), if not just now.
    """
    started = [look for look in looks if not look.error]
    if not started:
        return looks
    ended = started
    if not all(map(_is_complete, started)):
        ended = wait_interruptibly(
            remote,
            started,
            reporter,
            on_interrupt=on_interrupt,
            margin=margin,
            turns=turns,
            answered=answered,
        )
    mark_collected(remote, [look for look in ended if _keeps_files(look)], turns)
    _tidy_up(remote, 'remove', [look for look in ended if not _keeps_files(look)], turns)
    return replaced(looks, ended)


def _is_complete(look: Look) -> bool:
    """Whether no request can tell more than *look*: the output of an ended job is in it, or the job is gone."""
    return not look.job or (look.ended and look.output is not None)


def _keeps_files(look: Look) -> bool:
    return look.job is not None and (look.job['name'] is not None or look.job['state'] in BAD)


def mark_collected(remote: Place, looks: list[Look], turns: Turns | None = None) -> None:
    """Tell the target that somebody has the output of the ended jobs among *looks*."""
    _tidy_up(remote, 'collect', [look for look in looks if look.ended], turns)


def _tidy_up(remote: Place, op: str, looks: list[Look], turns: Turns | None) -> None:
    """Ask for *op*, once. The results are here already, so what goes wrong now fails no task."""
    if not looks:
        return
    ids: list[t.Any] = [look.id for look in looks]
    try:
        with turn(turns):
            remote.ask(op, within=SILENCE_SECONDS, ids=ids)
    except (AnsibleError, OSError, RuntimeError) as error:
        display.warning(
            f'{remote.host}: the files of {", ".join(map(label_of, looks))} could not be tidied up, and stay there until '
            f'async_prune removes them, or their retention ends: {error}'
        )


def replaced(looks: list[Look], newer: list[Look]) -> list[Look]:
    """*looks*, with those of *newer* in the place of older ones at the same jobs. Only the start knows who attached."""
    by_id = {look.id: look for look in newer}
    return [by_id.get(look.id, look)._replace(attached=look.attached) for look in looks]
