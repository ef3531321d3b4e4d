# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people have in their playbooks, as the pages that they have it from show it.

The limits of what is to succeed are ten times those of the pages, so that a busy machine does not end it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.background.jobs.tests.integration._parity import RUN

Task = dict[str, t.Any]
STATUS = 'background.jobs.async_status'
_MODULES = ('command', 'shell', 'yum', 'ansible.builtin.command', 'ansible.builtin.yum')
_FORGET = ('yum_sleeper', 'job_result')


@dataclasses.dataclass(frozen=True)
class Recipe:
    id: str
    tasks: list[Task]
    ends: dict[str, list[str]]
    """Task -> how it ends; one event, or one for each item of a loop and one."""
    include: tuple[str, list[Task]] | None = None
    """A file of tasks beside the playbook."""
    user: str = 'deploy'


def by_name(tasks: list[Task]) -> list[Task]:
    """The same tasks with this collection's own names in them."""
    return [_by_name(task) for task in tasks]


def _by_name(task: Task) -> Task:
    if 'async_status' in task:
        return {STATUS if key == 'async_status' else key: value for key, value in task.items()}
    if 'async' in task:
        return {RUN if key in _MODULES else key: _asked(key, value) for key, value in task.items()}
    return task


def _asked(key: str, value: t.Any) -> t.Any:
    return {'task': {key: value}} if key in _MODULES else value


def _later(first: Task, second: Task, **until: t.Any) -> list[Task]:
    variable, result = _FORGET
    return [
        {**first, 'async': 1000, 'poll': 0, 'register': variable},
        {**second, 'register': result, 'until': f'{result}.finished', **until},
    ]


LONG = 'simulate long running op (15 sec), wait for up to 45 sec, poll every 5 sec'
FIRE = 'simulate long running op, allow to run for 45 sec, fire and forget'
FIRST, SECOND, UNTIL = 'first task sleep 10', 'second task sleep 5', 'until_async_status'
YUM, CHECK = 'YUM - fire and forget task', 'YUM - check on fire and forget task'
BATCH, ITEMS, SYNC = (
    'Run items asynchronously in batch of two items',
    'Async sleeping for batched_items',
    'Check sync status',
)
SLOW = {'name': SECOND, 'shell': 'sleep 5'}

RECIPES = [
    Recipe(
        'polled',
        [{'name': LONG, 'command': '/bin/sleep 15', 'async': 450, 'poll': 5}],
        {LONG: ['ok']},
        user='root',
    ),
    Recipe(
        'fire and forget',
        [{'name': FIRE, 'command': '/bin/sleep 15', 'async': 450, 'poll': 0}],
        {FIRE: ['ok']},
        user='root',
    ),
    # The test hosts have apt, so that it fails; the next one does not.
    Recipe(
        'check on it later',
        _later(
            {'name': YUM, 'yum': 'name=docker-io state=installed'},
            {'name': CHECK, 'async_status': 'jid={{ yum_sleeper.ansible_job_id }}'},
            retries=30,
        ),
        {YUM: ['failed'], CHECK: []},
    ),
    Recipe(
        'check on a command later',
        _later(
            {'name': YUM, 'ansible.builtin.command': 'sleep 2'},
            {'name': CHECK, 'async_status': {'jid': '{{ yum_sleeper.ansible_job_id }}'}},
            retries=100,
            delay=10,
        ),
        {YUM: ['ok'], CHECK: ['ok']},
    ),
    Recipe(
        'batches',
        [
            {
                'name': BATCH,
                'vars': {'sleep_durations': [1, 2, 3, 4, 5], 'durations': '{{ item }}'},
                'include_tasks': 'execute_batch.yml',
                'with_items': ['{{ sleep_durations | batch(2) | list }}'],
            }
        ],
        {
            ITEMS: ['item_ok', 'item_ok', 'ok'] * 2 + ['item_ok', 'ok'],
            SYNC: ['item_ok', 'item_ok', 'ok'] * 2 + ['item_ok', 'ok'],
        },
        (
            'execute_batch.yml',
            [
                {
                    'name': ITEMS,
                    'command': 'sleep {{ async_item }}',
                    'async': 450,
                    'poll': 0,
                    'with_items': '{{ durations }}',
                    'loop_control': {'loop_var': 'async_item'},
                    'register': 'async_results',
                },
                {
                    'name': SYNC,
                    'async_status': {'jid': '{{ async_result_item.ansible_job_id }}'},
                    'with_items': '{{ async_results.results }}',
                    'loop_control': {'loop_var': 'async_result_item'},
                    'register': 'async_poll_results',
                    'until': 'async_poll_results.finished',
                    'retries': 30,
                },
            ],
        ),
    ),
    Recipe(
        'over the limit',
        [{'name': FIRST, 'shell': 'sleep 60', 'async': 5, 'poll': 3}, SLOW],
        {FIRST: ['failed'], SECOND: []},
    ),
    Recipe(
        'beside each other',
        [
            {'name': FIRST, 'shell': 'sleep 10', 'async': 200, 'poll': 0, 'register': 'first_task_status'},
            SLOW,
            {
                'name': UNTIL,
                'async_status': {'jid': '{{ first_task_status.ansible_job_id }}'},
                'register': 'job_result',
                'until': 'job_result.finished',
                'retries': 30,
            },
        ],
        {FIRST: ['ok'], SECOND: ['ok'], UNTIL: ['ok']},
    ),
]
