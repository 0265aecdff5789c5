"""A submission client (RFC 6409) that stays connected and pipelines (RFC 2920) where the server offers it."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import deque
from collections.abc import Sequence
from typing import Self

from .connection import Connection, Refused


class Submission(Connection):
    def __init__(self) -> None:
        super().__init__()
        self.pipelining = False
        self._replies: deque[bytes] = deque()
        self._next: asyncio.Future[None] | None = None

    @classmethod
    async def login(cls, host: str, port: int, address: str, password: str) -> Self:
        """Raises OSError, TimeoutError, Refused."""
        client = await cls.open(host, port)
        client._expect(await client._reply(), b"2")
        hello = await client._command(b"EHLO [127.0.0.1]\r\n", b"2")
        client.pipelining = b"PIPELINING" in hello.upper()
        token = base64.b64encode(f"\0{address}\0{password}".encode())
        await client._command(b"AUTH PLAIN %b\r\n" % token, b"2")
        return client

    async def send(self, sender: str, recipients: Sequence[str], message: bytes) -> tuple[float, float]:
        """Submit. Returns when the content began to be sent and when it was accepted, on the monotonic clock.
        Raises Refused, and then the session is good for the next message; ConnectionError, TimeoutError.
        """
        envelope = [b"MAIL FROM:<%b>\r\n" % sender.encode()]
        envelope += [b"RCPT TO:<%b>\r\n" % address.encode() for address in recipients]
        envelope.append(b"DATA\r\n")
        if self.pipelining:
            self.transport.write(b"".join(envelope))
            replies = [await self._reply() for _ in envelope]
        else:
            replies = []
            for command in envelope:
                self.transport.write(command)
                replies.append(await self._reply())
                if replies[-1][:1] not in b"23":
                    break
        bad = next((reply for reply in replies if reply[:1] not in b"23"), None)
        if bad is not None:
            # After a 354 the server waits for content: an empty one ends that state.
            self.transport.write(b".\r\n" if replies[-1][:1] == b"3" else b"RSET\r\n")
            await self._reply()
            raise Refused(bad.decode(errors="replace").strip())
        begun = time.monotonic()
        self.transport.write(message + b".\r\n")
        self._expect(await self._reply(), b"2")
        return begun, time.monotonic()

    async def _command(self, line: bytes, wanted: bytes) -> bytes:
        self.transport.write(line)
        return self._expect(await self._reply(), wanted)

    @staticmethod
    def _expect(reply: bytes, wanted: bytes) -> bytes:
        if reply[:1] != wanted:
            raise Refused(reply.decode(errors="replace").strip())
        return reply

    async def _reply(self) -> bytes:
        """All lines of the next reply."""
        while not self._replies:
            self._next = asyncio.get_running_loop().create_future()
            await self.wait(self._next, 60.0)
        return self._replies.popleft()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        start = 0
        while (end := self.buffer.find(b"\n", start)) >= 0:
            if self.buffer[start + 3 : start + 4] != b"-":
                self._replies.append(bytes(self.buffer[: end + 1]))
                del self.buffer[: end + 1]
                start = 0
            else:
                start = end + 1
        if self._replies and self._next and not self._next.done():
            self._next.set_result(None)
