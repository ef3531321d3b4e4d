# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the playbooks here on a terminal, and put what a person sees into the pages and timeline.png.

`make pictures` runs it, as a module from the top of the checkout. Chromium takes the picture of the timeline. Debian has it
as the packages chromium and chromium-headless-shell.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.tools.screen import Screen

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CALLBACKS = HERE.parent / 'callbacks.md'
LIVE_OUTPUT = HERE.parent / 'live_output.md'
MOMENT = r'^\d+ jobs on 20 hosts: [1-9] failed.*(\n.*)*\nweb\d+ +upgrade +━+─+ .*%(.*\n)+\.\.\. \d+ more: '
"""What is on the screen when the picture is taken."""
SUMMARY = ' background jobs on '
"""In the first line after the recap."""
CALLBACKS_ON = 'callbacks_enabled = background.jobs.progress, background.jobs.timeline'
SMALL, MIDDLE, LARGE = (80, 24), (100, 24), (200, 50)
"""Columns and rows of terminals."""
FORKS = 5
BROWSERS = ('chromium-headless-shell', 'chromium', 'google-chrome')


def main() -> None:
    with tempfile.TemporaryDirectory(prefix='background-jobs-pictures-') as name:
        directory = Path(name)
        _put(LIVE_OUTPUT, 'follow', _play(directory, 'follow.yml', hosts=2)[1])
        during, after = _play(directory, 'playbook.yml', CALLBACKS_ON, MOMENT, hosts=20)
        while not during[0].startswith(('TASK', 'ASYNC', 'web')):  # the rest of a line that has scrolled off in part
            del during[0]
        start = next(number for number, line in enumerate(after) if SUMMARY in line)
        after[-1] = after[-1].replace(f'{directory}/', '/srv/plays/')
        _put(CALLBACKS, 'during', during)
        _put(CALLBACKS, 'after', after[start:])
        _photograph(directory / 'background-jobs.html', HERE / 'timeline.png')


def _play(
    directory: Path, playbook: str, settings: str = '', moment: str = '', *, hosts: int
) -> tuple[list[str], list[str]]:
    """What is on a small screen as soon as it matches *moment*, and all lines that were printed in the whole run.

    After that moment, the screen is large, so that it breaks no line. Without *moment*, the screen is of middle size.
    """
    names = [f'web{number}' for number in range(1, hosts + 1)]
    inventory = ''.join(f'{name} ansible_async_dir={directory}/{name}\n' for name in names)
    (directory / 'hosts').write_text(inventory, encoding='utf-8')
    (directory / 'ansible.cfg').write_text(
        f'[defaults]\nforks = {FORKS}\n{settings}\n'
        f'collections_path = {ROOT}/collections\ninterpreter_python = {sys.executable}\ntransport = local\n',
        encoding='utf-8',
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith('ANSIBLE_')}
    environment.update(TERM='xterm-256color', LC_ALL='C.UTF-8')
    program = Path(sys.executable).parent / 'ansible-playbook'
    screen = Screen(*(SMALL if moment else MIDDLE))
    with subprocess.Popen(
        ['setsid', '--ctty', '--wait', str(program), '-i', f'{directory}/hosts', f'{HERE}/{playbook}'],
        cwd=directory,
        env=environment,
        stdin=screen.slave,
        stdout=screen.slave,
        stderr=screen.slave,
    ) as run:
        during = []
        if moment:
            during = screen.await_text(moment)
            screen.resize(*LARGE)
    screen.close()
    after = screen.all_lines()
    if run.returncode:
        sys.exit('\n'.join(after))
    return during, after


def _put(page: Path, mark: str, picture: list[str]) -> None:
    """Put *picture* into the block of *page* after the comment *mark*."""
    before, found, rest = page.read_text(encoding='utf-8').partition(f'<!-- {mark}: made by `make pictures` -->\n')
    if not found:
        sys.exit(f'{page} has no place for "{mark}"')
    text = '\n'.join(picture).strip()
    page.write_text(f'{before}{found}```text\n{text}\n```{rest.split("```", 2)[2]}', encoding='utf-8')


def _photograph(page: Path, picture: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        sys.exit(f'LEFT OUT: {picture}, which needs one of {", ".join(BROWSERS)}')
    options = [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--hide-scrollbars',
        '--window-size=1200,1000',
        f'--user-data-dir={page.parent}/browser',
        f'--screenshot={picture}',
    ]
    subprocess.run([browser, *options, page.as_uri()], check=True, stderr=subprocess.DEVNULL)


if __name__ == '__main__':
    main()
