#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: async_run
short_description: Run any module as a background job on the target
version_added: 0.1.0
description:
  - Runs a task in the background on the target, under a supervisor of its own, so that no connection has to stay open
    while it works.
  - The keywords are the ones people know. C(async) is the limit, the number of seconds that the job may run; left off,
    the job has no limit. C(poll) is the number of seconds between two reports about the job; left off, the configured
    C(DEFAULT_POLL_INTERVAL) counts. With C(poll=0) the task starts the job and does not wait.
  - A task that waits returns what the same task would have returned synchronously, and notices the end of the job at
    once, whatever C(poll) says.
  - At its limit the job gets a C(TERM), and O(grace) seconds later everything that is left of it a C(KILL).
author:
  - background.jobs contributors (@background-jobs)
extends_documentation_fragment:
  - background.jobs.attributes
  - background.jobs.attributes.group
attributes:
  check_mode:
    support: full
    details:
      - The job runs in check mode, if its module supports that.
  diff_mode:
    support: full
    details:
      - The job runs in diff mode, if its module supports that.
  async:
    support: full
    details:
      - The keywords C(async) and C(poll) belong to the job, as described above.
options:
  task:
    description:
      - What to run. A mapping of one module name, fully qualified or short, to its arguments, or to a free-form string.
      - An action that does its work on the controller, like M(ansible.builtin.copy), M(ansible.builtin.template) or
        M(ansible.builtin.include_role), runs as a branch, as if it were the only task of a O(block). Its result is its own.
      - Exactly one of O(task), O(tasks), O(cmd) and O(block) is required.
    type: raw
  tasks:
    description:
      - Many of these, started with one request. Each may carry, beside its module, a C(name), a limit (C(async)), a
        C(queue), C(slots), C(resources), C(after), C(after_any) and C(on_end) of its own. Here the limit may be a duration like
        V(5m); the keyword C(async) of the task itself is a number for ansible-core.
      - The task returns RV(ignore:jobs), one result for each in the same order, and fails after all have ended if one of
        them failed.
    type: list
    elements: raw
  in_order:
    description:
      - With V(true), the O(tasks) run one after the other. Each starts when the one before has succeeded. The first that does
        not succeed ends the row, and the rest are V(skipped).
      - The target does this by itself. No controller and no connection is needed meanwhile.
      - All of the O(tasks) run on the target, or all of them are branches.
      - A task with C(after_any) set to V(true) starts when the one before has ended, however.
    type: bool
    default: false
    version_added: 0.2.0
  after:
    description:
      - The jobs of this host after which the job starts, as job ids, names, registered results, or a list of these. They may
        have been started by another task, play or controller, for the same user and async directory.
      - The job starts when all of them have succeeded. If one of them ends in another way or is removed, the job is
        V(skipped), and RV(job.reason) says which. One that is unknown is an error before anything starts.
      - An async_run task that waits removes the files of its job if that has no name and ends well. The job is unknown from
        then on.
      - Until it starts, the job is V(queued), as files, without a process, also through a reboot; a branch waits as a process. Then its
        limit begins, or its wait for a slot of its O(queue).
      - In one of the O(tasks), it may also be the C(name) of a task that stands above. For the O(tasks) as a whole, it is for
        each of them, and with O(in_order) for the first.
    type: raw
    version_added: 0.2.0
  after_any:
    description:
      - With V(true), the job starts when the jobs of O(after) have ended, however they have.
    type: bool
    default: false
    version_added: 0.2.0
  on_end:
    description:
      - One more task, like that of O(task), which runs as a job of its own when the job has ended, however it has. It may carry
        a limit (C(async)) of its own.
      - It runs once, with the user and the C(environment) of this task, on the target without a controller. Its own failure
        changes nothing of the job. Nobody waits for it; M(background.jobs.async_info) lists it.
      - At the end of a branch it is a branch as well, which may run any action. At the end of a job of the target it is a module
        that runs there.
      - Its environment has the variables E(BACKGROUND_JOBS_ID), E(BACKGROUND_JOBS_NAME), E(BACKGROUND_JOBS_STATE) and
        E(BACKGROUND_JOBS_RC) of the job that has ended. A value that the job does not have is empty. The state is V(removed)
        if somebody removed the job before it had an end.
      - Each of O(tasks) gets it, unless it carries an C(on_end) of its own. A task that attaches to a job adds none to it.
      - C(module_defaults) can set it for a whole play.
    type: raw
    version_added: 0.2.0
  cmd:
    description:
      - A command line, short for a O(task) of M(ansible.builtin.command). Meant for ad hoc use.
      - With ansible-core 2.19 and later, C(ansible) takes the command line without the option as well, as in C(-a 'sleep 1'),
        and without quotes around it, as in C(-a 'cmd=/usr/bin/long --do-stuff'). Earlier versions refuse both; write
        C(-a 'cmd="/usr/bin/long --do-stuff"').
      - A word with C(=) in it is taken for an option, also one of the command. Put such a command line into quotes, as in
        C(-a 'cmd="make PREFIX=/usr"').
    type: str
  block:
    description:
      - A list of tasks, as in a block of a playbook. They run in the background as one job, a I(branch) of the play, which is
        a process on the controller. Everything that a playbook can do works in it, for example C(when), C(loop), C(register),
        handlers, roles and includes.
      - Templates in the tasks are filled in when the tasks run. The branch knows all variables that the play knew when it
        started.
      - A task that waits for the branch, with C(poll) or M(background.jobs.async_wait), brings into the play what the tasks of
        the branch have registered and set.
      - If the branch is cancelled, or its limit is over, its processes on the controller end. A module that runs on the target
        at that moment goes on to its end.
      - A branch can start after other branches of its host (O(after), O(in_order)), not after jobs of the target, and these not
        after a branch. The task fails before anything starts.
      - O(resources) count for the processes of the branch on the controller.
      - A branch that nobody waits for goes on when the play has ended. It ends when the machine or the container does in which
        it runs.
    type: raw
    version_added: 0.2.0
  rescue:
    description:
      - The tasks that run if one of O(block) fails, as in a playbook.
    type: raw
    version_added: 0.2.0
  always:
    description:
      - The tasks that run at the end of O(block), in any case, as in a playbook.
    type: raw
    version_added: 0.2.0
  name:
    description:
      - A name for the job. There is at most one live job of a name on a host, for each user and async directory.
      - The start of a branch does not ask the target for a job of its name. If there is one, it keeps its id, and the name
        stands for the branch.
      - It must not have the form of a job id, as V(2024.11) has.
    type: str
  on_existing:
    description:
      - What to do if there is a job of this O(name) already, that lives, or has ended and nobody has seen its result yet.
      - With V(attach), that job is the job of this task, if it does the same work. Nothing is started, nothing has changed, and
        the task says so in one line. So a playbook that was interrupted goes on with the job when it is run again.
      - The work is the same if module, arguments, C(environment) and check mode are. If the job does other work and lives, the
        task fails. If it has ended, its result is left, a new job is started, and a warning says so.
      - Of a O(block), the text of its tasks counts as it is written, with the item of a loop. A variable with another value does
        not make it other work. If a variable decides what the block does, put it into the O(name), as
        in V(deploy {{ version }}).
      - With V(fail), the task fails if the job lives.
      - With V(replace), the job is stopped if it lives, and a new one started.
      - Set V(fail) if no task ever takes the result of a job with C(poll=0). With V(attach), the next run of the playbook
        would take the result of the run before, and start nothing.
    type: str
    choices:
      - attach
      - fail
      - replace
    default: attach
  queue:
    description:
      - The name of a queue. The jobs of one queue share its O(slots), whoever started them. The others wait in the order in
        which they came, as files, without a process.
      - A branch that waits is a process. The queues of branches are shared by all hosts, because branches use the controller.
        A branch without a queue of its own is in the queue V(branches).
    type: str
  slots:
    description:
      - How many jobs of the O(queue) may run at once, one if it is left off. The most recent start sets it for the queue.
        Lowering it stops nothing.
      - Without a O(queue) it has no effect, and the task fails.
    type: int
  grace:
    description:
      - The time between C(TERM) and C(KILL) when the job is stopped, in seconds, or as a duration with one of the units
        V(s), V(m), V(h), V(d), V(w), like V(5m).
    type: str
    default: "10"
  limit:
    description:
      - The limit of a job whose task does not have the keyword C(async), in seconds, or as a duration like V(2h). V(0) means no
        limit.
      - It is meant for C(module_defaults), because a play cannot set keywords for its tasks. A C(async) above 0 takes
        precedence. C(async=0) counts as left off; write V(0) here for no limit.
    type: str
    version_added: 0.2.0
  resources:
    description:
      - What the job may use of its host. If the host cannot limit it, the task fails before it starts anything.
      - V(memory) is the memory that all processes of the job may use together, like V(200M) or V(2G). A job that uses more is
        killed, and is V(failed) with that reason.
      - V(cpu) is their share of the processors, like V(50%). V(150%) is one and a half processors.
      - V(tasks) is how many processes and threads they may be.
      - V(nice) is their nice value, from V(-20) to V(19).
      - V(io) is their class of input and output, V(idle), V(best-effort) or V(realtime). The last two may have a level from 0
        to 7, like V(best-effort:7).
      - V(memory), V(cpu) and V(tasks) need cgroup v2. Where systemd runs, the job has to run as root, or as a user who lingers.
    type: dict
    version_added: 0.2.0
  follow:
    description:
      - With V(true), show each line that the commands of the module print within about a second, as
        C(host | name | line), and what they write to their standard error as C(host | name ! line). The name is that of
        the job or of the task.
      - Nothing is shown by a task with C(no_log), of a job that was started with it, of a module that is not Python, and of
        one that runs no command. Values of arguments that a module declares secret are hidden.
      - The lines go to standard output; to standard error where the stdout callback prints for programs, like
        C(ansible.posix.json).
      - What comes faster than 64 KiB at a time is skipped, and said to be. The job is not slowed down.
      - Only a task that waits shows anything. The variable C(background_jobs_follow) turns it on where the option is not
        given.
    type: bool
notes:
  - C(ansible-lint) checks the options of this action. It does not look inside of O(task), O(tasks) and O(block), and it does
    not report that more than one of O(task), O(tasks), O(cmd) and O(block) is given. The action checks both before anything
    starts.
  - Variables of the host or play set what is not a matter of one task.
  - C(background_jobs_retention) is how long the files of the jobs of this task are kept after their end, V(7d) by default.
    They are removed by later starts, whatever the retention of these is. A result that nobody has seen is kept for an hour
    at least.
  - C(background_jobs_give_back_forks) says whether a task that waits gives its fork back, so that more hosts than
    C(forks) can have jobs under way, V(true) by default. Tasks with C(throttle), and plays with the strategy
    C(host_pinned), keep it in any case. Parked hosts with a master connection of ssh do not take turns. If a play has more
    hosts than C(forks), all other hosts take turns to look. They notice the end of a job within 10 seconds, or some seconds
    more if there are more than four hosts for each fork.
  - C(background_jobs_max_waiting) is how many tasks may wait like this at once, V(200) by default. Each takes about 20 MB
    of the controller's memory. Beyond that, tasks keep their forks. Parked hosts do not count.
  - C(background_jobs_park) says whether hosts that wait are parked, V(true) by default. One process of the controller waits
    for all parked hosts together. Hosts are parked under the strategies C(linear) and C(free), with the connections C(ssh)
    and C(local), unless the task has C(loop), C(until), C(timeout), C(throttle) or O(follow), or a job that is a branch, or
    C(background_jobs_on_interrupt) is V(cancel), or a password would have to be typed.
  - C(background_jobs_branches) is how many branches may run at once on this controller, as many as there are C(forks) by
    default. The others wait in the queue V(branches). A branch that another branch has started does not count.
  - C(background_jobs_controller_dir) is the directory on the controller that has the files of branches, V(~/.ansible_async/controller)
    by default. Each host has a directory in it.
  - C(background_jobs_on_interrupt) is what becomes of the jobs that a task waits for when the play is interrupted by Ctrl-C,
    TERM or the loss of its terminal. With V(leave), the default, they go on, and Ansible says which. With V(cancel), they
    are stopped on their targets before Ansible ends, with ten seconds between TERM and KILL, and Ansible says what became
    of each. A second interrupt ends Ansible at once. Jobs with C(poll) 0 go on in any case.
  - C(background_jobs_margin) is for how long beyond the limits of its jobs a host that cannot be reached is asked again,
    V(60) seconds by default. It may be a duration like V(5m).
  - C(background_jobs_request_timeout) is for how many seconds a host may be silent before a task of this collection gives
    up a request to it, V(60) by default. The time that the request needs is added, for example to send its modules over
    a slow line. V(0) means to wait for as long as the connection seems to last.
  - C(background_jobs_follow) is whether tasks that wait show live output, V(false) by default.
  - C(background_jobs_output_limit) is how many bytes of live output are kept of each job, the newest of them,
    V(10485760) by default. V(0) means that none is written.
seealso:
  - module: background.jobs.async_wait
  - module: background.jobs.async_status
  - module: background.jobs.async_info
  - module: background.jobs.async_cancel
  - module: background.jobs.async_prune
  - name: Resources of a job
    description: What each kind of host can limit.
    link: https://github.com/background-jobs/background.jobs/blob/main/docs/resources.md
  - name: Guides
    description: A playbook for each task that people have.
    link: https://github.com/background-jobs/background.jobs/blob/main/docs/guides.md
  - ref: playbooks_async
    description: Asynchronous actions and polling in ansible-core.
"""

EXAMPLES = r"""
- name: Upgrade every package, for at most an hour
  background.jobs.async_run:
    task:
      ansible.builtin.apt:
        upgrade: dist
  async: 3600
  poll: 10
  become: true

- name: Start a backup and go on, without a limit
  background.jobs.async_run:
    task:
      ansible.builtin.command: /usr/local/bin/backup --full
  poll: 0
  register: backup

- name: Wait for the backup, and for whatever else was started
  background.jobs.async_wait:
    jobs:
      - "{{ backup }}"
      - build the index # a job may have a name, too

- name: Build, and see it happen
  background.jobs.async_run:
    task:
      community.general.make:
        chdir: /srv/build
    follow: true
  async: 3600

- name: Send a large file, and go on meanwhile
  background.jobs.async_run:
    task:
      ansible.builtin.copy:
        src: images/disk.img
        dest: /srv/disk.img
        mode: "0644"
  poll: 0

- name: Build and install, as one job
  background.jobs.async_run:
    block:
      - name: Fetch the source
        ansible.builtin.git:
          repo: https://example.com/one.git
          dest: /source/one
          version: main
      - name: Configure it
        ansible.builtin.template:
          src: site.j2
          dest: /source/one/site.conf
          mode: "0644"
    rescue:
      - name: Roll back
        ansible.builtin.include_role:
          name: roll_back
  async: 900
  poll: 0
  register: build

- name: A backup that never runs twice at the same time, whoever starts it
  background.jobs.async_run:
    task:
      ansible.builtin.command: /usr/local/bin/backup
    name: nightly backup
  async: 7200
  poll: 30

- name: Five builds, two at a time
  background.jobs.async_run:
    tasks:
      - ansible.builtin.command: make -C /srv/one
      - ansible.builtin.command: make -C /srv/two
      - ansible.builtin.command: make -C /srv/three
      - ansible.builtin.command: make -C /srv/four
      - ansible.builtin.command: make -C /srv/five
        async: 600
    queue: builds
    slots: 2
  async: 3600

- name: Build in steps, and clean up whatever came of it
  background.jobs.async_run:
    in_order: true
    tasks:
      - ansible.builtin.command: make -C /srv/one
      - ansible.builtin.command: make -C /srv/one check
      - ansible.builtin.command: make -C /srv/one install
      - ansible.builtin.command: make -C /srv/one clean
        after_any: true
  async: 3600
  poll: 0

- name: Restart when both downloads are there
  background.jobs.async_run:
    tasks:
      - ansible.builtin.get_url:
          url: https://example.com/app.tar
          dest: /srv/app.tar
        name: app
      - ansible.builtin.get_url:
          url: https://example.com/data.tar
          dest: /srv/data.tar
        name: data
      - ansible.builtin.service:
          name: app
          state: restarted
        after: [app, data]
  async: 3600
  poll: 0

- name: Upgrade, and say so when it is over
  background.jobs.async_run:
    name: upgrade
    on_existing: fail  # no task takes the result
    task:
      ansible.builtin.apt:
        upgrade: dist
    on_end:
      ansible.builtin.shell: echo "$BACKGROUND_JOBS_NAME $BACKGROUND_JOBS_STATE" | mail -s "upgrade of $(hostname)" root
  async: 3600
  poll: 0

- name: A job that may tidy up for a minute when its time is up
  background.jobs.async_run:
    cmd: /usr/local/bin/export
    grace: 60
  async: 600

- name: A backup that takes at most 2 GB of memory and one processor, and lets others go first
  background.jobs.async_run:
    cmd: /usr/local/bin/backup
    resources: {memory: 2G, cpu: 100%, nice: 10, io: idle}
  become: true

# From the command line, where -B is async and -P is poll:
# ansible all -B 3600 -P 0 -m background.jobs.async_run -a 'cmd="/usr/bin/long_running_operation --do-stuff"'
# ansible all -B 3600 -P 0 -m background.jobs.async_run -a '/usr/bin/long_running_operation --do-stuff' # from 2.19 on
"""

RETURN = r"""
ansible_job_id:
  description: The id of the job. It begins with the UTC time of its start, and never reads as a number.
  returned: always; with O(tasks) in each of RV(jobs)
  type: str
  sample: j20261122044512123456.12345678
started:
  description: Whether the job has been started.
  returned: always; with O(tasks) in each of RV(jobs)
  type: bool
  sample: true
finished:
  description: Whether the job has ended.
  returned: always; with O(tasks) in each of RV(jobs)
  type: bool
  sample: true
results_file:
  description: The job's result file, on the target, or on the controller if the job is a branch.
  returned: while the job has not ended; with O(tasks) in each of RV(jobs)
  type: str
  sample: /root/.ansible_async/j20261122044512123456.12345678
job:
  description:
    - What is known of the job. When it has ended, the module's own return values stand beside it.
  returned: if the job was started; with O(tasks) in each of RV(jobs)
  type: dict
  contains:
    id:
      description: The id of the job.
      type: str
      returned: always
    name:
      description: The name that the user gave the job.
      type: str
      returned: always
    state:
      description: One of V(queued), V(running), V(succeeded), V(failed), V(timed_out), V(cancelled), V(lost), V(skipped).
      type: str
      returned: always
    place:
      description: Where the job lives, V(target), or V(controller) if it is a branch.
      type: str
      returned: always
    module:
      description: The module or action that the job runs, V(block) for a O(block).
      type: str
      returned: always
    task:
      description: The name of the task that started the job, V(null) without one.
      type: str
      returned: always
    summary:
      description:
        - What the job does, on one line of 200 characters at most - the command line, or those of the arguments C(name),
          C(path), C(dest), C(src), C(repo) and C(url) that the module has. V(null) if there are none.
        - With C(no_log), it is V(null). Users and passwords of URLs are left out, and V(***) stands for what follows a word
          like C(password) or C(token). Other secrets in a command line are not recognised.
      type: str
      returned: always
    host:
      description: The inventory name of the host for which the job was started.
      type: str
      returned: always
    started_by:
      description: The user and the name of the controller that started the job.
      type: str
      returned: always
    limit:
      description: Seconds that the job may run, V(null) without a limit.
      type: int
      returned: always
    queue:
      description: The queue of the job, V(null) without one.
      type: str
      returned: always
    position:
      description: The place of the job in its queue, from 1 on.
      type: int
      returned: while it is in its queue
    after:
      description: The ids of the jobs after which it was to start.
      type: list
      elements: str
      returned: when there are any
    waits_for:
      description: Those of them that it waits for yet, by their names, or by their ids where they have none.
      type: list
      elements: str
      returned: while it waits for others
    machine:
      description:
        - The host name of the machine that the job belongs to. This machine only reads its files, and does not know
          whether the job still lives.
      type: str
      returned: when it is another machine, which uses the same async directory
    created:
      description: When the job was made (UTC, ISO 8601).
      type: str
      returned: always
    started:
      description: When the module's process was executed (UTC, ISO 8601).
      type: str
      returned: always
    ended:
      description: When the job ended (UTC, ISO 8601).
      type: str
      returned: always
    elapsed:
      description: Seconds that the job has run, by a clock that nobody sets.
      type: float
      returned: always
    output_file:
      description:
        - The file that takes what the module's commands print, as it comes, or the tasks of a branch and their results. It is
          where the job lives. Its lines begin with V(out) or V(err), and the first one of a long output with V(cut).
      type: str
      returned: always
    rc:
      description:
        - The RV(ignore:rc) in the module's result, of a command for one. V(null) if it has none, while the job lives, and
          with C(no_log).
      type: int
      returned: always
    last_line:
      description: The last line of its live output, V(null) if there is none.
      type: str
      returned: by M(background.jobs.async_info) with O(background.jobs.async_info#module:output=true), while the job lives
    reason:
      description: A sentence that tells why the job ended badly, or was skipped.
      type: str
      returned: when it did
    last_lines:
      description: The last lines of its output, 20 at most.
      type: list
      elements: str
      returned: when it ended badly after it had printed some
    signal:
      description: The signal that ended the module's process.
      type: str
      returned: when one did
  sample:
    id: j20261122044512123456.12345678
    name: null
    state: succeeded
    place: target
    module: ansible.builtin.command
    task: Back up the database
    summary: /usr/local/bin/backup --all
    host: db1
    started_by: operator@controller
    limit: 3600
    queue: null
    created: "2026-11-22T04:45:12.201334Z"
    started: "2026-11-22T04:45:12.220145Z"
    ended: "2026-11-22T04:46:12.531202Z"
    elapsed: 60.311
    output_file: /root/.ansible_async/.jobs/j20261122044512123456.12345678/output
    rc: 0
tasks:
  description: What happened in a O(block), one item for each task that ran, in order.
  returned: when the block has ended
  type: list
  elements: dict
  contains:
    name:
      description: The name of the task.
      type: str
      returned: always
    action:
      description: The name of its action.
      type: str
      returned: always
    changed:
      description: Whether it has changed something.
      type: bool
      returned: always
    failed:
      description: Whether it has failed.
      type: bool
      returned: always
    ignored:
      description: Whether its failure was ignored.
      type: bool
      returned: always
    skipped:
      description: Whether it was skipped.
      type: bool
      returned: always
    unreachable:
      description: Whether it could not reach the host.
      type: bool
      returned: always
    msg:
      description: Its message, V(null) without one.
      type: str
      returned: always
    result:
      description: Its result, without what C(no_log) hides.
      type: dict
      returned: always
  sample: []
stats:
  description: How many tasks of a O(block) were ok, changed, failed and so on.
  returned: when the block has ended
  type: dict
  sample: {"ok": 2, "changed": 1, "failures": 0}
jobs:
  description: The result of each job, in the order of O(tasks).
  returned: with O(tasks)
  type: list
  elements: dict
  sample: []
ansible_facts:
  description: The facts in the results of all jobs, which are those of the host from then on. Of two the later one counts.
  returned: with O(tasks), when a module has returned facts
  type: dict
  sample: {}
diff:
  description: What the changed jobs have changed, which C(--diff) shows.
  returned: with O(tasks), when a module has returned differences
  type: list
  elements: dict
  sample: []
msg:
  description: Why the job was not started, or ended badly, or was skipped; with O(tasks) how many jobs and which.
  returned: when one of these is so
  type: str
  sample: "1 of 3 jobs failed: tasks[0] (command, rc 1: no space left)"
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.background.jobs.plugins.module_utils._arguments import ASYNC_RUN, IS_AN_ACTION


def main():
    module = AnsibleModule(supports_check_mode=True, **ASYNC_RUN)
    module.fail_json(msg=IS_AN_ACTION % 'async_run')


if __name__ == '__main__':
    main()
