"""A mail server that takes everything and keeps nothing: `python -m contrib.bench.sink ADDRESS CHAIN KEY`.

It listens for SMTP with STARTTLS at port 25 and for /mxdeliv at port 443, and at port 9 tells whoever connects how many
messages have come, and when the first and the last of them did, on the monotonic clock, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from typing import Any

_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n250 OK"


class Count:
    def __init__(self) -> None:
        self.messages, self.first, self.last = 0, 0.0, 0.0

    def add(self) -> None:
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.messages += 1

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]


class Smtp(asyncio.Protocol):
    """PIPELINING, and STARTTLS on the connection that there is."""

    def __init__(self, count: Count, tls: ssl.SSLContext) -> None:
        self._count, self._tls = count, tls
        self._buffer, self._in_data = bytearray(), False
        self._transport: Any = None  # None while TLS begins

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        # Where the handshake is over for the client first, its EHLO may come before start_tls returns here.
        if self._transport is not None:
            self._answer()

    def _answer(self) -> None:
        buffer, said = self._buffer, bytearray()
        while buffer:
            if self._in_data:
                # The dot may come alone, in front of everything.
                end = 0 if buffer.startswith(b".\r\n") else buffer.find(b"\r\n.\r\n")
                if end < 0:
                    break
                del buffer[: 3 if buffer.startswith(b".\r\n") else end + 5]
                self._in_data = False
                self._count.add()
                said += b"250 taken\r\n"
                continue
            line, found, _ = buffer.partition(b"\r\n")
            if not found:
                break
            del buffer[: len(line) + 2]
            verb = bytes(line[:4]).upper()
            if verb == b"STAR":
                self._transport.pause_reading()  # what comes next is for TLS
                self._transport.write(b"220 go on\r\n")
                buffer.clear()
                transport, self._transport = self._transport, None
                asyncio.ensure_future(self._encrypt(transport))
                return
            if verb == b"EHLO":
                said += b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 SIZE 50000000\r\n"
            elif verb == b"DATA":
                self._in_data = True
                said += b"354 go on\r\n"
            else:
                said += b"221 bye\r\n" if verb == b"QUIT" else b"250 OK\r\n"
        if said:
            self._transport.write(bytes(said))

    async def _encrypt(self, transport: Any) -> None:
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(transport, self, self._tls, server_side=True)
        self._answer()


class Web(asyncio.Protocol):
    def __init__(self, count: Count) -> None:
        self._count, self._buffer = count, bytearray()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(buffer, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(buffer) < whole:
                return
            del buffer[:whole]
            self._count.add()
            self._transport.write(_OK)


async def serve(address: str, chain: str, key: str) -> None:
    count = Count()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    loop = asyncio.get_running_loop()

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readline()).strip() == b"reset":
            count.reset()
        writer.write(json.dumps([count.messages, count.first, count.last]).encode())
        writer.close()

    await loop.create_server(lambda: Smtp(count, tls), address, 25)
    await loop.create_server(lambda: Web(count), address, 443, ssl=tls)
    await asyncio.start_server(tell, address, 9)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4]))
