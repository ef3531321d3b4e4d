# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Live output of modules that are built on ansible-core's own AnsibleModule, the real one of this controller."""

import fcntl
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import ansible
import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.store import Store
from ansible_collections.background.jobs.plugins.module_utils._runtime.output import reader, tap
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    HUNG,
    Order,
    Target,
    mode,
    result,
)

_LIMIT = 1048576
_TRY_LOCK = [
    sys.executable,
    '-c',
    'import fcntl, sys; fcntl.lockf(open(sys.argv[1], "ab"), fcntl.LOCK_EX | fcntl.LOCK_NB)',
]

_BEGIN = '''
import json, os, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": %r}).encode()
basic._ANSIBLE_PROFILE = "legacy"
module = basic.AnsibleModule({"password": {"no_log": True, "type": "str"}, "key": {"no_log": True, "type": "str"}})
def shell(command, **options):
    return module.run_command(command, use_unsafe_shell=True, **options)
'''


@pytest.fixture
def live(newest_target: Target) -> Target:
    newest_target.environment['PYTHONPATH'] = str(Path(ansible.__file__).parents[1])
    return newest_target


def _module(target: Target, body: str, args: Any = None, **changes: Any) -> Order:
    script = _BEGIN % (args or {},) + body
    return Order(script, **{'argv': [target.python], 'output_limit': _LIMIT, **changes})


def _live(target: Target, order: Order, offset: int = 0) -> Dict[str, Any]:
    """What a look brings, at once and in full."""
    (look,) = target.ask('status', ids=[order.id], offsets=[offset])
    found = look['live_output']
    assert isinstance(found, dict)
    return found


def _text(live: Dict[str, Any], stream: str) -> str:
    return ''.join(text + '\n' * whole for found, text, whole in live['records'] if found == stream)


def test_lines_come_while_the_job_runs(live: Target) -> None:
    gate, other = live.gate(), live.gate('other')
    order = _module(
        live,
        'rc, out, err = shell("echo one; echo two >&2; : < %s; printf thr; : < %s; echo ee; exit 3")\n'
        'module.exit_json(rc=rc, out=out, err=err)' % (gate, other),
    )
    live.start(order)

    (look,) = live.ask('wait', ids=[order.id], seconds=60, offsets=[0])
    assert not look['ended']
    assert sorted(look['live_output']['records']) == [['stderr', 'two', True], ['stdout', 'one', True]]
    assert look['live_output']['skipped'] == 0
    assert look['last_line'] in ('one', 'two')
    gate.open()
    (look,) = live.ask('wait', ids=[order.id], seconds=60, offsets=[look['live_output']['offset']])
    assert look['live_output']['records'] == [['stdout', 'thr', False]]
    assert look['last_line'] == 'thr'
    other.open()
    (look,) = live.ask('wait', ids=[order.id], seconds=60, offsets=[look['live_output']['offset']])
    while not look['ended']:
        assert look['live_output']['records'] == [['stdout', 'ee', True]]
        (look,) = live.end(order.id)
    assert json.loads(look['output']['stdout'])['out'] == 'one\nthree\n'
    assert json.loads(look['output']['stdout'])['err'] == 'two\n'
    found = _live(live, order)
    assert (_text(found, 'stdout'), _text(found, 'stderr')) == ('one\nthree\n', 'two\n')
    assert mode(live.files(order.id) / 'output') == '0600'
    assert look['job']['output_file'] == str(live.files(order.id) / 'output')


def test_nobody_who_does_not_follow_is_woken_by_output(live: Target) -> None:
    gate = live.gate()
    order = _module(live, 'shell("echo one; : < %s")\nmodule.exit_json()' % gate)
    live.start(order)
    live.ask('wait', ids=[order.id], seconds=60, offsets=[0])

    (look,) = live.ask('wait', ids=[order.id], seconds=0.5, offsets=None)
    assert (look['live_output'], look['last_line'], look['ended']) == (None, 'one', False)
    gate.open()
    live.end(order.id)


def test_what_the_module_gets_is_the_same(live: Target) -> None:
    """With and without a tap, to the byte: results, callbacks of its own, prompts, data, bytes that are not text."""
    body = (
        'seen = []\n'
        'first = shell("cat; printf \'\\\\377\\\\000x\'; echo err >&2; exit 4", data="in", encoding=None,'
        ' before_communicate_callback=lambda process: seen.append(process.pid > 0))\n'
        'second = shell("echo Password:; sleep 1000", prompt_regex="Password:")\n'
        'third = shell("true")\n'
        'fourth = module.run_command(["echo", "last"], check_rc=True)\n'
        'print(json.dumps({"all": [repr(first), second, third, fourth, seen], "argv": sys.argv, "name": __name__,'
        ' "stdin": sys.stdin.read(), "path": sys.path[0], "again": basic is __import__("importlib").import_module('
        '"ansible.module_utils.basic"), "loader": type(basic.__spec__.loader).__name__, "names": sorted(globals())}))'
    )
    orders = [_module(live, body), _module(live, body, output_limit=0)]
    live.start(*orders)

    with_tap, without = [json.loads(look['output']['stdout']) for look in live.end(*[order.id for order in orders])]
    assert with_tap == without
    assert with_tap['all'][4] == [True]
    assert with_tap['all'][1][0] == 257
    assert not (live.files(orders[1].id) / 'output').exists()
    assert 'in\n\udcff\0x' in _text(_live(live, orders[0]), 'stdout')


def test_what_ansible_module_runs_for_itself_is_not_shown(live: Target) -> None:
    """With a locale that is not there, it runs `locale -a` before the module begins; and so do modules, through its helper."""
    live.environment['LC_ALL'] = 'xx_XX.none'
    order = _module(
        live,
        'from ansible.module_utils.common.locale import get_best_parsable_locale\n'
        'get_best_parsable_locale(module)\n'
        'module.get_file_attributes("/")\n'
        'shell("echo mine; locale -a >/dev/null")\nmodule.exit_json()',
    )
    live.start(order)
    (look,) = live.end(order.id)
    assert look['job']['state'] == 'succeeded', look
    assert _text(_live(live, order), 'stdout') == 'mine\n'


def test_a_module_without_ansible_is_left_alone(live: Target) -> None:
    orders = [
        Order('print(\'{"a": 1}\')', argv=[live.python], output_limit=_LIMIT),
        Order('raise SystemExit(7)', argv=[live.python], output_limit=_LIMIT),
        Order('a syntax error', argv=[live.python], output_limit=_LIMIT),
        Order('import os; os.kill(os.getpid(), 15)', argv=[live.python], output_limit=_LIMIT),
    ]
    live.start(*orders)

    first, second, third, fourth = live.end(*[order.id for order in orders])
    assert (first['job']['state'], second['output']['rc']) == ('succeeded', 7)
    assert 'SyntaxError' in third['output']['stderr']
    assert fourth['job']['signal'] == 'SIGTERM'
    assert _live(live, orders[0])['records'] == []


@pytest.mark.parametrize('python', ['', 'def no_run_command(): pass', 'class AnsibleModule:\n    run_command = 5'])
def test_an_ansible_core_that_is_made_otherwise(live: Target, python: str) -> None:
    package = live.directory / 'other/ansible/module_utils'
    package.mkdir(parents=True)
    for path in (package.parent / '__init__.py', package / '__init__.py'):
        path.touch()
    (package / 'basic.py').write_text(python, encoding='ascii')
    live.environment['PYTHONPATH'] = str(package.parents[1])
    order = Order(
        'from ansible.module_utils import basic\nprint(\'{"changed": true}\')', argv=[live.python], output_limit=_LIMIT
    )
    live.start(order)

    assert live.ended(order.id)['state'] == 'succeeded'


def test_what_is_kept(live: Target) -> None:
    """The newest, within the limit; what was dropped is counted, and no line is cut in two."""
    limit, count = 100000, 100000
    order = _module(live, 'shell("seq 1 %d")\nmodule.exit_json()' % count, output_limit=limit)
    live.start(order)
    live.end(order.id)

    sizes = [path.stat().st_size for path in live.files(order.id).glob('output*')]
    assert len(sizes) == 2
    assert sum(sizes) < limit + 2 * 40000, 'two files of half the limit, and one more chunk of 32 KiB in each'
    found = _live(live, order)
    lines = _text(found, 'stdout').split()[1:]  # the first may be the end of one whose beginning was dropped
    assert lines == [str(number) for number in range(int(lines[0]), count + 1)]
    assert found['skipped'] > 500000
    kept = sum(len('out ') + len(text) + 1 for _stream, text, _whole in found['records'])
    assert found['skipped'] + kept == found['offset']
    assert _live(live, order, found['offset']) == {'offset': found['offset'], 'skipped': 0, 'records': []}


@pytest.mark.long
def test_a_reader_at_its_own_pace_misses_nothing(live: Target) -> None:
    """While the files are changed under it."""
    gates = [live.gate(str(number)) for number in range(20)]
    body = ''.join('shell("seq %d %d; : < %s")\n' % (n * 100, n * 100 + 99, gate) for n, gate in enumerate(gates))
    order = _module(live, body + 'module.exit_json()', output_limit=2000)
    live.start(order)

    offset, text = 0, ''
    for number, gate in enumerate(gates):
        while not text.endswith('%d\n' % (number * 100 + 99)):
            (look,) = live.ask('wait', ids=[order.id], seconds=60, offsets=[offset])
            assert look['live_output']['skipped'] == 0
            text += _text(look['live_output'], 'stdout')
            offset = look['live_output']['offset']
        gate.open()
    live.end(order.id)
    assert text == ''.join('%d\n' % number for number in range(2000))


def test_more_than_can_be_read_is_skipped(live: Target) -> None:
    """A person sees the newest; a task that asks gets all of it, in pieces."""
    order = _module(live, 'shell("seq 1 300000")\nmodule.exit_json()', output_limit=10 * _LIMIT)
    live.start(order)
    live.end(order.id)

    (look,) = live.ask('wait', ids=[order.id], seconds=0, offsets=[0])
    assert look['live_output']['skipped'] > 0
    assert _text(look['live_output'], 'stdout').endswith('\n299999\n300000\n')
    assert len(_text(look['live_output'], 'stdout')) < 65536
    offset = 0
    pieces: List[str] = []
    while not pieces or pieces[-1]:
        found = _live(live, order, offset)
        assert found['skipped'] == 0
        pieces.append(_text(found, 'stdout'))
        offset = found['offset']
    assert ''.join(pieces) == ''.join('%d\n' % number for number in range(1, 300001))
    assert len(pieces) > 2


def test_secrets_are_hidden(live: Target) -> None:
    gate = live.gate()
    args = {'password': 'hunter2', 'key': '-----BEGIN\nabcdef\n-----END'}
    body = (
        'rc, out, err = shell("echo a hunter2 b; printf hun; : < %s; echo ter2; echo abcdef >&2;'
        " yes hunter2 | head -c 200000 | tr -d '\\\\n'; printf hunter2\")\n"
        'module.exit_json(length=len(out))' % gate
    )
    order = _module(live, body, args)
    live.start(order)
    (look,) = live.ask('wait', ids=[order.id], seconds=60, offsets=[0])
    assert look['live_output']['records'] == [['stdout', 'a ******** b', True]], 'the begun line may hold half a secret'
    gate.open()
    (look,) = live.end(order.id)

    assert json.loads(look['output']['stdout'])['length'] == len('a hunter2 b\nhunter2\n') + 175000 + len('hunter2')
    said = (live.files(order.id) / 'output').read_text(encoding='utf-8')
    for secret in ('hunter2', 'abcdef'):
        assert secret not in said.replace('\nout+', '').replace('\nout ', ''), 'not in two records either'
    assert '\nout ********\n' in said
    assert '\nerr ********\n' in said


def _log(directory: Path) -> Any:
    """A job without other files, and a Log of its live output."""
    job: Any = Store(str(directory)).job('j1.1')
    output = Path(job.file('output'))
    output.parent.mkdir(parents=True)
    output.touch()
    return job, tap.Log(str(output), 10 * _LIMIT)


def test_a_secret_is_hidden_that_is_longer_than_what_is_held_back_of_a_line(tmp_path: Path) -> None:
    job, log = _log(tmp_path)
    secret = b''.join(b'%05d' % number for number in range(8000))
    pipe = tap._Reader(io.BytesIO(secret + b'\n'), log, b'out', [secret])
    while pipe.read(33000):
        pass
    pipe.close()

    assert reader.read(job, 0, _LIMIT)['records'] == [['stdout', '********', True]]


def test_pieces_are_put_together() -> None:
    """Those of each stream, also where the other one comes in between."""
    records = [['stdout', 'a', False], ['stderr', 'e', True], ['stdout', 'b', True], ['stderr', 'f', False]]
    assert reader.lines(records) == [('stderr', 'e'), ('stdout', 'ab'), ('stderr', 'f')]
    assert reader.lines(records[:2]) == [('stdout', 'a'), ('stderr', 'e')]


@pytest.mark.parametrize('secrets', [[], [b'hunter2']], ids=['no secrets', 'secrets'])
@pytest.mark.parametrize('size', [1, 2, 3, 5, 33000])
def test_no_character_is_cut_in_two_where_the_module_reads_it_in_pieces(
    tmp_path: Path, secrets: Any, size: int
) -> None:
    job, log = _log(tmp_path)
    text = 'fertig\u00e4 \u20ac \U0001f600' * (2000 if size == 33000 else 1)
    pipe = tap._Reader(io.BytesIO(text.encode('utf-8') + b'\xe2\n' + text.encode('utf-8')), log, b'out', secrets)
    while pipe.read(size):
        pass
    pipe.close()

    found = reader.read(job, 0, _LIMIT)
    assert all(piece.replace('\udce2', '').isprintable() for _stream, piece, _whole in found['records'])
    assert _text(found, 'stdout') == text + '\udce2\n' + text


def test_an_offset_that_no_output_reaches(tmp_path: Path) -> None:
    job, log = _log(tmp_path)
    log.write(b'out', b'line\n')
    assert reader.read(job, 2**64, _LIMIT) == {'offset': 2**64, 'skipped': 0, 'records': []}


def test_a_limit_that_is_too_low_for_one_line(live: Target) -> None:
    order = _module(live, "shell('seq 3000'); module.exit_json()", output_limit=10, limit=HUNG / 2)
    live.start(order)
    assert live.ended(order.id)['state'] == 'succeeded'  # and not timed_out
    assert _live(live, order)['records'][-1] == ['stdout', '3000', True]


def test_a_log_that_failed_keeps_no_lock(tmp_path: Path) -> None:
    """Another process of the module would wait for it without end."""
    job, log = _log(tmp_path)
    output, kept = Path(job.file('output')), tmp_path / 'kept'
    log.write(b'out', b'line\n')
    os.link(str(output), str(kept))
    output.unlink()
    log.write(b'out', b'line\n')

    subprocess.run([*_TRY_LOCK, str(kept)], check=True)


def test_a_long_line_is_read_in_pieces(tmp_path: Path) -> None:
    """However little of it is read at a time, and no character is cut in two."""
    job, log = _log(tmp_path)
    text = '\u20ac' * 500000
    log.write(b'out', text.encode('utf-8') + b'\nend\n')

    newest = reader.read(job, 0, 4096, newest=True)
    assert newest['records'][-1] == ['stdout', 'end', True]
    assert newest['records'][-2][1].endswith('\u20ac')
    found: Dict[str, Any] = {'offset': 0, 'records': [None]}
    read = ''
    while found['records']:
        found = reader.read(job, found['offset'], 4096)
        read += _text(found, 'stdout')
    assert read == text + '\nend\n'


@pytest.mark.parametrize(('args', 'no_log'), [({'_ansible_no_log': True}, False), ({}, True)])
def test_no_log(live: Target, args: Dict[str, Any], no_log: bool) -> None:
    """Of the task, as the module hears of it from ansible-core, and as the start request says it."""
    order = _module(live, 'shell("echo secret")\nmodule.exit_json()', args, no_log=no_log)
    live.start(order)
    live.end(order.id)

    assert _live(live, order)['records'] == []
    output = live.files(order.id) / 'output'
    assert not output.exists() or output.read_bytes() == b''


@pytest.mark.parametrize('how', ['gone', 'a directory', 'a link', 'of nobody'])
def test_a_log_that_cannot_be_written(live: Target, how: str) -> None:
    """Is not the module's problem."""
    gate, victim = live.gate(), live.directory / 'victim'
    victim.touch()
    order = _module(live, 'module.exit_json(out=[shell("echo one; : < %s; echo two"), shell("echo three")])' % gate)
    live.start(order)
    output = live.files(order.id) / 'output'
    live.ask('wait', ids=[order.id], seconds=60, offsets=[0])
    output.unlink()
    if how == 'a directory':
        output.mkdir()
    elif how == 'a link':
        output.symlink_to(victim)
    gate.open()

    (look,) = live.end(order.id)
    assert [found[1] for found in json.loads(look['output']['stdout'])['out']] == ['one\ntwo\n', 'three\n']
    assert victim.read_bytes() == b''


def test_a_module_of_many_processes(live: Target) -> None:
    """Nothing of theirs is lost, though a line that one has begun may be ended by another's."""
    body = (
        'for number in range(4):\n'
        '    if os.fork() == 0:\n'
        '        shell("seq %d000 %d999" % (number + 1, number + 1))\n'
        '        os._exit(0)\n'
        'while True:\n'
        '    try:\n'
        '        os.wait()\n'
        '    except ChildProcessError:\n'
        '        break\n'
        'module.exit_json()'
    )
    order = _module(live, body, output_limit=_LIMIT)
    live.start(order)
    live.end(order.id)

    said = _text(_live(live, order), 'stdout')
    assert sorted(said) == sorted(''.join('%d\n' % number for number in range(1000, 5000)))


def test_queued_jobs_have_live_output_too(live: Target) -> None:
    orders = [_module(live, 'shell("echo %d")\nmodule.exit_json()' % number, queue='q') for number in range(3)]
    live.start(*orders)
    live.end(*[order.id for order in orders])

    assert [_text(_live(live, order), 'stdout') for order in orders] == ['0\n', '1\n', '2\n']


def test_other_files_in_its_place(live: Target) -> None:
    """A look reads what it can, and never waits or follows a link."""
    job_id = live.run(result())
    live.end(job_id)
    output = live.files(job_id) / 'output'
    for make in (
        lambda: output.write_bytes(b'cut x\nout a\n'),
        lambda: output.write_bytes(b'no record\nout a\nerr'),
        lambda: output.symlink_to('/etc/passwd'),
        lambda: os.mkfifo(str(output)),
        output.mkdir,
    ):
        make()
        (look,) = live.ask('status', ids=[job_id], offsets=[0])
        assert look['live_output']['records'] in ([], [['stdout', 'a', True]])
        output.rmdir() if output.is_dir() and not output.is_symlink() else output.unlink()


def test_the_log_stays_locked_while_a_new_file_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process of the module that wrote at this moment would write into the middle of the change."""
    path = tmp_path / 'output'
    path.write_bytes(b'')
    free = []

    def rename(old: str, new: str) -> None:
        free.append(subprocess.run([*_TRY_LOCK, str(path)], stderr=subprocess.DEVNULL, check=False).returncode == 0)
        os.replace(old, new)

    monkeypatch.setattr('os.rename', rename)
    log = tap.Log(str(path), 400)
    for number in range(500):
        log.write(b'out', b'line %d\n' % number)
    monkeypatch.undo()

    assert free
    assert not any(free)
    assert path.read_bytes().startswith(b'cut ')
    with path.open('ab') as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
