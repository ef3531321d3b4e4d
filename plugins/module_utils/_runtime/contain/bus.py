# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of D-Bus, as small as the few calls of this collection allow.

It speaks to systemd and to logind. systemd listens on a socket of its own, so that this works on hosts without a message
bus and for users without a session bus.
Standard library only, Python 3.6 and up. Private to this collection.
"""

import os

_TIMEOUT_SECONDS = 30
_METHOD_CALL, _METHOD_RETURN, _ERROR, _SIGNAL = range(1, 5)
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL, _DESTINATION, _SENDER, _SIGNATURE = range(1, 9)
"""The codes of header fields."""
_HEADER = 'yyyyuua(yv)'
_HEADER_START_BYTES = 16
_NUMBERS = {'y': 1, 'n': 2, 'q': 2, 'i': 4, 'u': 4, 'b': 4, 'x': 8, 't': 8, 'd': 8, 'h': 4}
"""The types that are numbers -> their size in bytes. A double is read as an integer of 8 bytes: no caller asks for its
value."""
_ALIGNMENTS = dict(_NUMBERS, s=4, o=4, g=1, v=1, a=4)
_ALIGNMENTS['('] = _ALIGNMENTS['{'] = 8


class BusError(Exception):
    """The call was refused, or nobody answered; the text is for a person."""


class Connection:
    """A connection to the socket *path*, to be used in a ``with`` block. *is_bus*: a message bus listens there.

    Raises BusError.
    """

    def __init__(self, path, is_bus):
        import socket  # here, because the small image of a supervisor has no room for it

        self._path = path
        self._serial = 0
        self._data = b''
        self.signals = []
        """The signals that came so far: [(member, values)]."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_TIMEOUT_SECONDS)
        try:
            self._log_in()
            if is_bus:
                self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'Hello')
        except (BusError, OSError) as error:
            self._socket.close()
            raise BusError('%s: %s' % (path, error)) from None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._socket.close()

    def _log_in(self):
        self._socket.connect(self._path)
        uid = ''.join('%02x' % ord(digit) for digit in str(os.geteuid()))
        self._socket.sendall(b'\0AUTH EXTERNAL %s\r\n' % uid.encode('ascii'))
        while b'\r\n' not in self._data:
            self._receive()
        line, _end, self._data = self._data.partition(b'\r\n')
        if not line.startswith(b'OK '):
            raise BusError('it refused user %d: %s' % (os.geteuid(), line.decode('ascii', 'replace')))
        self._socket.sendall(b'BEGIN\r\n')

    def call(self, destination, path, interface, member, signature='', *values):
        """The values that the method *member* returns. *values*: its arguments, of the types in *signature*."""
        self._serial += 1
        fields = [
            [_PATH, ('o', path)],
            [_INTERFACE, ('s', interface)],
            [_MEMBER, ('s', member)],
            [_DESTINATION, ('s', destination)],
        ]
        if signature:
            fields.append([_SIGNATURE, ('g', signature)])
        body = _marshal(signature, values)
        header = _marshal(_HEADER, (ord('l'), _METHOD_CALL, 0, 1, len(body), self._serial, fields))
        try:
            self._socket.sendall(header + b'\0' * (-len(header) % 8) + body)
            while True:
                kind, fields, values = self._message()
                if kind == _SIGNAL:
                    self.signals.append((fields.get(_MEMBER), values))
                elif fields.get(_REPLY_SERIAL) == self._serial:
                    if kind == _ERROR:
                        raise BusError(values[0] if values else fields.get(_ERROR_NAME))
                    return values
        except OSError as error:
            raise BusError('%s: %s' % (self._path, error)) from None

    def wait_for(self, member, fits):
        """The values of the first signal *member* of which *fits(values)* is true."""
        seen = 0
        try:
            while True:
                for name, values in self.signals[seen:]:
                    if name == member and fits(values):
                        return values
                seen = len(self.signals)
                kind, fields, values = self._message()
                if kind == _SIGNAL:
                    self.signals.append((fields.get(_MEMBER), values))
        except OSError as error:
            raise BusError('%s: %s' % (self._path, error)) from None

    def _message(self):
        """(type, {code of a header field: value}, values) of the next message."""
        start = self._take(_HEADER_START_BYTES)
        order = 'little' if start[:1] == b'l' else 'big'
        body_size, fields_size = (int.from_bytes(start[place : place + 4], order) for place in (4, 12))
        rest = self._take(fields_size + -fields_size % 8 + body_size)
        header = _Reader(start + rest, order).values(_HEADER)
        fields = dict(header[6])
        body = rest[len(rest) - body_size :]
        return header[1], fields, _Reader(body, order).values(fields.get(_SIGNATURE, ''))

    def _take(self, size):
        while len(self._data) < size:
            self._receive()
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def _receive(self):
        data = self._socket.recv(65536)
        if not data:
            raise BusError('%s: the connection was closed' % self._path)
        self._data += data


def _types(signature):
    """The single complete types that *signature* consists of."""
    found = []
    while signature:
        size = _size_of_type(signature)
        found.append(signature[:size])
        signature = signature[size:]
    return found


def _size_of_type(signature):
    """How many characters of *signature* its first complete type has."""
    if signature[0] == 'a':
        return 1 + _size_of_type(signature[1:])
    if signature[0] not in '({':
        return 1
    depth = 0
    for place, character in enumerate(signature):
        depth += (character in '({') - (character in ')}')
        if depth == 0:
            return place + 1
    raise BusError('not a signature: %s' % signature)


def _marshal(signature, values):
    """*values* of the types in *signature*, as bytes that begin at a multiple of 8."""
    data = bytearray()
    for kind, value in zip(_types(signature), values):
        _append(data, kind, value)
    return bytes(data)


def _append(data, kind, value):
    """Append *value* of the single type *kind* to *data*. A variant is (type, value)."""
    data += b'\0' * (-len(data) % _ALIGNMENTS[kind[0]])
    if kind in _NUMBERS:
        data += int(value).to_bytes(_NUMBERS[kind], 'little')
    elif kind in ('s', 'o'):
        text = value.encode('utf-8')
        data += len(text).to_bytes(4, 'little') + text + b'\0'
    elif kind == 'g':
        data += bytes((len(value),)) + value.encode('ascii') + b'\0'
    elif kind == 'v':
        _append(data, 'g', value[0])
        _append(data, *value)
    elif kind[0] == 'a':
        size_at = len(data)
        data += b'\0' * 4
        data += b'\0' * (-len(data) % _ALIGNMENTS[kind[1]])
        begin = len(data)
        for item in value:
            _append(data, kind[1:], item)
        data[size_at : size_at + 4] = (len(data) - begin).to_bytes(4, 'little')
    else:
        for inner, item in zip(_types(kind[1:-1]), value):
            _append(data, inner, item)


class _Reader:
    """Reads values from *data*, which begins at a multiple of 8."""

    def __init__(self, data, order):
        self._data = data
        self._order = order
        self._place = 0

    def values(self, signature):
        return [self._value(kind) for kind in _types(signature)]

    def _value(self, kind):
        self._align(kind)
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind in ('s', 'o', 'g'):
            size = self._number(1 if kind == 'g' else 4)
            self._place += size + 1
            return self._data[self._place - size - 1 : self._place - 1].decode('utf-8', 'replace')
        if kind == 'v':
            return self._value(self._value('g'))
        if kind[0] == 'a':
            size = self._number(4)
            self._align(kind[1:])
            end = self._place + size
            items = []
            while self._place < end:
                items.append(self._value(kind[1:]))
            return items
        return self.values(kind[1:-1])

    def _align(self, kind):
        self._place += -self._place % _ALIGNMENTS[kind[0]]

    def _number(self, size):
        self._place += size
        return int.from_bytes(self._data[self._place - size : self._place], self._order)
