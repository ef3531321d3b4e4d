# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way in which a job can end, reached by the real thing; no look hangs, lies, or says running when it is not."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible_collections.background.jobs.plugins.module_utils._runtime.files.job import SPARE
from ansible_collections.background.jobs.plugins.module_utils._runtime.protocol import VERSION
from ansible_collections.background.jobs.tests.tools.left_out import left_out
from ansible_collections.background.jobs.tests.unit.plugins.module_utils._target import (
    ENDED,
    HUNG,
    PLUGINS,
    Order,
    Target,
    answer,
    blocked,
    function,
    looks,
    result,
    set_clock,
    start_request,
    until,
)

_HOUR = 3600


def test_success(target: Target) -> None:
    job_id = target.run(result(changed=True, answer=42))

    (look,) = target.end(job_id)
    assert look['job']['state'] == 'succeeded'
    assert 'reason' not in look['job']
    assert look['output'] == {'rc': 0, 'stdout': '{"changed": true, "answer": 42}\n', 'stderr': ''}
    assert target.result_file(job_id) == {'changed': True, 'answer': 42}
    assert sorted(path.name for path in target.files(job_id).iterdir()) == [
        'end.json',
        'lock',
        'run.json',
        'spec.json',
        'stderr',
        'stdout',
    ]


def test_a_running_job_says_so(some_target: Target) -> None:
    gate = some_target.gate()
    job_id = some_target.run(gate.before(result()))

    look = some_target.look(job_id)
    assert (look['job']['state'], look['ended'], look['job']['ended']) == ('running', False, None)
    assert look['result'] == {'started': True, 'finished': False, 'ansible_job_id': job_id}
    gate.open()
    assert some_target.ended(job_id)['state'] == 'succeeded'


@pytest.mark.parametrize(
    'script',
    [
        pytest.param(result(failed=True, msg='no such package'), id='it says so'),
        pytest.param(result(rc=3, msg='no such package'), id='its command failed'),
        pytest.param(result(failed=True, msg='no such package') + '; exit 1', id='it says so and exits with 1'),
    ],
)
def test_failure(some_target: Target, script: str) -> None:
    job_id = some_target.run(script)

    job = some_target.ended(job_id)
    assert job['state'] == 'failed'
    assert 'no such package' in job['reason']
    assert some_target.result_file(job_id)['msg'] == 'no such package'


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        (
            {'exception': {'event': {'msg': 'New-style module did not handle its own exit.'}}},
            'New-style module .* exit.$',
        ),
        ({'exception': 'Traceback'}, ': no message$'),
        ({'rc': 4}, ': rc 4, and no message$'),
    ],
)
def test_a_failure_without_a_message(some_target: Target, fields: Dict[str, Any], message: str) -> None:
    job_id = some_target.run(result(failed=True, **fields))
    assert re.search(message, some_target.ended(job_id)['reason'])


@pytest.mark.parametrize('name', ['TERM', 'KILL', 'SEGV', 'USR1', 'RTMIN+3'])
def test_the_module_is_killed_by_a_signal(target: Target, name: str) -> None:
    job_id = target.run('exec %s -c "import os; os.kill(os.getpid(), %d)"' % (target.python, _number(name)))

    job = target.ended(job_id)
    assert job['state'] == 'failed'
    assert job['signal'] == 'SIG%s' % name
    assert 'ended by SIG%s' % name in job['reason']
    assert target.result_file(job_id)['failed'] is True


def _number(name: str) -> int:
    base, _plus, more = name.partition('+')
    return int(getattr(signal, 'SIG' + base)) + int(more or 0)


def test_the_supervisor_is_killed(target: Target) -> None:
    begun, gate = target.message(), target.gate()
    job_id = target.run('echo begun > %s; : < %s; %s' % (begun, gate, result()))
    assert begun.heard() == 'begun'
    run = target.note(job_id, 'run.json')

    target.kill_supervisor(job_id)

    job = target.job(job_id)
    assert job['state'] == 'lost'
    assert 'supervisor of job %s (pid %d) was killed' % (job_id, run['supervisor']) in job['reason']
    assert 'its module (pid %d) still ran' % run['pid'] in job['reason']
    assert target.result_file(job_id)['failed'] is True
    gate.open()
    assert target.job(job_id) == job


def test_the_supervisor_and_the_module_are_killed(some_target: Target) -> None:
    job_id = some_target.run('exec sleep 1000')
    run = some_target.note(job_id, 'run.json')

    os.kill(run['supervisor'], signal.SIGSTOP)  # it must not see the module's death
    os.kill(run['pid'], signal.SIGKILL)
    os.kill(run['supervisor'], signal.SIGKILL)
    until(lambda: not some_target.processes())

    job = some_target.job(job_id)
    assert job['state'] == 'lost'
    assert 'had ended by then' in job['reason']


def test_a_wait_ends_at_once_when_the_supervisor_is_killed(target: Target) -> None:
    job_id = target.run('exec sleep 1000')
    waiting = target.popen({'op': 'wait', 'ids': [job_id], 'seconds': 1000})
    until(lambda: target.watches(waiting.pid))

    target.kill_supervisor(job_id)

    (look,) = looks(answer(waiting))
    assert look['job']['state'] == 'lost'


@pytest.mark.long
def test_a_wait_that_is_over_as_the_job_ends_brings_the_output_too(some_target: Target) -> None:
    for _number in range(40):  # now and then the end comes between the wait's two looks at the job
        job_id = some_target.run('sleep 0.02; ' + result())
        (look,) = some_target.ask('wait', ids=[job_id], seconds=0)
        while not look['ended']:
            (look,) = some_target.ask('wait', ids=[job_id], seconds=0)
        assert look['output']['rc'] == 0


@pytest.mark.parametrize('late', [False, True], ids=['at once', 'late'])
def test_a_success_that_cannot_be_written_for_a_moment(some_target: Target, late: bool) -> None:
    job_id = _unwritable(some_target, late)

    assert some_target.job(job_id)['state'] == 'running'
    (some_target.files(job_id) / 'end.spare').rmdir()
    assert some_target.ended(job_id)['state'] == 'succeeded'


def test_a_shutdown_does_not_wait_for_an_end_that_cannot_be_written(some_target: Target) -> None:
    job_id = _unwritable(some_target, late=False)

    os.kill(some_target.note(job_id, 'run.json')['supervisor'], signal.SIGTERM)
    until(lambda: not some_target.processes())
    job = some_target.job(job_id)
    assert job['state'] == 'lost'
    assert 'or could not write its end' in job['reason']


def _unwritable(target: Target, late: bool) -> str:
    """A job that has succeeded, whose supervisor could not write it: a directory is where end.json is to come from."""
    gate = target.gate()
    job_id = target.run(gate.before(result(changed=True)))
    if late:
        target.until_small(job_id)
    spare = target.files(job_id) / 'end.spare'
    spare.unlink()
    spare.mkdir()
    gate.open()
    until(lambda: target.result_file(job_id) == {'changed': True})
    return job_id


_PATCHED_RUNTIME = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from module_utils._runtime.door import respond
from module_utils._runtime.files.job import Job
from module_utils._runtime.supervise import supervisor

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

rename = os.rename
%s
print(json.dumps(respond(json.loads(sys.stdin.read()))))
"""


def test_a_supervisor_is_killed_before_it_could_report(some_target: Target) -> None:
    """The process that is to execute the module is there by then. It waits for the request, so that must not wait for it."""
    order = Order(result())
    _start_with_patched_runtime(some_target, order, 'Job.write = lambda job, name, value: kill()')
    # The process that was to execute the module has the lock until it has ended.
    until(lambda: not some_target.processes())
    job = some_target.job(order.id)
    assert job['state'] == 'lost'
    assert 'was cut off before its module was executed' in job['reason']


def _start_with_patched_runtime(target: Target, order: Order, patch: str) -> None:
    """Start a job by a runtime in which *patch* (a statement) makes something fail."""
    request = {'version': VERSION, 'async_dir': str(target.async_dir), **start_request(order)}
    done = subprocess.run(
        [target.python, '-I', '-S', '-c', _PATCHED_RUNTIME % patch, str(PLUGINS)],
        input=json.dumps(request).encode(),
        stdout=subprocess.PIPE,
        env=target.environment,
        timeout=HUNG,
        check=True,
    )
    assert looks(json.loads(done.stdout.decode()))


def test_what_fails_after_the_end_does_not_change_it(some_target: Target) -> None:
    order = Order(result())
    _start_with_patched_runtime(some_target, order, 'supervisor.remove_tmpdir = lambda tmpdir: 1 / 0')

    until(lambda: not some_target.processes())
    assert some_target.job(order.id)['state'] == 'succeeded'


def test_a_supervisor_is_killed_just_after_the_module_was_executed(some_target: Target) -> None:
    """Nothing says so yet, but the module runs. It keeps its slot and its temporary directory."""
    gate, tmpdir = some_target.gate(), some_target.directory / 'tmpdir'
    tmpdir.mkdir()
    first, second = blocked(gate, queue='q', tmpdir=str(tmpdir)), Order(result(), queue='q')
    patch = "os.rename = lambda old, new: kill() if new.endswith('run.json') else rename(old, new)"
    _start_with_patched_runtime(some_target, first, patch)
    some_target.start(second)

    assert some_target.states(first, second) == ['lost', 'queued']
    job = some_target.job(first.id)
    assert 'still ran when this was found out' in job['reason']
    assert job['started']
    assert tmpdir.exists()
    gate.open()
    assert some_target.ended(second.id)['state'] == 'succeeded'


@pytest.mark.parametrize('whom', ['the supervisor', 'both'])
def test_a_supervisor_is_killed_before_it_could_execute_the_module(some_target: Target, whom: str) -> None:
    """No module of a request is executed before all are ready, and the second must wait for its name."""
    some_target.start()
    trace = some_target.directory / 'trace'
    orders = Order('touch %s' % trace), Order(result(), name='taken')
    with open(str(some_target.async_dir / '.names/taken'), 'w', encoding='ascii') as name:
        fcntl.flock(name, fcntl.LOCK_EX)
        starting = some_target.popen(start_request(*orders))
        until(lambda: len(set(some_target.supervisors()) - {starting.pid}) == 2)
        supervisor, module = sorted(set(some_target.supervisors()) - {starting.pid})
        if _parent(supervisor) == module:
            supervisor, module = module, supervisor
        os.kill(supervisor, signal.SIGKILL)
        if whom == 'both':
            os.kill(module, signal.SIGKILL)
        else:  # a kill takes the kernel a moment, and the orphan is executed if it asks before
            until(lambda: _parent(module) != supervisor)

    first, second = [some_target.ended(look['id']) for look in looks(answer(starting))]
    assert (first['state'], second['state']) == ('lost', 'succeeded')
    assert 'was cut off before its module was executed' in first['reason']
    assert not trace.exists()


def _parent(pid: int) -> int:
    return int(Path('/proc/%d/stat' % pid).read_text(encoding='utf-8').rpartition(')')[2].split()[1])


def test_memory_is_limited(target: Target) -> None:
    """RLIMIT_AS; a memory cgroup's kill is SIGKILL, tried on a test host."""
    job_id = target.run('ulimit -v 300000; exec %s -c "bytearray(10**9)"' % target.python)

    job = target.ended(job_id)
    assert job['state'] == 'failed'
    assert 'ended with rc 1 and printed no JSON result' in job['reason']
    assert 'MemoryError' in target.result_file(job_id)['stderr']


@pytest.mark.parametrize('argv', [['/no/such/python'], ['/etc/passwd'], ['/']])
def test_the_interpreter_is_missing(target: Target, argv: List[str]) -> None:
    order = Order('', argv=argv)

    (look,) = target.start(order)
    assert look['ended'], 'known when the start is answered'
    assert look['job']['state'] == 'failed'
    assert 'could not execute %s: ' % argv[0] in look['job']['reason']
    assert target.result_file(order.id)['failed'] is True


def test_the_working_directory_is_gone(some_target: Target) -> None:
    """A queued job may start long after its directory was removed; that is no reason not to start."""
    gone = some_target.directory / 'gone'
    gone.mkdir()
    gate = some_target.gate()
    some_target.prefix = ['env', '--chdir', str(gone)]
    first = some_target.run(gate.before(result()), queue='q')
    second = some_target.run(result(), queue='q')
    some_target.prefix = []
    gone.rmdir()
    gate.open()

    assert [look['job']['state'] for look in some_target.end(first, second)] == ['succeeded', 'succeeded']


_NO_JSON = [
    '',
    'hello',
    '[1, 2]',
    '"text"',
    '{"changed": tru',
    '{"a": 1}\\n{"b": 2}',
    '{"a":' * 9 + '1}',
    '{} }',
    '\\0\\377\\376{',
]


def test_the_result_is_not_json(target: Target) -> None:
    orders = [Order("printf '%s'; echo oops >&2; exit 3" % printed) for printed in _NO_JSON]
    target.start(*orders)

    for printed, look in zip(_NO_JSON, target.end(*[order.id for order in orders])):
        assert look['job']['state'] == 'failed', printed
        assert 'ended with rc 3 and printed no JSON result' in look['job']['reason'], printed
        assert target.result_file(look['id'])['stderr'] == 'oops\n', printed


def test_the_result_is_nested_too_deeply(target: Target) -> None:
    depth = 100000
    job_id = target.run('exec %s -c "print(\'{\\"a\\":\' * %d + \'1\' + \'}\' * %d)"' % (target.python, depth, depth))

    job = target.ended(job_id)
    assert job['state'] in ('failed', 'succeeded'), 'some interpreters can read it'
    assert job['state'] == 'succeeded' or 'printed no JSON result' in job['reason']


def test_a_bad_end_has_the_last_lines(some_target: Target) -> None:
    script = (
        'printf "first\\r50%%\\r100%%\\n"; for number in $(seq 30); do echo line $number; done; echo no space >&2; '
    )
    failed, late = some_target.run(script + 'exit 1'), some_target.run(script + 'exec sleep 1000', limit=3, grace=0)
    for job_id, reason in (failed, 'printed no JSON result'), (late, 'Timeout exceeded'):
        job = some_target.ended(job_id)
        assert job['last_lines'] == ['line %d' % number for number in range(12, 31)] + ['no space']
        assert reason in job['reason']
        assert job['reason'].endswith(': no space')

    hidden = some_target.ended(some_target.run(script + 'exit 1', no_log=True))
    assert 'last_lines' not in hidden
    assert 'no space' not in hidden['reason']
    good = some_target.ended(some_target.run('echo word >&2; ' + result()))
    assert 'last_lines' not in good


@pytest.mark.parametrize('letter', ['x', '"', '\u00e9', '\U0001f600'])
def test_what_is_told_of_a_bad_end_fits_into_the_room_set_aside(some_target: Target, letter: str) -> None:
    message = letter * 3000
    (some_target.directory / 'result').write_text(json.dumps({'failed': True, 'msg': message}), encoding='ascii')
    (some_target.directory / 'lines').write_text((message + '\n') * 30, encoding='utf-8')
    job_id = some_target.run('cat %s/lines >&2; cat %s/result' % (some_target.directory, some_target.directory))

    job = some_target.ended(job_id)
    assert job['state'] == 'failed'
    assert job['last_lines'][-1].startswith(letter * 10)
    assert (some_target.files(job_id) / 'end.json').stat().st_size <= SPARE


@pytest.mark.parametrize(('number', 'name'), [(9, 'SIGKILL'), (32, 'signal 32')])
def test_a_signal_that_ended_the_command_has_its_name(some_target: Target, number: int, name: str) -> None:
    job = some_target.ended(some_target.run(result(rc=-number, msg='non-zero return code')))

    assert job['state'] == 'failed'
    assert job['reason'].endswith('killed by %s' % name)


def test_what_stands_around_the_result(target: Target) -> None:
    job_id = target.run('echo Welcome; %s; echo Goodbye' % result(changed=False))

    assert target.ended(job_id)['state'] == 'succeeded'
    assert target.result_file(job_id) == {
        'changed': False,
        'warnings': ['Module invocation had junk after the JSON data: Goodbye'],
    }


def test_output_that_is_not_utf_8(target: Target) -> None:
    job_id = target.run("printf '{\"text\": \"caf\\351\"}'")

    (look,) = target.end(job_id)
    assert look['job']['state'] == 'succeeded'
    assert look['output']['stdout'].encode('utf-8', 'surrogateescape') == b'{"text": "caf\351"}'


@pytest.mark.long
def test_output_that_is_too_long_is_cut(some_target: Target) -> None:
    """A look must not need gigabytes of memory."""
    much = 'head -c 20000000 /dev/zero'
    orders = [Order('%s >&2; %s' % (much, result())), Order(much)]
    some_target.start(*orders)
    jobs = [look['job'] for look in some_target.end(*[order.id for order in orders])]

    assert [job['state'] for job in jobs] == ['succeeded', 'failed']
    for order, key, name in zip(orders, ('stderr', 'data'), ('stderr', 'stdout')):
        text = some_target.result_file(order.id)[key]
        assert text[16777216:] == '\n[cut: all of it is in %s]' % (some_target.files(order.id) / name)


def test_a_long_result_is_not_cut(some_target: Target) -> None:
    job_id = some_target.run("printf '{\"a\": \"'; head -c 20000000 /dev/zero | tr '\\0' x; echo '\"}'")

    some_target.end(job_id)
    assert some_target.result_file(job_id) == {'a': 'x' * 20000000}


@pytest.mark.long
def test_the_result_is_larger_than_the_memory(some_target: Target) -> None:
    """As JSON, each of these bytes is 6 characters."""
    some_target.prefix = ['sh', '-c', 'ulimit -v 120000; exec "$@"', 'sh']
    job_id = some_target.run("head -c 15000000 /dev/zero | tr '\\0' '\\377' >&2; %s" % result())
    until(lambda: not some_target.processes())

    some_target.prefix = []
    assert some_target.job(job_id)['state'] == 'succeeded'
    assert 'it did not fit: not enough memory' in some_target.result_file(job_id)['msg']


def test_the_environment_is_not_ascii(target: Target) -> None:
    """Python 3.6 takes the locale of a bare ssh command for ASCII."""
    for name in ('LANG', 'LC_ALL', 'LC_CTYPE'):
        target.environment.pop(name, None)
    target.environment['LC_ALL'] = 'C'
    target.environment['SENT'] = 'Gr\u00fc\u00dfe'
    job_id = target.run('echo "{\\"text\\": \\"$GIVEN $SENT\\"}"', environment={'GIVEN': 'Zo\u00eb'})

    assert target.ended(job_id)['state'] == 'succeeded'
    assert target.result_file(job_id) == {'text': 'Zo\u00eb Gr\u00fc\u00dfe'}


def test_the_locale_is_not_utf_8(target: Target) -> None:
    """What a module inherits is the same to the byte."""
    if not shutil.which('localedef') or not os.path.exists('/usr/share/i18n/locales/en_US'):
        left_out('a locale with another encoding: localedef or its sources are not installed')
    locale = target.directory / 'en_US.ISO-8859-1'
    subprocess.run(['localedef', '-i', 'en_US', '-f', 'ISO-8859-1', str(locale)], check=True)
    target.environment.update(LOCPATH=str(target.directory), LC_ALL=locale.name, SENT='\u00fc\udce9')
    target.async_dir = target.directory / '\u00fc'
    order = Order('', argv=['{job}/payload'], stdin=False)
    order.script = b'#!/bin/sh\nprintf \'{"sent": "%s"}\' "$(printf %s "$SENT" | od -An -tx1)"'
    target.start(order)

    (look,) = target.end(order.id)
    assert json.loads(look['output']['stdout']) == {'sent': ' c3 bc e9'}


def test_the_files_of_a_running_job_are_removed(some_target: Target) -> None:
    begun, gate = some_target.message(), some_target.gate()
    job_id = some_target.run('echo begun > %s; : < %s' % (begun, gate))
    assert begun.heard() == 'begun'

    shutil.rmtree(str(some_target.async_dir))
    look = some_target.look(job_id)
    assert not look['known']
    gate.open()
    until(lambda: not some_target.processes())
    assert not some_target.look(job_id)['known']


@pytest.fixture
def runtime(some_target: Target) -> Path:
    """The runtime of *some_target*, which may be removed."""
    some_target.plugins = some_target.directory / 'plugins'
    runtime = some_target.plugins / 'module_utils'
    shutil.copytree(str(PLUGINS / 'module_utils'), str(runtime), ignore=shutil.ignore_patterns('__pycache__'))
    return runtime


def test_the_runtime_is_removed(some_target: Target, runtime: Path) -> None:
    """Somebody tidies up what is older than a week, or another version is started when this one is as old."""
    gates = [some_target.gate(name) for name in ('first', 'second')]
    first, second = (blocked(gate, result(changed=True), queue='q') for gate in gates)
    some_target.start(first, second)
    some_target.until_small(first.id)

    shutil.rmtree(str(runtime))
    for gate in gates:
        gate.open()
    some_target.plugins = PLUGINS
    some_target.end(first.id, second.id)
    assert [some_target.result_file(job.id) for job in (first, second)] == [{'changed': True}] * 2


def test_the_runtime_is_damaged(some_target: Target, runtime: Path) -> None:
    """The supervisor cannot load it again, so it keeps what it has loaded."""
    job_id = some_target.run('sleep 3; %s' % result(changed=True))
    for path in runtime.rglob('*.py'):
        path.write_bytes(b'(')

    some_target.plugins = PLUGINS
    assert some_target.ended(job_id)['state'] == 'succeeded'


@pytest.mark.parametrize('how', ['upgraded', 'moved'])
def test_the_runtime_is_replaced_while_a_function_waits(some_target: Target, runtime: Path, how: str) -> None:
    """Its supervisor keeps its image then. That of the first job is loading the next one just now, and may get lost."""
    gates = [some_target.gate(name) for name in ('first', 'second')]
    first, second = (blocked(gate, result(changed=True), function, queue='q') for gate in gates)
    some_target.start(first, second)
    if how == 'moved':
        runtime.rename(runtime.with_name('moved'))
    else:
        for path in runtime.rglob('*.py'):
            path.write_bytes(b'(')

    some_target.plugins = PLUGINS
    gates[0].open()
    until((some_target.files(second.id) / 'run.json').exists)
    gates[1].open()
    assert some_target.ended(second.id)['state'] == 'succeeded'


def test_everything_is_removed(some_target: Target, runtime: Path) -> None:
    """The limit holds all the same."""
    job_id = some_target.run('setsid sleep 1000 & sleep 1000', limit=6)
    some_target.until_small(job_id)

    shutil.rmtree(str(runtime))
    shutil.rmtree(str(some_target.async_dir))
    assert some_target.processes()
    until(lambda: not some_target.processes())


def test_damaged_files(some_target: Target) -> None:
    """What a power cut leaves of files that had not reached the disk."""
    ids = [some_target.run(result(changed=True)) for _number in range(3)]
    some_target.end(*ids)
    for path in some_target.files(ids[0]).glob('*.json'):
        path.write_bytes(b'')
    (some_target.files(ids[1]) / 'end.json').write_bytes(b'')
    (some_target.async_dir / ids[2]).write_bytes(b'')

    first, second, third = some_target.ask('status', ids=ids)
    assert first['job']['state'] == 'lost'
    assert 'damaged' in first['job']['reason']
    assert second['job']['state'] == 'lost'
    assert (third['job']['state'], third['result']) == ('succeeded', {'changed': True})
    assert len(some_target.ask('list', states=None, names=None, queues=None)) == 3


def test_a_module_that_is_not_whole_is_not_executed(some_target: Target) -> None:
    """What a power cut leaves of it while the job waits may be a whole script as well."""
    gate, trace = some_target.gate(), some_target.directory / 'trace'
    first = blocked(gate, queue='q')
    orders = [Order('touch %s; %s #' % (trace, result()), queue='q') for _number in range(2)]
    some_target.start(first, *orders)
    cut, gone = (some_target.files(order.id) / 'base' for order in orders)
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    gate.open()

    for look in some_target.end(*[order.id for order in orders]):
        assert look['job']['state'] == 'failed'
        assert look['job']['reason'].endswith('the file of its module is not whole')
    assert not trace.exists()


@pytest.mark.parametrize('step', [_HOUR, -_HOUR])
def test_the_clock_is_set(some_target: Target, step: int) -> None:
    clock = set_clock(some_target)
    asked, gate = some_target.message(), some_target.gate()
    before = Order('date +%%s; echo > %s; : < %s; date +%%s; %s' % (asked, gate, result()))
    limited = Order('exec sleep 1000', limit=1)
    some_target.start(before, limited)

    asked.heard()
    clock.write_text('%+d\n' % step, encoding='ascii')
    job = some_target.job(before.id)
    assert job['state'] == 'running'
    assert 0 <= job['elapsed'] < 600
    gate.open()
    first, second = some_target.end(before.id, limited.id)
    assert first['job']['state'] == 'succeeded'
    times = [int(line) for line in first['output']['stdout'].splitlines()[:2]]
    assert abs(times[1] - times[0] - step) < 600, 'the clock was set indeed'
    assert 0 <= first['job']['elapsed'] < 600
    assert second['job']['state'] == 'timed_out'
    assert 1 <= second['job']['elapsed'] < 600
    assert some_target.ask('prune', older_than=2 * _HOUR, states=ENDED, keep=0, check=False) == []
