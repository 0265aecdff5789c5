"""A client as other mail servers are: STARTTLS at port 25, nobody logs in."""

from __future__ import annotations

import asyncio
from typing import Self

from .connection import TLS
from .smtp import Submission


class Relaying(Submission):
    @classmethod
    async def connect(cls, host: str, port: int = 25, tls: bool = True) -> Self:
        """Raises OSError, TimeoutError, Refused."""
        loop = asyncio.get_running_loop()
        _, client = await asyncio.wait_for(loop.create_connection(cls, host, port), 30.0)
        client._expect(await client._reply(), b"2")
        hello = await client._command(b"EHLO sender.example\r\n", b"2")
        if tls:
            await client._command(b"STARTTLS\r\n", b"2")
            client.transport = await loop.start_tls(client.transport, client, TLS)
            hello = await client._command(b"EHLO sender.example\r\n", b"2")
        client.pipelining = b"PIPELINING" in hello.upper()
        return client
