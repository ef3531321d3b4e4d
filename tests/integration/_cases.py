# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of the parity test. Each line shows what it is there for; what may differ has its reason beside it."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.background.jobs.tests.integration._parity import Case, Part
from ansible_collections.background.jobs.tests.integration._targets import CORE

NAUGHTY = 'grüße 日本語 🐘 \'single\' "double" $HOME `tick` \\back %percent {brace}'
SECRET = 'open sesame'
# From 2.19 on, ansible-core refuses what is not UTF-8.
PREFIX = {
    'msg': 'begins with `Task failed` where an exception ends a task, but a job returns a result',
    'exception*': 'likewise',
}
REFUSED = {'failed': True} if CORE >= (2, 19) else {'changed': True}


def prints(stdout: bytes = b'', stderr: bytes = b'', **options: t.Any) -> dict[str, t.Any]:
    """The test module that prints just these bytes."""
    return {
        'prints': {'stdout': base64.b64encode(stdout).decode(), 'stderr': base64.b64encode(stderr).decode(), **options}
    }


COMMANDS = [
    Case('command', {'command': 'echo hi'}, {'stdout': 'hi', 'changed': True}),
    Case('command with options', {'ansible.builtin.command': {'cmd': 'pwd', 'chdir': '/usr'}}, {'stdout': '/usr'}),
    Case(
        'command with argv',
        {'command': {'argv': ['printf', '%s|', NAUGHTY, '', ' '], 'expand_argument_vars': False}},
        {'stdout': f'{NAUGHTY}|| |'},
    ),
    Case('command by its legacy name', {'ansible.legacy.command': 'echo hi'}, {'stdout': 'hi'}),
    Case(
        'command without expansion',
        {'command': {'cmd': 'echo $HOME', 'expand_argument_vars': False}},
        {'stdout': '$HOME'},
    ),
    Case('shell', {'shell': 'echo out; echo err >&2'}, {'stdout': 'out', 'stderr': 'err'}),
    Case('shell with executable', {'shell': {'cmd': 'echo $BASH', 'executable': '/bin/bash'}}, {'stdout': '/bin/bash'}),
    Case(
        'shell with stdin',
        {'shell': {'cmd': 'od -c', 'stdin': 'a\nb'}},
        {'stdout_lines.0': '0000000   a  \\n   b  \\n'},
    ),
    Case(
        'shell with bare stdin',
        {'shell': {'cmd': 'od -c', 'stdin': 'a', 'stdin_add_newline': False}},
        {'stdout_lines.0': '0000000   a'},
    ),
    Case('shell without stdin', {'shell': 'cat'}, {'stdout': '', 'rc': 0}),
    Case(
        'shell creates',
        {'shell': {'cmd': 'echo x >> made', 'chdir': '{{ dir }}', 'creates': '{{ dir }}/made'}},
        {'rc': 0},
    ),
    Case(
        'shell created',
        {'shell': {'cmd': 'echo x >> made', 'chdir': '{{ dir }}', 'creates': '{{ dir }}/made'}},
        {'changed': False},
    ),
    Case('shell removes', {'shell': {'cmd': 'rm made', 'chdir': '{{ dir }}', 'removes': 'made'}}, {'changed': True}),
    Case('shell removed', {'shell': {'cmd': 'rm made', 'chdir': '{{ dir }}', 'removes': 'made'}}, {'changed': False}),
    Case('free form with options', {'shell': 'pwd creates={{ dir }}/none chdir=/usr'}, {'stdout': '/usr'}),
    Case(
        'free form from a variable',
        {'command': '{{ sly }}'},
        {'stdout': 'creates=/etc/passwd chdir=/usr x'},
        {'vars': {'sly': 'echo creates=/etc/passwd chdir=/usr x'}},
    ),
    Case(
        'free form with a variable inside',
        {'shell': 'pwd; echo {{ sly }} chdir=/usr'},
        {'stdout_lines': ['/usr', 'creates=/etc/passwd']},
        {'vars': {'sly': 'creates=/etc/passwd'}},
    ),
    Case('several lines', {'shell': 'cat <<EOF\none\n  two\n\nEOF\n'}, {'stdout_lines': ['one', '  two']}),
    Case('a failing command', {'command': 'sh -c "echo out; echo err >&2; exit 3"'}, {'rc': 3, 'failed': True}),
    Case('a command killed', {'shell': 'kill -KILL $$'}, {'rc': -9}),
    Case('a command that is not there', {'command': '/no/such/command'}, {'rc': 2, 'failed': True}),
    Case('a directory that is not there', {'command': {'cmd': 'true', 'chdir': '/no/such'}}, {'failed': True}),
    Case('a wrong option', {'ansible.builtin.file': {'path': '{{ dir }}', 'stat': 'absent'}}, {'failed': True}),
    Case(
        'its process',
        {'shell': 'umask; pwd; nice; ulimit -a; id; grep -E "^(Sig[^Q]|Cap|Groups|NoNewPrivs)" /proc/self/status'},
        {'rc': 0},
    ),
    Case('its environment', {'shell': 'env | sort'}, {'rc': 0}),
    Case('a daemon', {'shell': 'setsid sleep 600 >/dev/null 2>&1 & echo $! > {{ dir }}/daemon'}, {'rc': 0}),
    Case('a daemon lives on', {'shell': 'kill $(cat {{ dir }}/daemon)'}, {'rc': 0}),
]

OUTPUT = [
    Case('bytes of a command', {'shell': r"printf 'caf\351 \377\376 \000 \033[1m'"}, REFUSED, differs=PREFIX),
    Case(
        'a result',
        {'full': {'text': NAUGHTY, 'items': ['ä', '']}},
        {'text': NAUGHTY, 'deep.a.0.b': 1.5, 'nothing': None},
    ),
    Case('a failed result', {'full': {'fail': True}}, {'failed': True, 'msg': 'failed as asked'}),
    Case('an argument not logged', {'full': {'password': '{{ secret }}'}}, {'leak': 'the password is ********'}),
    Case(
        'a traceback',
        {'raises': {}},
        {'failed': True},
        differs={'exception': 'has the path of a temporary file', 'module_stderr': 'likewise'},
    ),
    Case('junk around', prints(b'Welcome!\n\n{"changed": true, "msg": "x"}\nBye!\n'), {'changed': True, 'msg': 'x'}),
    Case('junk on stderr', prints(b'{"changed": true}', b'careful\nnow'), {'changed': True}),
    Case('not UTF-8', prints(b'{"changed": true, "msg": "caf\xe9 \xff\xfe"}'), REFUSED, differs=PREFIX),
    Case('lines of JSON', prints(b'{\n"changed": true,\n"msg": "x\\ny"\n}\n'), {'msg': 'x\ny'}),
    Case('a result and a bad end', prints(b'{"changed": true}', rc=3), {'changed': True}),
    Case('a failed rc', prints(b'{"changed": true, "rc": 4}'), {'rc': 4, 'failed': True}),
    Case('no result', prints(b'Hello\n', b'World\n', rc=3), {'failed': True}),
    Case('no output', prints(), {'failed': True}),
    Case('half a result', prints(b'{"changed": tru'), {'failed': True}),
    Case('a list', prints(b'["changed"]'), {'failed': True}),
    Case(
        'a module killed',
        prints(signal='SIGKILL'),
        {'failed': True},
        differs={
            'module_stderr': 'the shell of the connection says so',
            'msg': 'a job says what killed it',
            'exception*': 'a job leaves out that ansible-core found no result',
        },
    ),
    Case('two results', prints(b'{"changed": true, "a": 1}\n{"changed": false, "b": 2}\n'), {'failed': True}),
]

STYLES = [
    Case('old style', {'old_python': {'text': NAUGHTY, 'number': 5}}, {'given.text': NAUGHTY, 'given.number': '5'}),
    Case('old style in shell', {'old_shell': {'text': "it's ü", 'number': 5}}, {'text': "it's ü", 'number': 5}),
    Case('old style, free form', {'old_python': 'text=a number=5'}, {'given': {'text': 'a', 'number': '5'}}),
    Case(
        'WANT_JSON',
        {'json_python': {'text': NAUGHTY, 'list': [1, 2.5, None]}},
        {'given': {'text': NAUGHTY, 'list': [1, 2.5, None]}},
    ),
    Case('WANT_JSON in shell', {'json_shell': {'changed': True, 'text': NAUGHTY}}, {'changed': True, 'text': NAUGHTY}),
    Case('JSON inside', {'json_inside': {'number': 5}}, {'given': {'number': 5}}),
    Case('JSON inside, in shell', {'inside_shell': {'number': 5}}, {'given.number': 5}),
    Case('respawned', {'respawns': {'text': NAUGHTY}}, {'changed': True, 'text': NAUGHTY}),
    Case('binary', {'binary': {'changed': True, 'text': NAUGHTY}}, {'changed': True, 'text': NAUGHTY}),
]

KEYWORDS = [
    Case('no_log', {'command': 'echo {{ secret }}'}, {'stdout': SECRET}, {'no_log': True}),
    Case('no_log, failed', {'shell': 'echo {{ secret }}; exit 1'}, {'rc': 1}, {'no_log': True}),
    Case(
        'no_log in a loop',
        {'shell': 'echo {{ item }}; exit 1'},
        {'results.0.stdout': SECRET},
        {'no_log': True, 'loop': ['{{ secret }}']},
    ),
    Case(
        'environment',
        {'shell': 'printf "%s|" "$A" "$B" "$PATH" "$HOME"'},
        {'stdout': f'{NAUGHTY}|5|/usr/bin:/bin:/opt|/tmp|'},
        {'environment': [{'A': NAUGHTY, 'B': 5}, {'PATH': '/usr/bin:/bin:/opt', 'HOME': '/tmp'}]},
    ),
    Case('changed_when', {'command': 'echo same'}, {'changed': False}, {'changed_when': "'other' in THIS.stdout"}),
    Case('failed_when', {'command': 'echo bad'}, {'failed_when_result': True}, {'failed_when': "'bad' in THIS.stdout"}),
    Case('failed_when forgives', {'command': 'false'}, {'failed': False, 'rc': 1}, {'failed_when': 'THIS.rc > 1'}),
    Case('when', {'command': 'true'}, {'skipped': True}, {'when': '1 > 2'}, job=False),
    Case(
        'loop', {'command': 'echo {{ item }}'}, {'results.1.stdout': 'b', 'results.2.rc': 0}, {'loop': ['a', 'b', 'ü']}
    ),
    Case(
        'loop that fails',
        {'shell': 'exit {{ rc }}'},
        {'results.1.failed': True, 'failed': True},
        {
            'loop': [0, 3, 0],
            'loop_control': {'loop_var': 'rc', 'label': 'rc {{ rc }}', 'index_var': 'n', 'extended': True},
        },
    ),
    Case(
        'until',
        {'shell': 'echo x >> {{ dir }}/tries; test $(wc -l < {{ dir }}/tries) -ge 3'},
        {'attempts': 3, 'rc': 0},
        {'until': 'THIS.rc == 0', 'retries': 5, 'delay': 0},
    ),
    Case(
        'until in vain',
        {'shell': 'echo x >> {{ dir }}/vain; false'},
        {'attempts': 2, 'failed': True},
        {'until': 'THIS.rc == 0', 'retries': 2, 'delay': 0},
    ),
    Case('attempts', {'shell': 'wc -l < {{ dir }}/tries; wc -l < {{ dir }}/vain'}, {'stdout_lines': ['3', '3']}),
    Case(
        'loop and until',
        {'shell': 'echo x >> {{ item }}; test $(wc -l < {{ item }}) -ge 2'},
        {'results.0.attempts': 2, 'results.1.attempts': 2},
        {'until': 'THIS.rc == 0', 'retries': 3, 'delay': 0, 'loop': ['{{ dir }}/l1', '{{ dir }}/l2']},
    ),
    Case(
        'module_defaults', {'command': 'pwd'}, {'stdout': '/usr'}, {'module_defaults': {'command': {'chdir': '/usr'}}}
    ),
    Case(
        'module_defaults by full name',
        {'command': 'pwd'},
        {'stdout': '/usr'},
        {'module_defaults': {'ansible.builtin.command': {'chdir': '/usr'}}},
    ),
    Case('notify', {'command': 'true'}, {'changed': True}, {'notify': 'handler'}),
    Case('notify without change', {'command': 'true'}, {'changed': False}, {'notify': 'nobody', 'changed_when': False}),
    Case('vars', {'command': 'echo {{ a }}'}, {'stdout': 'b'}, {'vars': {'a': '{{ b }}', 'b': 'b'}}),
    Case('check mode, skipped', {'command': 'true'}, {'skipped': True}, {'check_mode': True}),
    Case('check mode, not supported', {'full': {}}, {'skipped': True}, {'check_mode': True}),
    Case(
        'check mode, creates',
        {'command': {'cmd': 'touch {{ dir }}/checked', 'creates': '{{ dir }}/checked'}},
        {'changed': True},
        {'check_mode': True},
    ),
    Case(
        'check mode, supported',
        {'file': {'path': '{{ dir }}/checked', 'state': 'touch'}},
        {'changed': True},
        {'check_mode': True},
    ),
    Case('check mode changed nothing', {'stat': {'path': '{{ dir }}/checked'}}, {'stat.exists': False}),
    Case(
        'diff',
        {'lineinfile': {'path': '{{ dir }}/lines', 'line': 'ünï', 'create': True}},
        {'diff.0.after': 'ünï\n', 'changed': True},
        {'diff': True},
    ),
    Case(
        'diff of nothing',
        {'lineinfile': {'path': '{{ dir }}/lines', 'line': 'ünï'}},
        {'changed': False},
        {'diff': True},
    ),
    Case(
        'diff in check mode',
        {'file': {'path': '{{ dir }}/lines', 'mode': '0600'}},
        {'diff.after.mode': '0600', 'changed': True},
        {'diff': True, 'check_mode': True},
    ),
    Case(
        'timeout',
        {'command': 'sleep 30'},
        {'failed': True},
        {'timeout': 1},
        differs={'msg': 'names the action', 'timedout.frame': 'where it was interrupted'},
        job=False,
    ),
]

FACTS = [
    Case('facts of a module', {'full': {'facts': {'ansible_green': 'yes', 'red': 1}}}, {'ansible_facts.red': 1}),
    Case(
        'facts used later',
        {'command': 'echo {{ ansible_green }} {{ red }} {{ ansible_facts.green }}'},
        {'stdout': 'yes 1 yes'},
    ),
    Case(
        'setup',
        {'setup': {}},
        {'ansible_facts.ansible_system': 'Linux'},
        differs={
            'ansible_facts.ansible_date_time.*': 'the time',
            'ansible_facts.ansible_interfaces.*': 'a set, in no order',
            'ansible_facts.ansible_virtualization_tech_*': 'sets, in no order',
            'ansible_facts.ansible_loadavg.*': 'the load',
            'ansible_facts.ansible_uptime_seconds': 'the time',
            'ansible_facts.ansible_mem*': 'other processes take and give memory back',
            'ansible_facts.ansible_mounts.*': 'other processes take and give blocks back',
        },
    ),
    Case(
        'setup, filtered',
        {'ansible.builtin.setup': {'gather_subset': ['!all'], 'filter': ['ansible_user_*']}},
        {'ansible_facts.ansible_user_dir': '/home/deploy'},
    ),
    Case('facts of setup used later', {'command': 'echo {{ ansible_system }}'}, {'stdout': 'Linux'}),
]

# SUDO_COMMAND has the name of a temporary file.
IDENTITY = 'id -un; echo ~; pwd; umask; env | grep -v SUDO_COMMAND | sort'

BECOME = [
    Case('become', {'shell': IDENTITY}, {'stdout_lines.0': 'root'}, {'become': True}),
    Case('become somebody', {'shell': IDENTITY}, {'stdout_lines.0': 'plain'}, {'become': True, 'become_user': 'plain'}),
    Case(
        'become, the home of the login user closed',
        {'shell': 'touch rel.txt && echo made'},
        {'stdout': 'made'},
        {'become': True, 'become_user': 'plain'},
        before=({'shell': 'chmod 0700 ~'},),
        differs={'warnings*': 'the first of the two makes the temporary directory'},
    ),
    Case(
        'become with unicode',
        {'command': {'argv': ['echo', NAUGHTY], 'expand_argument_vars': False}},
        {'stdout': NAUGHTY},
        {'become': True, 'become_user': 'plain'},
        before=({'shell': 'chmod 0755 ~'},),
    ),
    Case(
        'become with a file of arguments',
        {'json_python': {'text': NAUGHTY}},
        {'given.text': NAUGHTY},
        {'become': True, 'become_user': 'plain'},
    ),
    Case(
        'become, not allowed',
        {'command': 'true'},
        {'failed': True},
        {'become': True, 'become_user': 'root', 'vars': {'ansible_user': 'plain'}},
        job=False,
    ),
    Case(
        'become in an environment',
        {'shell': 'id -un; echo $A'},
        {'stdout_lines': ['plain', 'ü']},
        {'become': True, 'become_user': 'plain', 'environment': {'A': 'ü'}},
    ),
]

# The test hosts have no bindings to apt, as the module says that `package` has to find first.
NO_APT = {'failed': True, 'msg': Part('python3-apt must be installed')}
COUNTERS = {f'status.{name}': 'a counter of systemd' for name in ('CPU*', 'Memory*', 'Tasks*', 'IO*', 'IP*')}

ACTIONS = [
    Case('package', {'package': {'name': 'sudo'}}, NO_APT, {'become': True, 'check_mode': True}),
    Case('apt', {'apt': {'name': 'sudo'}}, NO_APT, {'become': True, 'check_mode': True}),
    Case(
        'service',
        {'service': {'name': 'ssh', 'state': 'started'}},
        {'changed': False},
        {'become': True},
        differs=COUNTERS,
    ),
    Case(
        'service that is not there',
        {'service': {'name': 'no-such', 'state': 'started'}},
        {'failed': True},
        {'become': True},
    ),
    Case('delegate_to', {'command': 'hostname'}, {'stdout': 'host2'}, {'delegate_to': 'host2'}),
    Case(
        'delegate_to with facts',
        {'setup': {'filter': 'ansible_hostname'}},
        {'ansible_facts.ansible_hostname': 'host2'},
        {'delegate_to': 'host2', 'delegate_facts': True},
    ),
    Case('facts of the delegate', {'command': "echo {{ hostvars['host2'].ansible_hostname }}"}, {'stdout': 'host2'}),
    Case(
        'uri',
        {'uri': {'url': 'http://127.0.0.1:8099/hello.txt', 'return_content': True}},
        {'status': 200, 'content': 'hello\n'},
        before=(
            {'copy': {'content': 'hello\n', 'dest': '{{ dir }}/hello.txt'}},
            {
                'shell': 'systemctl is-active parity-http || systemd-run --unit=parity-http '
                'python3 -m http.server 8099 --bind 127.0.0.1 --directory {{ dir }}',
                'become': True,
            },
            {'wait_for': {'port': 8099}},
        ),
        differs={'date': 'when it was asked', 'last_modified': 'when the file was written'},
    ),
    Case(
        'uri to a file',
        {'uri': {'url': 'http://127.0.0.1:8099/hello.txt', 'dest': '{{ dir }}/got.txt'}},
        {'changed': True},
        differs={'date': 'when it was asked', 'last_modified': 'when the file was written'},
    ),
    Case(
        'uri with a file of the controller',
        {'uri': {'url': 'http://127.0.0.1:8099/', 'method': 'POST', 'src': '/etc/hostname'}},
        {'status': 501, 'failed': True},
        differs={'date': 'when it was asked', 'invocation.module_args.src': 'a temporary file'},
    ),
    Case(
        'uri with a file that is not there',
        {'uri': {'url': 'http://127.0.0.1:8099/', 'src': '/no/such'}},
        {'failed': True},
        differs={'exception': 'a traceback of the controller'},
        job=False,
    ),
    Case(
        'uri to nobody',
        {'uri': {'url': 'http://127.0.0.1:1/'}},
        {'status': -1, 'failed': True},
        differs={'elapsed': 'how long it took'},
    ),
]

TABLE = [*COMMANDS, *OUTPUT, *STYLES, *KEYWORDS, *FACTS, *BECOME, *ACTIONS]
