"""A connection to another server, read through one buffer of bounded size."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.socket

_READ = 16384
_BLOCK = 65536  # octets sent at once; TLS would encrypt a whole message while everybody waits


class Broken(Exception):
    """The connection does not serve any more; str() is the reason, in words that follow a host's name."""


class Slow(Broken):
    """It may still serve, but there is no time to wait for it."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise Slow if what is in this context takes longer."""
    limit = gevent.Timeout.start_new(seconds, slow(seconds))
    try:
        yield
    finally:
        limit.close()


def slow(seconds: float) -> Slow:
    return Slow(f"does not answer within {seconds:g} seconds")


class Wire:
    """sock: a connected gevent socket. block_seconds: that sending `_BLOCK` octets may take.

    Everything raises Broken for a connection that ended and for an answer that has too much in it, and Slow when time
    is up: what is read has the time that `wait` was told last.
    """

    __slots__ = ("sock", "_buffer", "_block_seconds", "_seconds", "_until")

    def __init__(self, sock: Any, block_seconds: float) -> None:
        self.sock, self._block_seconds = sock, block_seconds
        self._buffer = b""
        self.wait(block_seconds)

    def wait(self, seconds: float) -> None:
        """An answer is to be read, all of which must have come after so many seconds, however it is sent."""
        self._seconds, self._until = seconds, time.monotonic() + seconds

    @property
    def buffered(self) -> bool:
        """Is there something that was received and not read?"""
        return bool(self._buffer)

    def send(self, data: bytes) -> None:
        """Send it all, each block in its own time."""
        try:
            self.sock.settimeout(self._block_seconds)
            if len(data) <= _BLOCK:
                self.sock.sendall(data)
                return
            view = memoryview(data)
            for start in range(0, len(data), _BLOCK):
                self.sock.sendall(view[start : start + _BLOCK])
        except OSError as error:
            raise broken(error, self._block_seconds) from None

    def line(self, most: int) -> bytes:
        """The next line without its end, CRLF or LF. most: octets it may have."""
        while (end := self._buffer.find(b"\n", 0, most + 2)) == -1:
            if len(self._buffer) > most:
                raise Broken("sends lines that are too long")
            self._buffer += self._receive()
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.removesuffix(b"\r")

    def exactly(self, count: int) -> bytes:
        """The next octets."""
        pieces, left = [self._buffer[:count]], count - len(self._buffer)
        self._buffer = self._buffer[count:]
        while left > 0:
            piece = self._receive()
            pieces.append(piece[:left])
            self._buffer = piece[left:]
            left -= len(piece)
        return b"".join(pieces)

    def rest(self, most: int) -> bytes:
        """All up to the end of the connection, or this many octets."""
        pieces, size = [self._buffer], len(self._buffer)
        self._buffer = b""
        while size < most and (piece := self._receive(ends=True)):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)[:most]

    def quiet(self) -> bool:
        """Is the connection open, and has the other side said nothing? For one that was not in use: what it said then,
        such as 421 or 408, must not be taken for the next answer.
        """
        if self._buffer:
            return False
        try:
            self.sock.settimeout(0.0)
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        finally:
            self.sock.settimeout(None)
        return False

    def close(self) -> None:
        self.sock.close()

    def _receive(self, *, ends: bool = False) -> bytes:
        left = self._until - time.monotonic()
        if left <= 0:
            raise slow(self._seconds)
        try:
            self.sock.settimeout(left)
            piece: bytes = self.sock.recv(_READ)
        except OSError as error:
            raise broken(error, self._seconds) from None
        if not piece and not ends:
            raise Broken("closed the connection")
        return piece


def broken(error: OSError, seconds: float) -> Broken:
    """What is wrong with the connection. seconds: that it had."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return slow(seconds)
    return Broken(reason(error))


def reason(error: OSError) -> str:
    """Why a connection ended, in words that follow a host's name. No text of the exception: it may have anything."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionResetError | BrokenPipeError):
        return "closed the connection"
    if isinstance(error, ssl.SSLError):
        return f"has a TLS problem ({(error.reason or 'unknown').lower().replace('_', ' ')})"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections"
    return f"cannot be reached ({error.strerror or 'unknown reason'})"
