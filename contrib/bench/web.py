"""POST /new, as Delta Chat asks for an account: a TLS connection of its own for each request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .connection import Connection, Refused
from .server import Account


class _Request(Connection):
    def __init__(self) -> None:
        super().__init__()
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.buffer += data

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_result(bytes(self.buffer))
        super().connection_lost(error)


async def new_account(host: str, port: int, domain: str) -> Account:
    """An address and a password that the server proposes. Raises Refused, OSError, TimeoutError."""
    request = await _Request.open(host, port)
    try:
        head = f"POST /new HTTP/1.1\r\nHost: {domain}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        request.transport.write(head.encode())
        answer = await request.wait(request.answer)
    finally:
        request.close()
    header, _, body = answer.partition(b"\r\n\r\n")
    status = header.partition(b"\r\n")[0]
    if status.split(b" ")[1:2] != [b"200"]:
        raise Refused(status.decode(errors="replace") or "no answer")
    try:
        # From the first to the last brace: the body may come in chunks.
        proposal: dict[str, Any] = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
        return proposal["email"], proposal["password"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("the answer is no JSON with email and password") from error
