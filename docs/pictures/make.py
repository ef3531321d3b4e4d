# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the playbooks here on a terminal, and put what a person sees into the pages and timeline.png.

`make pictures` calls it, as a module from the top of the checkout. Chromium, which Debian has as chromium-headless-shell, takes the picture of the timeline.
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
MOMENT = r'web1 +compile +━+─+[^\n]*%(.|\n)*web2 +compile +━+─+[^\n]*%'
"""What is on the screen when the picture is taken."""
CALLBACKS_ON = 'callbacks_enabled = background.jobs.progress, background.jobs.timeline'
HOSTS = ('web1', 'web2')
BROWSERS = ('chromium-headless-shell', 'chromium', 'google-chrome')


def main() -> None:
    with tempfile.TemporaryDirectory(prefix='background-jobs-pictures-') as name:
        directory = Path(name)
        _put(LIVE_OUTPUT, 'follow', _play(directory, 'follow.yml')[1])
        during, after = _play(directory, 'playbook.yml', CALLBACKS_ON, MOMENT)
        while not during[0].startswith(('TASK', 'ASYNC')):  # scrolled off in part
            del during[0]
        after[-1] = after[-1].replace(f'{directory}/', '/srv/plays/')
        _put(CALLBACKS, 'during', during)
        _put(CALLBACKS, 'after', after)
        _photograph(directory / 'background-jobs.html', HERE / 'timeline.png')


def _play(directory: Path, playbook: str, settings: str = '', moment: str = '') -> tuple[list[str], list[str]]:
    """What is on the screen at the *moment* that a pattern tells, and all that was ever printed."""
    hosts = ''.join(f'{host} ansible_async_dir={directory}/{host}\n' for host in HOSTS)
    (directory / 'hosts').write_text(hosts, encoding='utf-8')
    (directory / 'ansible.cfg').write_text(
        f'[defaults]\n{settings}\n'
        f'collections_path = {ROOT}/collections\ninterpreter_python = {sys.executable}\ntransport = local\n',
        encoding='utf-8',
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith('ANSIBLE_')}
    environment.update(TERM='xterm-256color', LC_ALL='C.UTF-8')
    program = Path(sys.executable).parent / 'ansible-playbook'
    screen = Screen(100, 16)
    with subprocess.Popen(
        ['setsid', '--ctty', '--wait', str(program), '-i', f'{directory}/hosts', f'{HERE}/{playbook}'],
        cwd=directory,
        env=environment,
        stdin=screen.slave,
        stdout=screen.slave,
        stderr=screen.slave,
    ) as run:
        during = screen.await_text(moment) if moment else []
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
        '--no-sandbox',
        '--disable-gpu',
        '--hide-scrollbars',
        '--window-size=1200,640',
        f'--screenshot={picture}',
    ]
    subprocess.run([browser, *options, page.as_uri()], check=True, stderr=subprocess.DEVNULL)


if __name__ == '__main__':
    main()
