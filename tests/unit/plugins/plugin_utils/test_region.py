# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The region below the output, on a terminal whose screen is looked at."""

from __future__ import annotations

import collections.abc as c
import contextlib
import itertools
import os
import subprocess
import sys
import threading
import typing as t

import pytest
from ansible.utils.display import Display
from ansible_collections.background.jobs.plugins.plugin_utils._show.region import Region, Ticker
from ansible_collections.background.jobs.tests.tools.screen import Screen

SCREEN = COLUMNS, ROWS = 40, 8


@contextlib.contextmanager
def opened(screen: Screen, drawn: list[str]) -> c.Iterator[Region]:
    """A region with the lines *drawn*. No fixture: pytest has its own sys.stdout until the test itself begins."""
    with (
        open(os.dup(screen.slave), 'w', encoding='utf-8', buffering=1) as terminal,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, 'stdout', terminal)
        patch.setattr(sys, 'stderr', terminal)
        region = Region(t.cast(t.Any, Display())._lock, lambda columns, rows: drawn)
        region.open()
        yield region
        region.close()


def test_what_is_printed_lands_above(screen: Screen) -> None:
    with opened(screen, ['one', 'two']) as region:
        region.draw()
        screen.await_text('^one\ntwo$')
        for number in range(20):
            print('line', number)
            region.draw()
        print('an error', file=sys.stderr)
        region.draw()
        lines = screen.await_text('^an error\none\ntwo$')
        assert lines == ['line 15', 'line 16', 'line 17', 'line 18', 'line 19', 'an error', 'one', 'two']
        region.close()
        print('after')
        screen.await_text('^after$')
        assert screen.all_lines() == [*(f'line {number}' for number in range(20)), 'an error', 'after']


def test_what_takes_long_to_draw_is_drawn_seldom(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drawing takes 0.1 s, so a second passes before the next one, whatever asks for it."""
    clock, drawings = [0.0], list[float]()

    def slow(descriptor: int) -> os.terminal_size:
        clock[0] += 0.1
        drawings.append(clock[0])
        return os.terminal_size(SCREEN)

    monkeypatch.setattr(os, 'get_terminal_size', slow)
    monkeypatch.setattr(Region.draw.__globals__['time'], 'monotonic', lambda: clock[0])
    with opened(screen, ['one']) as region:
        for number in range(200):
            clock[0] += 0.03
            print('line', number)
            region.refresh()
    assert len(drawings) >= 5
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(drawings))


def test_fewer_lines_leave_no_trace(screen: Screen) -> None:
    drawn = ['one', 'two']
    with opened(screen, drawn) as region:
        region.draw()
        screen.await_text('^one\ntwo$')
        drawn[:] = ['o']
        region.draw()
        assert screen.await_lines(lambda lines: len(lines) == 1, 'one line') == ['o']
        drawn.clear()
        region.draw()
        assert screen.await_lines(lambda lines: not lines, 'nothing') == []


def test_no_region_below_an_unfinished_line(screen: Screen) -> None:
    with opened(screen, ['one', 'two']) as region:
        region.draw()
        print('Password: ', end='', flush=True)
        region.draw()
        assert screen.await_text('^Password:') == ['Password:']
        print()
        region.draw()
        assert screen.await_text('^one\ntwo$') == ['Password:', 'one', 'two']


def test_a_pause(screen: Screen) -> None:
    with opened(screen, ['one', 'two']) as region:
        region.draw()
        region.pause()
        region.draw()
        print('asked')
        assert screen.await_text('^asked$') == ['asked']
        region.resume()
        region.draw()
        assert screen.await_text('^one\ntwo$') == ['asked', 'one', 'two']


def test_what_others_write_destroys_nothing_but_the_region(screen: Screen) -> None:
    with opened(screen, ['one', 'two']) as region:
        print('before')
        region.draw()
        os.write(screen.slave, b'ssh asks\r\n')  # past sys.stdout, as a child process would
        region.draw()
        assert screen.await_text('^ssh asks\none\ntwo$')[:2] == ['before', 'ssh asks']


def test_lines_too_wide_are_cut(screen: Screen) -> None:
    drawn = ['one', 'two']
    with opened(screen, drawn) as region:
        drawn[:] = ['x' * 100, '日' * 60, 'end']
        print('before')
        for _again in range(3):
            region.draw()
        lines = screen.await_text('^end$')
        assert [line[:1] for line in lines] == ['b', 'x', '日', 'e']
        screen.resize(20, ROWS)
        region.draw()
        print('after')
        region.draw()
        assert [line[:1] for line in screen.await_text('^after\nx')] == ['b', 'a', 'x', '日', 'e']


def test_what_the_encoding_lacks(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.dup(screen.slave), 'w', encoding='ascii', buffering=1) as terminal:
        monkeypatch.setattr(sys, 'stdout', terminal)
        Region(t.cast(t.Any, threading.RLock()), lambda columns, rows: ['é━']).draw()
        assert screen.await_text('.') == ['??']


def test_a_terminal_that_is_gone_disturbs_nobody(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(descriptor: int) -> os.terminal_size:
        raise OSError(5, 'Input/output error')

    with opened(screen, ['one', 'two']) as region:
        region.draw()
        screen.await_text('^one\ntwo$')
        monkeypatch.setattr(os, 'get_terminal_size', gone)
        before = screen.raw
        for _again in range(2):
            region.draw()
        region.close()
    assert screen.raw == before


def test_a_forked_worker_draws_nothing(screen: Screen) -> None:
    with opened(screen, ['one', 'two']) as region:
        region.draw()
        child = os.fork()
        if child == 0:
            sys.stdout.write('from a worker\n')
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        region.draw()
        assert screen.await_text('^from a worker\none\ntwo$') == ['from a worker', 'one', 'two']


def test_everything_at_once(screen: Screen) -> None:
    """Display prints, callbacks print, the ticker draws, and workers are forked: no line is lost, nobody hangs."""
    with opened(screen, ['one', 'two']) as region:
        display = Display()
        ticker = Ticker(region.draw, 0.0005)
        ticker.start()
        threads = [threading.Thread(target=lambda: [display.display(f'a {number}') for number in range(300)])]
        threads.append(threading.Thread(target=lambda: [print(f'b {number}\n', end='') for number in range(300)]))
        for thread in threads:
            thread.start()
        for _worker in range(20):
            with t.cast(t.Any, display)._lock:  # as ansible-core does
                child = os.fork()
            if child == 0:
                sys.stdout.write('')
                sys.stdout.flush()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        ticker.stop()
        region.close()
        print('after')
        screen.await_text('^after$')
        lines = screen.all_lines()
        assert [line for line in lines if line[0] == 'a'] == [*(f'a {number}' for number in range(300)), 'after']
        assert [line for line in lines if line[0] == 'b'] == [f'b {number}' for number in range(300)]
        assert len(lines) == 601


@pytest.mark.parametrize(('terminal', 'possible'), [('xterm', True), ('dumb', False), (None, False)])
def test_where_a_region_is_possible(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, terminal: str | None, possible: bool
) -> None:
    with opened(screen, ['one', 'two']):
        if terminal:
            monkeypatch.setenv('TERM', terminal)
        else:
            monkeypatch.delenv('TERM', raising=False)
        assert Region.possible() is possible


@pytest.mark.parametrize(
    ('settings', 'dims'),
    [
        ({'TERM': 'xterm-256color'}, 'True'),
        ({'TERM': 'xterm-256color', 'ANSIBLE_NOCOLOR': '1'}, 'False'),
        ({'TERM': 'vt100'}, 'False'),
        ({'TERM': 'nobody-knows-it'}, 'False'),
        ({'TERM': 'nobody-knows-it', 'ANSIBLE_FORCE_COLOR': '1'}, 'False'),
    ],
)
def test_text_is_dimmed_where_the_terminal_can_do_that(screen: Screen, settings: dict[str, str], dims: str) -> None:
    """In a process of its own, because curses looks at the terminal once only."""
    answer = subprocess.run(
        [
            sys.executable,
            '-c',
            f'import sys; from {Region.__module__} import can_dim; sys.stderr.write(str(can_dim()))',
        ],
        env={'PATH': os.environ['PATH'], 'PYTHONPATH': os.pathsep.join(sys.path), **settings},
        stdout=screen.slave,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert answer.stderr == dims
