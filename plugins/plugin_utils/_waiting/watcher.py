# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The watcher: one process of each run that fails a task if all processes of the task have been killed.

A guardian reports the death of its child, but nobody would report it if both were killed at once, and ansible-core would
wait for the result for ever. So each task that waits without a fork has a pipe, which its guardian and its child hold open
for writing, and the watcher has the reading end. Whoever sends the result of the task writes a byte into the pipe. If the
pipe ends without this byte, the watcher sends the task's failed result, which it has been given as well.

The watcher listens on a socket in ansible's temporary directory. The first task that needs it starts it. If it is killed,
the guardian and the child of each task find the end of their connection, and make another one. It ends with ansible.
Private to this collection.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import os
import pathlib
import resource
import select
import selectors
import signal
import socket
import termios
import typing as t

from ansible.executor.process.worker import WorkerProcess
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.worker import (
    after_result,
    packed_result,
    queue_descriptors,
    send_packed,
)
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.turns import path_in_run

_SENT = b'.'
"""What is written into the pipe of a task when its result was sent."""
_READY = b'.'
"""What the watcher answers when it watches a task."""
_BACKLOG = 128
"""Connections that may wait for the watcher."""
_START_LOCK = 'watcher.lock'
"""The file whose lock a process holds while it connects to the watcher or starts it."""
_SOCKET = 'watcher'


class Watch:
    """The watch over the task of *worker*. Make it in the worker: guardian and child inherit it. Raises OSError.

    *main_pidfd*: a pidfd of ansible's main process.
    """

    def __init__(self, worker: WorkerProcess, main_pidfd: int) -> None:
        self._worker = worker
        self._main_pidfd = main_pidfd
        self._reader, self._writer = os.pipe()
        self._result = os.memfd_create('failed result')  # the watcher reads it when it sends it
        self._connection: socket.socket | None = None
        after_result(worker, self._end)

    def begin(self, message: str) -> None:
        """From now on, have the task fail with *message* if no process is left that will send its result."""
        try:
            packed = packed_result(self._worker, {'failed': True, 'changed': False, 'msg': message})
        except (AttributeError, TypeError, ValueError) as error:
            raise OSError(f'the internals of ansible-core are not as expected: {error}') from error
        os.ftruncate(self._result, 0)
        os.pwrite(self._result, packed, 0)
        self.renew()

    def descriptor(self) -> int | None:
        """What can be read as soon as the watcher has ended, and renew() is to be called; None where there is none."""
        return None if self._connection is None else self._connection.fileno()

    def renew(self) -> None:
        """Have another watcher watch the task if there is none, or if it has ended. Raises OSError."""
        if self._connection is not None:
            if not _is_readable(self._connection.fileno()):
                return
            self._connection.close()
            self._connection = None
        connection = _connect(self._worker, self._main_pidfd)
        try:
            socket.send_fds(connection, [_READY], [self._reader, self._result])
            if connection.recv(len(_READY)) != _READY:
                raise OSError('the watcher has ended')
        except OSError:
            connection.close()
            raise
        self._connection = connection

    def _end(self) -> None:
        os.write(self._writer, _SENT)


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


@contextlib.contextmanager
def _address() -> t.Iterator[str]:
    """The address of the watcher's socket. The path itself may be longer than the 107 bytes that the kernel takes."""
    folder = os.open(pathlib.Path(path_in_run(_SOCKET)).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f'/proc/self/fd/{folder}/{_SOCKET}'
    finally:
        os.close(folder)


def _connect(worker: WorkerProcess, main_pidfd: int) -> socket.socket:
    """A connection to the watcher, which is started if there is none. Raises OSError."""
    lock = os.open(path_in_run(_START_LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _address() as address:
            try:
                return _connected(address)
            except (FileNotFoundError, ConnectionRefusedError):
                pathlib.Path(address).unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
                listening.bind(address)
                listening.listen(_BACKLOG)
                _start(worker, main_pidfd, listening)
            return _connected(address)
    finally:
        os.close(lock)


def _connected(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def _start(worker: WorkerProcess, main_pidfd: int, listening: socket.socket) -> None:
    """Fork the watcher. Raises OSError.

    Its parent ends at once, so it is no child of this process, whose children a Watchdog ends.
    """
    parent = os.fork()
    if parent:
        if os.waitpid(parent, 0)[1]:
            raise OSError('this machine could not make two more processes')
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _keep_only(listening.fileno(), main_pidfd, *queue_descriptors(worker))
            _Watcher(worker, main_pidfd, listening).run()
    except BaseException:
        os._exit(1)  # nothing of the task may run in this process
    os._exit(0)


def _keep_only(*descriptors: int) -> None:
    """Set up the watcher's process: close all descriptors but *descriptors*, and reset the signals."""
    gc.freeze()  # or the end of an object would close a descriptor of the same number, which the watcher has made since
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for entry in os.listdir('/proc/self/fd'):
        if int(entry) > 2 and int(entry) not in descriptors:
            with contextlib.suppress(OSError):  # the descriptor that has listed them
                os.close(int(entry))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # each task takes four: two connections, a pipe, a result
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Watcher:
    """What runs in the watcher's process."""

    def __init__(self, worker: WorkerProcess, main_pidfd: int, listening: socket.socket) -> None:
        self._worker = worker
        self._main_pidfd = main_pidfd
        self._listening = listening
        self._results: dict[int, int] = {}
        """The pipe's inode -> descriptor of the failed result, of each task that is watched."""
        self._selector = selectors.DefaultSelector()
        self._spare = os.dup(main_pidfd)

    def run(self) -> None:
        """Watch until ansible has ended."""
        self._selector.register(self._main_pidfd, selectors.EVENT_READ)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        while True:
            ready = [key for key, _events in self._selector.select()]
            if any(key.data is None for key in ready):
                return  # first of all: a guardian and a child that end with ansible are not killed
            for key in ready:
                key.data(key.fileobj)

    def _accept(self, listening: socket.socket) -> None:
        try:
            self._selector.register(listening.accept()[0], selectors.EVENT_READ, self._receive)
        except OSError as error:
            if error.errno == errno.EMFILE:
                self._refuse(listening)

    def _refuse(self, listening: socket.socket) -> None:
        """End a connection for which no descriptor is left, so that its task holds its fork. It would wait for ever."""
        os.close(self._spare)
        with contextlib.suppress(OSError):
            listening.accept()[0].close()
        self._spare = os.dup(self._main_pidfd)

    def _receive(self, connection: socket.socket) -> None:
        """Take the descriptors of a task. Guardian and child both send them if they have lost another watcher."""
        try:
            data, descriptors, _flags, _address = socket.recv_fds(connection, len(_READY), 2)
        except OSError:  # it was killed before it had read the answer
            data, descriptors = b'', []
        if not data or len(descriptors) != 2:
            self._selector.unregister(connection)
            connection.close()
            for descriptor in descriptors:
                os.close(descriptor)
            return
        reader, result = descriptors
        inode = os.fstat(reader).st_ino
        if inode in self._results:
            os.close(reader)
            os.close(result)
        else:
            self._results[inode] = result
            self._selector.register(reader, selectors.EVENT_READ, self._ended)
        with contextlib.suppress(OSError):  # it was killed, which the next event of the connection tells
            connection.send(_READY)

    def _ended(self, reader: int) -> None:
        """The result of a task was sent, or all its processes have ended."""
        # The byte stays in the pipe: guardian or child may be about to send the same pipe once more.
        sent = any(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))
        result = self._results.pop(os.fstat(reader).st_ino)
        self._selector.unregister(reader)
        os.close(reader)
        if not sent:
            send_packed(self._worker, os.pread(result, os.fstat(result).st_size, 0))
        os.close(result)
