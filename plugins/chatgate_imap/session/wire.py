"""One connection's bytes: command lines and literals in, responses out. The only place that touches the socket."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Waiter
from gevent.ssl import SSLSocket

from chatgate.api import Session, Uploads, Work

from ..syntax.answers import Bye, Closed
from ..syntax.large import FULL, Large
from .compress import Deflate
from .unsent import Unsent

CHUNK = 16384  # one TLS record; the buffer exists only while there is something to read
SEND_CHUNK = 131072


class Wire:
    """Responses are collected in `out` and sent together before waiting for the next command, so that the answers to
    pipelined commands go out in one send. An idle connection has no buffer at all.

    awake: `wake` was called, so `wait` does not sleep. timeout: seconds to wait for input between commands.
    deadline: the moment (time.monotonic) when waiting ends in any case, or None.
    stall: seconds for which a client may fail to read.
    work: gives others a turn within long answers. unsent: the budget for unsent output of all connections.
    uploads, session: for the memory of the command that is being read, see `large`.
    """

    __slots__ = (
        "sock",
        "awake",
        "timeout",
        "deadline",
        "stall",
        "_work",
        "_unsent",
        "_uploads",
        "_session",
        "_large",
        "_in",
        "_out",
        "_gathered",
        "_deflate",
        "_bye",
        "_watcher",
        "_sleeper",
    )

    def __init__(
        self,
        sock: Any,
        timeout: float,
        stall: float,
        work: Work,
        unsent: Unsent,
        uploads: Uploads,
        session: Session,
    ) -> None:
        self.sock = sock
        sock.settimeout(0.0)
        self._uploads, self._session = uploads, session
        self._large: Large | None = None
        self.awake = False
        self.timeout = timeout
        self.deadline: float | None = None
        self.stall = stall
        self._work, self._unsent = work, unsent
        self._in = bytearray()
        self._out: list[bytes] = []
        self._gathered = 0
        self._deflate: Deflate | None = None
        self._bye: Bye | None = None
        self._watcher: Any = None
        self._sleeper: Waiter | None = None

    # ------------------------------------------------------------------------------------------ out

    def write(self, data: bytes) -> None:
        """Send this with the next flush; b"" does nothing."""
        if not data:
            return
        if len(data) > SEND_CHUNK:  # sent as it is, so that it is not copied together with what surrounds it
            self.flush()
            self._send(data)
            return
        self._out.append(data)
        self._gathered += len(data)
        if self._gathered > SEND_CHUNK:
            self.flush()

    def flush(self) -> None:
        """Send the collected responses. Raises Closed if the client is gone or does not read."""
        if self._out:
            data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            self._gathered = 0
            self._send(data)

    def _send(self, data: bytes) -> None:
        """Send in pieces: no client waits long while another one's data is deflated; `stall` applies to each piece."""
        view = memoryview(data)
        for start in range(0, len(view), SEND_CHUNK):
            piece = view[start : start + SEND_CHUNK]
            self._send_piece(piece if self._deflate is None else memoryview(self._deflate.pack(piece)))
            self._work.turn()

    def _send_piece(self, piece: memoryview) -> None:
        try:
            # Tried at once first: sendall() asks the kernel for its buffer size and starts a timer each time.
            # TLS wants a write that did not go out repeated at the same length.
            try:
                sent = self.sock.send(piece)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                sent = 0
            if sent < len(piece):
                self.sock.settimeout(self.stall)
                try:
                    with self._unsent.waits(len(piece)):  # all of it is kept until then
                        self.sock.sendall(piece[sent:])
                finally:
                    self.sock.settimeout(0.0)
        except OSError as error:
            raise Closed from error

    def close(self) -> None:
        """Drop references to the socket. Its creator closes it."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    # ------------------------------------------------------------------------------------------ in

    def _read(self) -> bool:
        """Read what is there without waiting: with TLS a socket may be readable without any data. Returns whether there
        was data. Raises Closed at the end of the input.
        """
        if self._deflate is not None and self._deflate.pending:
            data = b""
        else:
            try:
                data = self.sock.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError as error:
                raise Closed from error
            if not data:
                raise Closed
        if self._deflate is not None:
            data = self._deflate.unpack(data, CHUNK)
        self._in += data
        return True

    def _sleep(self, seconds: float) -> None:
        """Sleep until there may be something to read, `wake` is called, or the time is over. Does not use gevent's
        Event and Timeout, which would take half a kilobyte for each idle connection.
        """
        if self.awake:
            return
        if self._deflate is not None:
            self._deflate.rest()
        loop = gevent.get_hub().loop
        if self._watcher is None:
            self._watcher = loop.io(self.sock.fileno(), 1)
        sleeper = self._sleeper = Waiter()
        timer = loop.timer(seconds)
        try:
            self._watcher.start(sleeper.switch, None)
            timer.start(sleeper.switch, None, update=True)
            sleeper.get()
        finally:
            self._sleeper = None
            timer.close()
            self._watcher.stop()

    def wake(self) -> None:
        """End the sleep of `wait`, or keep it from sleeping. May be called from any greenlet; never blocks."""
        if not self.awake:
            self.awake = True
            if self._sleeper is not None:
                gevent.get_hub().loop.run_callback(self._sleeper.switch, None)

    def _ready(self) -> bool:
        """Is there input that has left the kernel's buffer already?"""
        if self._deflate is not None and self._deflate.pending:
            return True
        return isinstance(self.sock, SSLSocket) and self.sock.pending() > 0

    def _fill(self, seconds: float) -> None:
        """Wait for more input. Raises Closed at its end, Bye if none comes in time or the server stops."""
        self.flush()
        until = time.monotonic() + seconds
        if self.deadline is not None:
            until = min(until, self.deadline)
        # A client that has just been answered has rarely sent more already, and an SSL_read in vain costs an exception.
        promising = self._ready()
        while not (promising and self._read()):
            left = until - time.monotonic()
            if left <= 0:
                raise Bye("Disconnected for inactivity")
            self.awake = False
            if self._bye is not None:
                raise self._bye
            self._sleep(left)
            promising = True

    def line(self, limit: int) -> bytes:
        """The next line without its end. Raises Bye when it is longer than `limit`."""
        start = 0
        while True:
            end = self._in.find(b"\n", start)
            if end >= 0:
                break
            seconds = self.timeout
            if start > CHUNK:
                if self.large.dropped:
                    raise Bye(*FULL)
                seconds = self.large.came(len(self._in) - start)
            start = len(self._in)
            if start > limit:
                raise Bye("Command line too long", "TOOBIG")
            self._fill(seconds)
            if start > CHUNK:
                self._work.turn()
        if end > limit:
            raise Bye("Command line too long", "TOOBIG")
        line = bytes(self._in[:end])
        del self._in[: end + 1]
        return line[:-1] if line.endswith(b"\r") else line

    def some(self, most: int, seconds: float) -> bytes:
        """The next input, from one octet to `most`. Raises Closed, and Bye if nothing comes within these seconds."""
        if not self._in:
            self._fill(seconds)
            # A client may send faster than it is read, above all deflated: then nothing is waited for.
            self._work.turn()
        piece = bytes(self._in[:most])
        del self._in[:most]
        return piece

    @property
    def large(self) -> Large:
        """The memory of the command that is being read. Made on demand, as few commands are large."""
        if self._large is None:
            self._large = Large(self._uploads, self._session, self._drop)
        return self._large

    def release(self) -> None:
        """Free the memory of the command that was read."""
        if self._large is not None:
            self._large.release()
            self._large = None

    def _drop(self) -> None:
        if len(self._in) > CHUNK:  # in the middle of a long line, which will be refused
            self._in.clear()

    # ------------------------------------------------------------------------------------------ waiting

    @property
    def has_line(self) -> bool:
        """Is a whole line waiting?"""
        return b"\n" in self._in

    def wait(self, seconds: float) -> bool:
        """Flush, then sleep until a whole line has arrived (True), `wake` is called, or the time is over (False).
        Callers must unset `awake` before they look for what it announces.
        """
        self.flush()
        if self.has_line or (self._ready() and self._read_line()):
            return True
        if self._bye is not None:
            raise self._bye
        self._sleep(seconds)
        return self._read_line()

    def _read_line(self) -> bool:
        """Read what is there. Returns whether there is a whole line."""
        while not self.has_line and self._read():
            if len(self._in) > 4 * CHUNK:
                raise Bye("Command line too long", "TOOBIG")
        return self.has_line

    def stop(self, bye: Bye) -> None:
        """Say goodbye with this as soon as the session would have to wait for the client or its next command. May be
        called from any greenlet; never blocks.
        """
        self._bye = bye
        self.wake()

    # ------------------------------------------------------------------------------------------ layers

    def start_tls(self, wrap: Callable[[Any], Any]) -> None:
        """Discard plaintext received after the command, as it may be an attacker's; flush; wrap. Raises Closed."""
        self._in.clear()
        self.flush()
        self.close()
        try:
            self.sock.settimeout(self.stall)
            self.sock = wrap(self.sock)
            self.sock.settimeout(0.0)
        except OSError as error:
            raise Closed from error

    @property
    def compressed(self) -> bool:
        return self._deflate is not None

    def start_deflate(self, level: int) -> None:
        """COMPRESS=DEFLATE both ways from the next byte on (RFC 4978). Input read after the command is compressed."""
        self.flush()
        self._deflate = Deflate(level)
        waiting = bytes(self._in)
        self._in.clear()
        if waiting:
            self._in += self._deflate.unpack(waiting, CHUNK)
