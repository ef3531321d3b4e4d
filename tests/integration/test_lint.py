# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-lint finds in the tasks of users, before anything runs."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LINT = ROOT / '.venv/tools/bin/ansible-lint'
TASK = {'ansible.builtin.command': {'cmd': 'echo hi', 'creates': '/x'}}

# name: (action and options, what is said of them, or None)
TASKS: dict[str, tuple[dict[str, t.Any], str | None]] = {
    'Misspelt': ({'async_run': {'taks': TASK}}, 'one of the following is required: task, tasks, cmd'),
    'Misspelt beside': ({'async_run': {'task': TASK, 'que': 'q'}}, 'que. Supported parameters include'),
    'Nothing to run': ({'async_run': {'name': 'x'}}, 'one of the following is required: task, tasks, cmd'),
    'Slots in words': ({'async_run': {'task': TASK, 'queue': 'q', 'slots': 'many'}}, "'slots' is of type"),
    'Singular': ({'async_wait': {'job': 'x'}}, 'missing required arguments: jobs'),
    'No such choice': ({'async_cancel': {'jobs': 'x', 'missing': 'maybe'}}, 'missing must be one of: fail, ok'),
    'No such state': ({'async_info': {'states': ['asleep']}}, 'states must be one or more of'),
    'Keep in words': ({'async_prune': {'keep': 'some'}}, "'keep' is of type"),
    'Offset in words': ({'async_status': {'jid': 'x', 'offset': 'far'}}, "'offset' is of type"),
    'Good': ({'async_run': {'task': TASK, 'queue': 'q', 'slots': '{{ slots }}', 'grace': '5m'}}, None),
    'Good name': ({'async_status': {'job': 'upgrade'}}, None),
}


@pytest.mark.any_core
@pytest.mark.skipif(not LINT.exists(), reason='ansible-lint is in the environment for tools only')
def test_wrong_options_are_found(tmp_path: Path) -> None:
    tasks = [
        {'name': name, **{f'background.jobs.{action}': options for action, options in task.items()}}
        for name, (task, _said) in TASKS.items()
    ]
    text = yaml.safe_dump([{'name': 'Play', 'hosts': 'all', 'tasks': tasks}], sort_keys=False)
    (tmp_path / 'play.yml').write_text(f'---\n{text}', encoding='utf-8')
    done = subprocess.run(
        [str(LINT), '--offline', '--format=json', '--nocolor', 'play.yml'],
        check=False,
        cwd=tmp_path,
        env={
            'PATH': f'{LINT.parent}:/usr/bin:/bin',
            'HOME': str(tmp_path),
            'LC_ALL': 'C.UTF-8',
            'ANSIBLE_COLLECTIONS_PATH': str(ROOT / 'collections'),
        },
        stdout=subprocess.PIPE,
        encoding='utf-8',
    )
    findings = [finding for finding in json.loads(done.stdout) if finding['check_name'] == 'args[module]']
    lines = text.splitlines()
    said: dict[str, str] = {}
    for finding in findings:
        place = finding['location']
        line = place['lines']['begin'] if 'lines' in place else place['positions']['begin']['line']
        said[lines[line - 2].partition('name: ')[2]] = finding['description']
    assert set(said) == {name for name, (_task, words) in TASKS.items() if words}
    for name, (_task, words) in TASKS.items():
        if words:
            assert words in said[name], name
