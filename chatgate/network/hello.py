"""The client's first message of TLS, looked at before TLS begins: which protocols it offers, and for which host.

Only what chooses a context is read; all else, and everything that is wrong, is left to the TLS library.
"""

from __future__ import annotations

from typing import NamedTuple

import gevent
from gevent import socket

from chatgate import names
from chatgate.network.connection import Connection

# Octets of a first message with its records that are looked at. Clients send up to 2000; what is longer is not for us.
MOST = 16384

# One is usual. Each costs time whenever more of the message has come.
_MOST_RECORDS = 16

# Seconds until the rest of a first message is looked for again; then twice as long each time, up to the second. A
# socket that is only peeked at stays readable, so there is nothing to wait for.
_PAUSE, _LONGEST_PAUSE = 0.002, 0.25

_HANDSHAKE, _CLIENT_HELLO = 22, 1  # RFC 8446 §5.1, §4
_SERVER_NAME, _ALPN = 0, 16  # RFC 6066 §3, RFC 7301 §3.1


class Hello(NamedTuple):
    """server_name: the host that is asked for, in normal form; "" for none, or what is no name of a host. protocols:
    those offered, the preferred one first.
    """

    server_name: str = ""
    protocols: tuple[str, ...] = ()


NOTHING = Hello()


def peek(connection: Connection) -> Hello:
    """What a client offers, without taking an octet from the socket; `NOTHING` where that cannot be told. Waits for the
    whole message, so the caller sets a time limit. Raises OSError when the client goes away.
    """
    pause = _PAUSE
    socket.wait_read(connection.sock.fileno())
    here = 0
    while True:
        data = connection.sock.recv(MOST, socket.MSG_PEEK)
        if len(data) != here and (found := read(data)) is not None:
            return found
        if connection.gone():
            raise OSError("closed")
        here = len(data)
        gevent.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def read(data: bytes) -> Hello | None:
    """What the octets of a connection begin with; None: the message goes on after them. Never raises."""
    message = _message(data)
    if message is None:
        return None if len(data) < MOST else NOTHING
    try:
        return _read(_Reader(message))
    except IndexError:
        return NOTHING


def _message(data: bytes) -> bytes | None:
    """The body of a ClientHello, which may come in several records (RFC 8446 §5.1); b"" if this is none, None if it is
    not all here.
    """
    message, at = b"", 0
    for _ in range(_MOST_RECORDS):
        if len(data) - at < 5:
            break
        size = data[at + 3] << 8 | data[at + 4]
        if data[at] != _HANDSHAKE or data[at + 1] != 3 or not size:
            return b""
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if message and message[0] != _CLIENT_HELLO:
            return b""
        if len(message) >= 4:
            end = 4 + int.from_bytes(message[1:4])
            if end > MOST:
                return b""
            if len(message) >= end:
                return message[4:end]
    else:
        return b""
    return b"" if data[:1] not in (b"", b"\x16") else None


class _Reader:
    """Reads a part of a message. Raises IndexError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self._at

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets))

    def take(self, octets: int) -> bytes:
        if octets > self.left:
            raise IndexError
        self._at += octets
        return self.data[self._at - octets : self._at]

    def part(self, octets: int) -> _Reader:
        """What follows its own length, a number of so many octets."""
        return _Reader(self.take(self.number(octets)))


def _read(hello: _Reader) -> Hello:
    """RFC 8446 §4.1.2; older versions have the same form."""
    hello.take(2 + 32)  # version, random
    hello.part(1)  # session
    hello.part(2)  # cipher suites
    hello.part(1)  # compression
    name, protocols = "", list[str]()
    extensions = hello.part(2) if hello.left else hello
    while extensions.left:
        kind, body = extensions.number(2), extensions.part(2)
        if kind == _SERVER_NAME:
            asked = body.part(2)
            if asked.number(1) == 0:
                name = _host(asked.part(2).data)
        elif kind == _ALPN:
            offered = body.part(2)
            while offered.left:
                protocols.append(offered.part(1).data.decode("latin-1"))
    return Hello(name, tuple(protocols))


def _host(name: bytes) -> str:
    """Whoever asks may look for files of this name."""
    try:
        return names.host(name.decode("ascii"))
    except ValueError:
        return ""
