# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.background.jobs.plugins.plugin_utils._payload.summary import one_line, summary_of

SECRET = 'sesame'


@pytest.mark.parametrize(
    ('args', 'summary'),
    [
        ({'_raw_params': 'apt-get\n  -y upgrade', '_uses_shell': True, 'chdir': '/srv'}, 'apt-get -y upgrade'),
        ({'cmd': 'make all'}, 'make all'),
        ({'argv': ['printf', '%s', 'a b', 7]}, "printf %s 'a b' 7"),
        ({'name': ['nginx', 'php'], 'state': 'latest'}, 'name=nginx,php'),
        (
            {'repo': 'https://example.org/app.git', 'dest': '/srv/app', 'version': 'main'},
            'dest=/srv/app repo=https://example.org/app.git',
        ),
        ({'src': '/a', 'path': '', 'name': None}, 'src=/a'),
        ({'upgrade': 'dist', 'password': SECRET}, None),
        ({'name': {'anything': SECRET}}, None),
        ({'name': [{'anything': SECRET}]}, None),
        ({}, None),
    ],
)
def test_what_a_module_does(args: dict[str, t.Any], summary: str | None) -> None:
    assert summary_of(args) == summary


@pytest.mark.parametrize(
    ('text', 'shown'),
    [
        (f'https://me:{SECRET}@example.org/a', 'https://example.org/a'),
        (f'https://{SECRET}@example.org/a', 'https://example.org/a'),
        (f'https://me:{SECRET}@{SECRET}@example.org', 'https://example.org'),
        (f'https://example.org/a?token={SECRET}&page=2', 'https://example.org/a?token=***&page=2'),
        (f'PGPASSWORD={SECRET} psql', 'PGPASSWORD=*** psql'),
        (f'mysql --password={SECRET} -e x', 'mysql --password=*** -e x'),
        (f'mysql --password {SECRET} -e x', 'mysql --password *** -e x'),
        (f'login --api-key "{SECRET} {SECRET}" now', 'login --api-key *** now'),
        (f"curl -H 'Authorization: Bearer {SECRET}", 'curl -H \'Authorization: ***'),
        (f"curl -d '{{\"secret\": \"{SECRET}\"}}'", "curl -d '{\"secret\": ***}'"),
        (f'mysql --password={SECRET}&{SECRET} -e x', 'mysql --password=*** -e x'),
        (f"""x --password '{SECRET}'"'"'s {SECRET}' y""", 'x --password *** y'),
        (f'curl -H "Authorization: token {SECRET}" x', 'curl -H "Authorization: ***" x'),
        (f"curl -H 'Authorization: Digest username=x, response=\"{SECRET}\"' x", "curl -H 'Authorization: ***' x"),
        (f'curl -H "Authorization: Digest response=\\"{SECRET}\\"" x', 'curl -H "Authorization: ***" x'),
        (f'Authorization: Digest username=x, response={SECRET}', 'Authorization: ***'),
        (f'http x Authorization:"token {SECRET}" y', 'http x Authorization:*** y'),
        (f'curl -d \'{{"authorization": "Bearer {SECRET}"}}\'', 'curl -d \'{"authorization": ***}\''),
        (f'tool --authorization "Bearer {SECRET}" x', 'tool --authorization *** x'),
        ('git clone git@example.org:app.git', 'git clone git@example.org:app.git'),
        ('make compass', 'make compass'),
    ],
)
@pytest.mark.parametrize('key', ['_raw_params', 'url'])
def test_what_looks_like_a_secret_is_left_out(key: str, text: str, shown: str) -> None:
    summary = summary_of({key: text})
    assert summary == (shown if key == '_raw_params' else f'url={shown}')
    assert SECRET not in summary


@pytest.mark.parametrize(
    ('argv', 'shown'),
    [
        (['x', f'--password=a {SECRET}'], "x '--password=***'"),
        (['x', '--password', f"it's {SECRET}", 'y'], "x --password '***' y"),
        (['x', '-H', f'Authorization: Digest username=x, response="{SECRET}"', 'y'], "x -H 'Authorization: ***' y"),
        (['x', '--authorization', f'Digest a="b", c={SECRET}', 'y'], "x --authorization '***' y"),
        (['sh', '-c', f'mysql --password {SECRET} -e x'], "sh -c 'mysql --password *** -e x'"),
        (['x', f'https://me:{SECRET}@example.org/'], 'x https://example.org/'),
        (['x', '--token', '--password', SECRET], "x --token '***' '***'"),
    ],
)
def test_secrets_in_the_items_of_a_command_are_left_out_whole(argv: list[str], shown: str) -> None:
    assert summary_of({'argv': argv}) == shown


def test_a_secret_is_not_shown_because_the_text_is_cut() -> None:
    assert SECRET not in str(summary_of({'cmd': 'x' * 185 + f' password={SECRET}'}))
    assert SECRET not in str(summary_of({'cmd': 'x' * 150 + f' https://{SECRET * 10}@example.org'}))


def test_it_is_one_line_of_limited_length() -> None:
    line = one_line('a\nb\t' + 'x' * 10**6)
    assert len(line) == 200
    assert line.startswith('a b xxx')
    assert line.endswith('…')


@pytest.mark.parametrize('unit', ['password', 'a', 'https://', '=', "'", '"authorization: ', "authorization'"])
def test_a_long_text_takes_no_time(unit: str) -> None:
    """No text makes the search for secrets try everything with everything: that would take minutes."""
    begin = time.monotonic()
    summary_of({'cmd': unit * 10**6})
    summary_of({'argv': [unit * 10**4] * 1000})
    assert time.monotonic() - begin < 10
