"""aiosmtpd without an event loop: its coroutine runs in the connection's greenlet.

aiosmtpd awaits a reader and a writer. `Stream` is both; its methods are coroutines in form only: where they must wait,
they block the greenlet and never suspend. So one `send(None)` runs a whole session, and asyncio is not needed at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

import gevent

from chatgate.api import Work

# A TLS record is 16 KiB at most; only plaintext connections could fill a larger buffer.
_CHUNK = 16384
# Replies held back while the client has more commands waiting.
_MAX_HELD = 16384
# A command line longer than this many octets is not even skipped: the connection ends.
_MAX_SKIPPED = 1 << 20
_VERB = 4  # letters in the name of a command, as in MAIL, RCPT and DATA


class BadLine(Exception):
    """A malformed command line; str() is the reply. The session goes on."""


class Goodbye(Exception):
    """The session must end; str() is the last reply."""


class _TimeIsUp(Goodbye):
    def __init__(self) -> None:
        super().__init__("421 4.4.2 Timeout, closing connection")


class Stream:
    """One connection, as aiosmtpd's reader and writer.

    max_line: octets a command line may have. seconds: how long a client may take to send a command or read a reply.
    Replies are held until there is nothing more to read, and then go out in one write (RFC 2920 §3.2).
    A lost connection raises ConnectionResetError, which ends aiosmtpd's command loop.
    """

    def __init__(self, sock: Any, max_line: int, seconds: float) -> None:
        self._sock = sock
        self._max_line = max_line
        self._seconds = seconds
        self._input = b""
        self._at = 0
        self._output = b""
        # gevent does not switch greenlets while a socket has data. When turns were given after a number of reads, 32
        # uploads ran one after the other and held up everyone else for 100 ms.
        self._work = Work()
        self._greenlet = gevent.getcurrent()
        self._waits_for_command = False
        self._last_words: str | None = None
        # time.monotonic() after which no further command is awaited
        self.login_deadline: float | None = None

    # ------------------------------------------------------------------------------------------ aiosmtpd's reader

    async def readuntil(self) -> bytes:
        """The next command line with its CR LF. Raises BadLine and Goodbye."""
        end = self._input.find(b"\n", self._at)
        if end < 0 or self._last_words is not None:
            end = self._await_line()
        self._work.turn()
        line = self._input[self._at : end + 1]
        self._at = end + 1
        if line[-2:] != b"\r\n" or b"\r" in line[:-2]:
            # What follows may be commands smuggled past another server that accepts other line ends.
            raise Goodbye("521 5.5.2 Bare CR or LF in a command line")
        if len(line) > self._max_line:
            raise BadLine("500 5.5.2 Line too long")
        return line

    readline = readuntil  # for the answers to AUTH challenges

    def _await_line(self) -> int:
        """Read until there is a LF in the input. Returns its index."""
        deadline = time.monotonic() + self._seconds
        if self.login_deadline is not None:
            deadline = min(deadline, self.login_deadline)
        too_long = False
        skipped = 0
        if self._last_words is not None:
            raise Goodbye(self._last_words)
        while True:
            rest = self._input[self._at :]
            if b"\r" in rest[:-1]:
                raise Goodbye("521 5.5.2 Bare CR or LF in a command line")
            if len(rest) > self._max_line:
                too_long = True
                skipped += len(rest) - 1
                if skipped > _MAX_SKIPPED:
                    raise Goodbye("500 5.5.2 Line too long")
                rest = rest[-1:]  # it may be the CR of the line end
            self._input = rest + self._receive(deadline, for_command=True)
            self._at = 0
            end = self._input.find(b"\n", len(rest))
            if end >= 0:
                if too_long and self._input[end - 1 : end] == b"\r":
                    self._at = end + 1
                    raise BadLine("500 5.5.2 Line too long")
                return end

    # ------------------------------------------------------------------------------------------ aiosmtpd's writer

    def write(self, data: bytes) -> None:
        self._output += data
        if len(self._output) > _MAX_HELD:
            self.flush()

    async def drain(self) -> None:
        """Nothing: see flush()."""

    def close(self) -> None:
        """Nothing: the core closes."""

    # ------------------------------------------------------------------------------------------ for the protocol

    def flush(self) -> None:
        """Send the replies held back. To be called before anything slow."""
        if not self._output:
            return
        output, self._output = self._output, b""
        try:
            self._sock.settimeout(self._seconds)
            self._sock.sendall(output)
        except OSError as error:
            raise ConnectionResetError from error

    def read(self, deadline: float) -> bytes:
        """The next input, at least one octet. deadline: by time.monotonic(). Raises Goodbye."""
        if self._at < len(self._input):
            chunk = self._input[self._at :]
            self._input, self._at = b"", 0
            return chunk
        return self._receive(deadline)

    def next_verb(self, seconds: float) -> bytes:
        """The first four letters of the next command, in capitals, without consuming them; b"" if they do not arrive
        within so many seconds. Raises Goodbye when the gateway stops.
        """
        deadline = time.monotonic() + seconds
        while len(self._input) - self._at < _VERB:
            try:
                chunk = self._receive(deadline, for_command=True)
            except _TimeIsUp:
                return b""
            self._input, self._at = self._input[self._at :] + chunk, 0
        return self._input[self._at : self._at + _VERB].upper()

    def unread(self, rest: bytes) -> None:
        """Put back input that was read too far. To be called before anything else is read."""
        self._input, self._at = rest, 0

    def start_tls(self, wrap: Callable[[Any], Any]) -> None:
        """Continue on the socket that `wrap` makes of ours. Input that came in clear is thrown away: somebody between
        the client and us could have injected it (RFC 3207 §6).
        """
        self.flush()
        self._input, self._at = b"", 0
        try:
            self._sock.settimeout(None)
            self._sock = wrap(self._sock)
        except OSError as error:
            raise ConnectionResetError from error

    def pause(self, seconds: float) -> None:
        """Keep the client waiting for its reply. Raises Goodbye when the gateway stops."""
        self.flush()
        if self._last_words is not None:
            raise Goodbye(self._last_words)
        self._waits_for_command = True
        try:
            gevent.sleep(seconds)
        finally:
            self._waits_for_command = False

    def stop(self, last_words: str) -> None:
        """End the session with this line: at once if it waits for a command, else after what it is doing.
        For `Session.on_stop`: does not block.
        """
        self._last_words = last_words
        gevent.get_hub().loop.run_callback(self._interrupt)

    # ------------------------------------------------------------------------------------------ inside

    def _interrupt(self) -> None:
        # Runs in the hub's own greenlet: while the flag is set, the session can only be waiting in recv or pause.
        if self._waits_for_command:
            self._greenlet.throw(Goodbye(self._last_words))

    def _receive(self, deadline: float, for_command: bool = False) -> bytes:
        if self._output:
            self.flush()
        self._work.turn()
        if for_command and self._last_words is not None:  # checked again: both of the above may have taken time
            raise Goodbye(self._last_words)
        left = deadline - time.monotonic()
        if left <= 0:
            raise _TimeIsUp
        try:
            self._sock.settimeout(left)
            self._waits_for_command = for_command
            chunk = self._sock.recv(_CHUNK)
        except TimeoutError:
            raise _TimeIsUp from None
        except OSError as error:
            raise ConnectionResetError from error
        finally:
            self._waits_for_command = False
        if not chunk:
            raise ConnectionResetError
        return chunk


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to its end a coroutine that never suspends. Raises RuntimeError if it does suspend."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("the SMTP session waited for an event loop")
