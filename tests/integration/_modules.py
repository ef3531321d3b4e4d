# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of the package `ansible` that `make parity` runs, and what they need: read from modules.yml."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml
from ansible_collections.background.jobs.tests.integration._parity import Case

PACKAGES = [
    'at',
    'attr',
    'cron',
    'git',
    'kmod',
    'libcap2-bin',
    'locales',
    'make',
    'openssl',
    'parted',
    'procps',
    'python3-certifi',
    'python3-cffi-backend',  # debootstrap does not find what only provides a name that another package depends on
    'python3-cryptography',
    'python3-lxml',
    'python3-paramiko',
    'python3-passlib',
    'python3-psutil',
    'python3-redis',
    'python3-statsd',
    'redis-server',
]
"""Of Debian: the programs and libraries that these modules need on a host."""
_OPTIONS = {'before', 'after', 'changed', 'differs', 'varies'}


def _case(line: dict[str, t.Any]) -> Case:
    (module,) = line.keys() - _OPTIONS
    before, after = (({'ansible.builtin.shell': line[key]},) if key in line else () for key in ('before', 'after'))
    return Case(
        id=module,
        task={module: line[module]},
        shows={'failed': False, 'changed': line.get('changed', True)},
        before=before,
        after=after,
        differs=line.get('differs', {}),
        varies=line.get('varies', {}),
    )


def modules() -> list[Case]:
    """A case for each line of modules.yml."""
    text = Path(__file__).with_name('modules.yml').read_text(encoding='utf-8')
    return [_case(line) for line in yaml.safe_load(text)]
