"""What the clients share: a connection that reads by callback, and TLS that accepts any certificate.

asyncio's streams would cost the generator about three times the CPU of these protocols, on the cores that the server
under test needs.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Self


def tls_context() -> ssl.SSLContext:
    """A benchmark asks how fast, not who: self-signed certificates are fine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


TLS = tls_context()


class Refused(Exception):
    """The server answered, but not with a yes; str() is its answer."""


class Connection(asyncio.Protocol):
    """One TLS connection. `waiting` holds the futures that must hear of its end."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.lost: Exception | None = None
        self.waiting: set[asyncio.Future[Any]] = set()
        self.transport: Any = None

    @classmethod
    async def open(cls, host: str, port: int, seconds: float = 30.0) -> Self:
        """Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        _, connection = await asyncio.wait_for(loop.create_connection(cls, host, port, ssl=TLS), seconds)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = ConnectionError(f"{type(self).__name__}: connection lost{f' ({error})' if error else ''}")
        for future in self.waiting:
            if not future.done():
                future.set_exception(self.lost)

    async def wait(self, future: asyncio.Future[Any], seconds: float | None = 30.0) -> Any:
        """The result of the future. Raises ConnectionError when the connection ends first, and TimeoutError."""
        if self.lost:
            raise self.lost
        self.waiting.add(future)
        try:
            async with asyncio.timeout(seconds):
                return await future
        finally:
            self.waiting.discard(future)

    def close(self) -> None:
        if self.transport:
            self.transport.close()
