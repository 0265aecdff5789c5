"""An IMAP client (RFC 3501) that notes when each EXISTS came in: one command at a time, or IDLE (RFC 2177)."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from typing import Self

from .connection import Connection, Refused

_LITERAL = re.compile(rb"\{(\d+)\}\Z")


class Mailbox(Connection):
    """exists: messages in the selected mailbox, as told so far. arrivals: when each new one was announced, on the
    monotonic clock, oldest first. announced: called when a message was announced.
    """

    def __init__(self) -> None:
        super().__init__()
        self.exists = 0
        self.arrivals: deque[float] = deque()
        self.announced: Callable[[], None] | None = None
        self._greeting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._tagged: asyncio.Future[bytes] | None = None
        self._continue: asyncio.Future[bytes] | None = None
        self._tag, self._count = b"", 0
        self._response: list[bytes] = []
        self._untagged: list[list[bytes]] = []
        self._literal = 0

    @classmethod
    async def login(cls, host: str, port: int, address: str, password: str) -> Self:
        """Raises OSError, TimeoutError, Refused."""
        client = await cls.open(host, port)
        await client.wait(client._greeting)
        quoted = password.replace("\\", "\\\\").replace('"', '\\"')
        await client.command(f'LOGIN "{address}" "{quoted}"')
        return client

    async def command(self, line: str, seconds: float = 30.0) -> list[list[bytes]]:
        """The untagged responses, each as its text and literals in turn. Raises Refused, ConnectionError,
        TimeoutError.
        """
        return await self._finish(self._send(line), seconds)

    async def idle(self) -> asyncio.Future[bytes]:
        """Begin IDLE; hand the answer to `done`."""
        tagged = self._send("IDLE")
        self._continue = asyncio.get_running_loop().create_future()
        answer = await self.wait(self._continue)
        if not answer.startswith(b"+"):
            raise Refused(answer.decode(errors="replace"))
        return tagged

    async def done(self, tagged: asyncio.Future[bytes]) -> None:
        self.transport.write(b"DONE\r\n")
        await self._finish(tagged)

    def _send(self, line: str) -> asyncio.Future[bytes]:
        self._count += 1
        self._tag = b"b%d " % self._count
        self._untagged = []
        self._tagged = asyncio.get_running_loop().create_future()
        self.transport.write(self._tag + line.encode() + b"\r\n")
        return self._tagged

    async def _finish(self, tagged: asyncio.Future[bytes], seconds: float = 30.0) -> list[list[bytes]]:
        answer = await self.wait(tagged, seconds)
        if not answer.startswith(self._tag + b"OK"):
            raise Refused(answer.decode(errors="replace"))
        return self._untagged

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer
        buffer += data
        while True:
            if self._literal:
                if len(buffer) < self._literal:
                    return
                self._response.append(bytes(buffer[: self._literal]))
                del buffer[: self._literal]
                self._literal = 0
            end = buffer.find(b"\r\n")
            if end < 0:
                return
            line = bytes(buffer[:end])
            del buffer[: end + 2]
            self._response.append(line)
            if line.endswith(b"}") and (literal := _LITERAL.search(line)):
                self._literal = int(literal[1])
                if not self._literal:
                    self._response.append(b"")
                continue
            response, self._response = self._response, []
            self._take(response)

    def _take(self, response: list[bytes]) -> None:
        line = response[0]
        if line.startswith(b"* "):
            if not self._greeting.done():
                self._greeting.set_result(line)
            elif line.endswith(b" EXISTS"):
                self._grow(int(line[2:-7]))
            elif line.endswith(b" EXPUNGE"):
                self.exists -= 1
            else:
                self._untagged.append(response)
        elif line.startswith(b"+"):
            _settle(self._continue, line)
        elif self._tag and line.startswith(self._tag):
            _settle(self._continue, line)  # IDLE refused: no continuation will come
            _settle(self._tagged, line)

    def _grow(self, exists: int) -> None:
        moment = time.monotonic()
        self.arrivals.extend([moment] * (exists - self.exists))
        grown, self.exists = exists > self.exists, exists
        if grown and self.announced:
            self.announced()


def _settle(future: asyncio.Future[bytes] | None, line: bytes) -> None:
    if future and not future.done():
        future.set_result(line)
