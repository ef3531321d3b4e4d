# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users see of `async`, `poll`, async_status and the job file, one line for each. Differences have their reason."""

from __future__ import annotations

import typing as t

from ansible_collections.background.jobs.tests.integration._cases import NAUGHTY, SECRET, prints
from ansible_collections.background.jobs.tests.integration._engines import Behaviour
from ansible_collections.background.jobs.tests.integration._parity import Part
from ansible_collections.background.jobs.tests.integration._targets import CORE

# Numbers before ansible-core 2.19.
YES, NO = (True, False) if CORE >= (2, 19) else (1, 0)
ID = 'JID'
JOB_ID = '{{ THIS_start.ansible_job_id }}'
MESSAGE = 'a sentence that says what happened, with the error of a Python traceback in it, not all of that'
HELP = 'beside the message'
RACE = 'with ansible-core it is chance whether its polling gives up first, or its async_wrapper stops the module'
NUMBERS = {'*.failed': 'true, where ansible-core before 2.19 says 1'}
NO_COMMAND = 'the name of a temporary file, which no job has any more'


def polled(task: dict[str, t.Any], limit: int = 300, **keywords: t.Any) -> dict[str, t.Any]:
    return {**task, 'async': limit, 'poll': 1, 'register': 'THIS_polled', **keywords}


def started(task: dict[str, t.Any], limit: int = 300, **keywords: t.Any) -> dict[str, t.Any]:
    return {**task, 'async': limit, 'poll': 0, 'register': 'THIS_start', **keywords}


def status(register: str = 'THIS_status', jid: str = JOB_ID, **keywords: t.Any) -> dict[str, t.Any]:
    return {'async_status': {'jid': jid}, 'register': register, **keywords}


def ended(**keywords: t.Any) -> dict[str, t.Any]:
    until: dict[str, t.Any] = {'until': 'THIS_ended.finished | bool', 'retries': 300, 'delay': 1}
    return status('THIS_ended', **until, **keywords)


def cleanup(register: str = 'THIS_cleanup', **keywords: t.Any) -> dict[str, t.Any]:
    return {'async_status': {'jid': JOB_ID, 'mode': 'cleanup'}, 'register': register, **keywords}


def shell(command: str, register: str = 'THIS_shell', **keywords: t.Any) -> dict[str, t.Any]:
    return {'shell': command, 'register': register, 'changed_when': False, **keywords}


NO_RESULT = {f'{variable}.{key}': MESSAGE for variable in ('polled', 'ended') for key in ('msg', 'exception*')}
NO_RESULT.update({f'{variable}.cmd': NO_COMMAND for variable in ('polled', 'ended')})
NO_RESULT.update({'polled.stderr*': NO_COMMAND, **NUMBERS})

STARTED = [
    Behaviour(
        'what a start returns',
        [started({'command': 'true'}), ended(), cleanup()],
        {
            'start.started': YES,
            'start.finished': NO,
            'start.changed': True,
            'start.ansible_job_id': ID,
            'start.results_file': f'/home/deploy/.ansible_async/{ID}',
            'ended.finished': YES,
            'cleanup.erased': f'/home/deploy/.ansible_async/{ID}',
        },
    ),
    Behaviour(
        'a job that runs',
        [started({'command': 'sleep 300'}), status(), shell('cat {{ THIS_start.results_file }}')],
        {
            'status.started': YES,
            'status.finished': NO,
            'status.changed': False,
            'shell.stdout': Part('"ansible_job_id": "JID"'),
        },
    ),
    Behaviour(
        'the job file of a job that has ended',
        [
            started({'shell': 'echo out; echo err >&2'}),
            ended(),
            shell(
                'python3 -c "import json,sys; print(sorted(json.load(open(sys.argv[1]))))" {{ THIS_start.results_file }}'
            ),
        ],
        {'ended.stdout': 'out', 'ended.stderr': 'err', 'ended.rc': 0, 'shell.stdout': Part("'stdout'")},
    ),
    Behaviour(
        'a cleanup while the job runs',
        [
            started({'shell': 'until test -e ~/THIS_gate; do sleep 0.2; done'}),
            cleanup(),
            status(),
            shell('test -e {{ THIS_start.results_file }} || echo gone; touch ~/THIS_gate'),
            shell('until test -s {{ THIS_start.results_file }}; do sleep 0.2; done', 'THIS_wait', timeout=200),
            ended(),
        ],
        {
            'shell.stdout': 'gone',
            'ended.rc': 0,
            'cleanup.erased': Part('JID'),
            'status.msg': 'could not find job',
            'status.finished': YES,
        },
        {'status.reason': HELP},
    ),
    Behaviour(
        'a job that is not there',
        [
            status(jid='j12345.678'),
            {'async_status': {'jid': 'j12345.678', 'mode': 'cleanup'}, 'register': 'THIS_cleanup'},
        ],
        {'status.msg': 'could not find job', 'status.finished': YES, 'status.failed': True},
        {
            '*.reason': HELP,
            'cleanup.erased': 'nothing was',
            'cleanup.results_file': 'looked for',
            'cleanup.exception*': 'here no module runs on the target',
        },
    ),
    Behaviour(
        'an id of a time before ids began with j',
        [status(jid='488359678239.2844')],
        {'status.msg': 'could not find job', 'status.failed': True},
        {'*.reason': HELP},
    ),
    Behaviour(
        'what is no id',
        [status(jid='no/../id')],
        {'status.msg': 'could not find job', 'status.finished': YES, 'status.failed': True},
        {'*.reason': HELP, 'status.results_file': 'there is none for such a name'},
    ),
    Behaviour(
        'by the full name',
        [
            started({'ansible.builtin.command': 'echo hi'}),
            {
                'ansible.builtin.async_status': {'jid': JOB_ID},
                'register': 'THIS_ended',
                'until': 'THIS_ended.finished | bool',
                'retries': 300,
                'delay': 1,
            },
            {'ansible.builtin.async_status': {'jid': JOB_ID, 'mode': 'cleanup'}, 'register': 'THIS_cleanup'},
            {'ansible.builtin.async_status': {'jid': JOB_ID}, 'register': 'THIS_status'},
        ],
        {'ended.stdout': 'hi', 'cleanup.erased': Part('JID'), 'status.msg': 'could not find job'},
        {'status.reason': HELP},
    ),
    Behaviour(
        'a loop',
        [
            {**started({'command': 'echo {{ item }}'}), 'loop': ['a', 'b']},
            {
                'async_status': {'jid': '{{ item.ansible_job_id }}'},
                'loop': '{{ THIS_start.results }}',
                'register': 'THIS_ended',
                'until': 'THIS_ended.finished | bool',
                'retries': 300,
                'delay': 1,
            },
        ],
        {'ended.results.1.stdout': 'b', 'start.results.0.finished': NO},
        {'ended.results.*.item.job*': 'new', **NUMBERS},
    ),
    Behaviour(
        'another directory',
        [
            started({'command': 'printenv ANSIBLE_ASYNC_DIR'}, vars={'ansible_async_dir': '~/.else/where'}),
            ended(vars={'ansible_async_dir': '~/.else/where'}),
            status(),
        ],
        {
            'start.results_file': '/home/deploy/.else/where/JID',
            'ended.stdout': '~/.else/where',
            'status.msg': 'could not find job',
        },
        {'status.reason': HELP},
    ),
]

POLLED = [
    Behaviour(
        'a command',
        [polled({'command': 'echo hi'}), shell('ls {{ THIS_polled.results_file }}')],
        {'polled.stdout': 'hi', 'polled.finished': YES, 'events': ['async_ok', 'ok', 'failed'], 'shell.rc': 2},
    ),
    Behaviour(
        'a command that fails',
        [polled({'shell': 'echo out; echo err >&2; exit 3'})],
        {'polled.rc': 3, 'polled.failed': True, 'events': ['async_failed', 'failed']},
    ),
    Behaviour(
        'a command that is not there',
        [polled({'command': '/no/such/command'})],
        {'polled.rc': 2, 'polled.failed': True},
    ),
    Behaviour('a result with an rc', [polled(prints(b'{"changed": true, "rc": 4}'))], {'polled.rc': 4}),
    Behaviour(
        'junk around a result',
        [polled(prints(b'Hello\n{"changed": true, "msg": "x"}\nBye\n', b'careful\n'))],
        {'polled.msg': 'x', 'polled.stderr': 'careful\n'},
    ),
    Behaviour('no result', [polled(prints(b'Hello\n', b'World\n', rc=3))], {'polled.failed': True}, NO_RESULT),
    Behaviour('half a result', [polled(prints(b'{"changed": tru'))], {'polled.failed': True}, NO_RESULT),
    Behaviour('no output', [polled(prints())], {'polled.failed': True}, NO_RESULT),
    Behaviour('a traceback', [polled({'raises': {}})], {'polled.failed': True}, NO_RESULT),
    Behaviour('old style', [polled({'old_python': {'text': NAUGHTY}})], {'polled.given.text': NAUGHTY}),
    Behaviour('WANT_JSON', [polled({'json_python': {'text': NAUGHTY}})], {'polled.given.text': NAUGHTY}),
    Behaviour('JSON inside', [polled({'json_inside': {'number': 5}})], {'polled.given': {'number': 5}}),
    Behaviour('JSON inside, in shell', [polled({'inside_shell': {'number': 5}})], {'polled.given.number': 5}),
    Behaviour('binary', [polled({'binary': {'changed': True, 'text': NAUGHTY}})], {'polled.text': NAUGHTY}),
    Behaviour(
        'a result of every type',
        [polled({'full': {'text': NAUGHTY, 'items': ['ä', '']}})],
        {'polled.text': NAUGHTY, 'polled.deep.a.0.b': 1.5, 'polled.nothing': None},
    ),
    Behaviour(
        'its process',
        [
            polled(
                {
                    'shell': 'cat; pwd; umask; nice; id; test -t 1 || echo none; env | grep -vE "^(_|SSH_.*|XDG_SESSION_ID)=" | sort'
                },
                environment={'A': NAUGHTY},
            )
        ],
        {'polled.stdout_lines.0': '/home/deploy', 'polled.stdout_lines.1': '0022'},
    ),
    Behaviour(
        'over the limit',
        [polled({'command': 'sleep 60'}, limit=2)],
        {'polled.failed': True, 'events': ['async_failed', 'failed']},
        {'polled.*': RACE},
    ),
    Behaviour(
        'over the limit, looked at later',
        [started({'command': 'sleep 60'}, limit=1), ended()],
        {'ended.msg': 'Timeout exceeded', 'ended.failed': True},
    ),
    Behaviour(
        'over the limit at the first look',
        [polled({'command': 'sleep 60'}, limit=1), status(jid='j1.1')],
        {'polled.failed': True},
        {'polled.*': RACE, 'status.reason': HELP},
    ),
    Behaviour(
        'a short limit',
        # ansible-core before 2.18 gives each job ten seconds: most of them are for a busy machine to start the module in.
        [started({'command': f'sleep {1.5 if CORE < (2, 18) else 60}'}, limit=1), ended()],
        {'ended.rc': 0} if CORE < (2, 18) else {'ended.msg': 'Timeout exceeded'},
    ),
    Behaviour(
        'a daemon when the limit stops its starter',
        [
            polled({'shell': 'setsid sleep 777 & sleep 888'}, limit=20, poll=4),
            # With ansible-core the starter may live on: its wrapper sets the process group of a module that may have
            # forked by then, and kills this group alone.
            shell('timeout 90 sh -c "while pgrep -f sleep.88[8]; do sleep 0.2; done"', 'THIS_wait', failed_when=False),
            shell('pkill -f "sleep 77[7]" && echo alive'),
        ],
        {'polled.failed': True, 'shell.stdout': 'alive'},
        {'polled.*': RACE, 'wait.*': 'the pids of other runs'},
    ),
    Behaviour(
        'become, the home of the login user closed',
        [
            shell('chmod 0700 ~', 'THIS_close'),
            polled({'shell': 'touch rel.txt && echo made'}, become=True, become_user='plain'),
            shell('chmod 0755 ~', 'THIS_open'),
        ],
        {'polled.stdout': 'made'},
    ),
    Behaviour(
        'keywords',
        [polled({'command': 'false'}, failed_when='THIS_polled.rc > 1', changed_when='THIS_polled.rc == 1')],
        {'polled.failed': False, 'polled.changed': True, 'polled.rc': 1},
    ),
    Behaviour(
        'a polled loop', [polled({'command': 'echo {{ item }}'}, loop=['a', 'b'])], {'polled.results.1.stdout': 'b'}
    ),
    Behaviour(
        'no_log', [polled({'command': f'echo {SECRET}'}, no_log=True)], {'polled.stdout': SECRET, 'polled.rc': 0}
    ),
    Behaviour(
        'check mode',
        [polled({'command': 'true'}, check_mode=True)],
        {'polled.skipped': True} if CORE >= (2, 17) else {'polled.failed': True},
    ),
    Behaviour(
        'check mode that predicts',
        [polled({'file': {'path': '/tmp/never', 'state': 'touch'}}, check_mode=True)],
        {'polled.changed': True} if CORE >= (2, 17) else {'polled.failed': True},
    ),
    Behaviour(
        'what cannot run in the background',
        [polled({'copy': {'content': 'x', 'dest': '/tmp/x'}}), polled({'debug': {'msg': 'x'}})],
        {'polled.failed': True},
    ),
    Behaviour(
        'become',
        [polled({'shell': 'id -un; echo ~'}, become=True, become_user='plain')],
        {'polled.stdout_lines': ['plain', '/home/plain'], 'polled.results_file': '/home/plain/.ansible_async/JID'},
    ),
    Behaviour(
        'become with a password',
        [
            started({'command': 'id -un'}, become=True, vars={'ansible_user': 'operator'}),
            ended(become=True, vars={'ansible_user': 'operator'}),
        ],
        {'ended.stdout': 'root', 'ended.results_file': '/root/.ansible_async/JID'},
    ),
    Behaviour(
        'facts in parallel',
        [
            {
                'gather_facts': {'parallel': True, 'gather_subset': ['!all', '!min', 'user']},
                'vars': {'ansible_facts_modules': ['setup', 'full']},
                'register': 'THIS_facts',
                # Without a limit of its own, ansible-core gives each of the modules five seconds.
                'until': 'THIS_facts is not failed',
                'retries': 30,
                'delay': 1,
            },
            {'debug': {'msg': '{{ ansible_facts.user_id }}'}, 'register': 'THIS_used'},
        ],
        {'used.msg': 'deploy'},
        {'facts.*': 'ids and types of two jobs'},
    ),
    Behaviour('without async', [{**shell('echo hi'), 'async': 0}], {'shell.stdout': 'hi'}),
    Behaviour(
        'delegated',
        [polled({'command': 'echo hi'}, delegate_to='{{ inventory_hostname }}')],
        {'polled.stdout': 'hi'},
    ),
]

BEHAVIOURS = [*STARTED, *POLLED]
