# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the timeline, read by a parser that knows the rules of browsers and forgives nothing."""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from xml.etree.ElementTree import Element

import html5lib
import pytest
from ansible_collections.background.jobs.plugins.plugin_utils._show import chart
from ansible_collections.background.jobs.plugins.plugin_utils._show.timeline import Bar
from ansible_collections.background.jobs.plugins.plugin_utils._show.tracker import Job
from hypothesis import given, settings
from hypothesis import strategies as st


def job_bar(host: str = 'web1', state: str = 'succeeded', **more: t.Any) -> Bar:
    known = {'id': 'j1.1', 'task': 'Back up', 'first': 0, 'seen': 0, 'elapsed': 30.0}
    job = Job(**{**known, 'host': host, 'state': state, **more})
    return Bar(job, 110.0, 115.0, 145.0, [(109.0, 111.0), (120.0, 146.0)])


def page(*bars: Bar, title: str = 'site.yml', ahead: float = 0.0) -> Element:
    text = chart.page(title, '2026-11-22 08:00:00 +0000', list(bars), 100.0, 200.0, lambda host: ahead)
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def texts(element: Element, path: str) -> list[str]:
    return [''.join(found.itertext()) for found in element.findall(path)]


def pieces(element: Element) -> list[tuple[str, float, float]]:
    """(what, from, to) of everything in the first chart, in percent of the run."""
    found = []
    for piece in element.findall('.//td[@class="chart"]/div/i'):
        left, size = re.findall(r'([0-9.]+)%', piece.get('style', ''))
        found.append((piece.get('class', ''), float(left), float(left) + float(size)))
    return found


def test_a_row() -> None:
    row = page(job_bar(limit=60.0, name='nightly'))
    assert texts(row, './/tbody//th') == ['web1']
    assert texts(row, './/tbody//td') == ['nightly', 'succeeded', '5 s', '30 s', '1:00', '28 s', '']
    assert pieces(row) == [
        ('queued', 10.0, 15.0),
        ('ran', 15.0, 45.0),
        ('limit', 75.0, 75.0),
        ('wait', 9.0, 11.0),
        ('wait', 20.0, 46.0),
    ]


@pytest.mark.parametrize(
    ('state', 'kind'),
    [('succeeded', 'ran'), ('running', 'ran open'), ('timed_out', 'ran bad'), ('lost', 'ran bad'), ('ended', 'ran')],
)
def test_states_are_told_in_words_and_colours(state: str, kind: str) -> None:
    row = page(job_bar(state=state, reason='It was late'))
    assert texts(row, './/tbody//td')[1] == state.replace('_', ' ')
    assert kind in [piece[0] for piece in pieces(row)]
    assert 'It was late' in texts(row, './/tbody//td')[0]


def test_what_a_job_does_stands_below_its_name() -> None:
    row = page(job_bar(name='nightly', summary='backup --all <b>', reason='It was late', state='failed'))
    assert texts(row, './/tbody//td')[0] == 'nightlybackup --all <b>It was late'
    assert texts(row, './/td/small') == ['backup --all <b>', 'It was late']


def test_what_is_outside_the_run_is_cut() -> None:
    old = job_bar(limit=1e9)
    old.created, old.started, old.waits = -1000.0, -900.0, [(50.0, 60.0)]
    assert pieces(page(old)) == [('ran', 0.0, 45.0)]


def test_a_summary() -> None:
    found = page(job_bar(), job_bar(state='failed', name='bad one'), job_bar('web2', state='failed'))
    assert '3 on 2 hosts, 2 failed, 1 succeeded' in ' '.join(texts(found, './/p'))
    assert texts(found, './/ol/li') == ['web1: bad one, failed after 30 s', 'web2: Back up, failed after 30 s']
    assert [head.get('rowspan') for head in found.findall('.//tbody/tr/th')] == ['2', '1']


def test_many_hosts() -> None:
    bars = [
        job_bar(f'web{host}', state='lost' if host < 50 else 'succeeded') for host in range(200) for _job in range(5)
    ]
    found = page(*bars)
    assert len(found.findall('.//tbody')) == 200
    assert len(found.findall('.//tbody/tr')) == 1000
    assert [len(listed.findall('li')) for listed in found.findall('.//ol')] == [250, 10]


def test_lists_lead_to_rows() -> None:
    found = page(job_bar(), job_bar(id='odd "id" ü\ud800', state='failed'))
    (link,) = found.findall('.//ol/li/a')
    ids = [row.get('id') for row in found.findall('.//tbody/tr')]
    assert urllib.parse.unquote(link.get('href', '')[1:]) == ids[1] == r'odd "id" ü\ud800'


def test_a_clock_that_is_wrong_is_told() -> None:
    assert texts(page(job_bar(), ahead=3600.0), './/tbody//th') == ['web1its clock is 1:00:00 ahead']
    assert texts(page(job_bar(), ahead=-90.0), './/tbody//th') == ['web1its clock is 1:30 behind']


HOSTILE = st.one_of(
    st.text(st.characters()),
    st.sampled_from(
        ['</style><script>alert(1)</script>', '" onload="x', "' style='x", '<!--', ']]>', '&lt;b&gt;', '\x00\x1b[2J']
    ),
)


@settings(max_examples=50)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_hostile_text_stays_text(host: str, name: str, reason: str) -> None:
    elements = [element.tag for element in page(job_bar('a', name='a', reason='a', state='failed')).iter()]
    job = job_bar(host, name=name or 'a', reason=reason or 'a', state='failed')
    job.job.id = name
    hostile = page(job, title=host)
    assert [element.tag for element in hostile.iter()] == elements
    if name.isprintable() and name.isascii() and name:
        assert texts(hostile, './/td[@class="name"]')[0].startswith(name)


def test_nothing_is_asked_of_a_network_or_a_script() -> None:
    found = page(job_bar())
    assert not found.findall('.//script')
    assert not found.findall('.//link')
    policy = found.find('.//meta[@http-equiv="Content-Security-Policy"]')
    assert policy is not None
    assert policy.get('content') == "default-src 'none'; style-src 'unsafe-inline'"
    assert 'url(' not in ''.join(texts(found, './/style'))


def test_ticks_do_not_crowd() -> None:
    for span in (0.1, 1, 7, 59, 3600, 90000, 1e7):
        text = chart.page('a', 'b', [job_bar()], 0.0, span, lambda host: 0.0)
        assert 1 <= text.count('class="tick"') <= 9


def test_bad_ends_are_grouped_by_reason() -> None:
    late = 'Timeout exceeded: job j20261126125149040563.5121210%d was stopped after 8.%d s, its limit is 8 s'
    found = page(
        job_bar(state='failed', reason='no space left'),
        *(
            job_bar(f'web{host}', 'timed_out', id=f'j20261126125149040563.5121210{host}', reason=late % (host, host))
            for host in (2, 3)
        ),
        job_bar('web4', 'lost'),
        job_bar('web5'),
    )
    assert texts(found, './/h3') == [
        'timed out: Timeout exceeded: the job was stopped after … s, its limit is 8 s (2)',
        'failed: no space left (1)',
        'lost (1)',
    ]
    assert [len(group.findall('li')) for group in found.findall('.//ol')] == [2, 1, 1]
    assert not re.search(r'j\d{20}', ''.join(found.itertext())), 'no ids where people read'
