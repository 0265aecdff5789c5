"""The PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt): the client's real address."""

from __future__ import annotations

import ipaddress
from typing import Any

_V2 = b"\r\n\r\n\0\r\nQUIT\n"
_V1_MAX = 107  # octets with CRLF, from the specification
_V2_MAX = 4096


def read_proxy_header(sock: Any) -> str:
    """Read the header from the socket, and not one octet more. Returns the client's IP address, or "" when the proxy
    speaks for itself (health checks). Raises ValueError for anything else, OSError when the peer goes away.
    """
    start = _exactly(sock, 12)
    if start == _V2:
        return _version_2(sock)
    if start.startswith(b"PROXY "):
        return _version_1(sock, start)
    raise ValueError("no PROXY header")


def _version_1(sock: Any, line: bytes) -> str:
    while not line.endswith(b"\r\n"):
        if len(line) >= _V1_MAX:
            raise ValueError("PROXY line too long")
        line += _exactly(sock, 1)  # the next octets may belong to TLS
    words = line[:-2].decode("ascii", "replace").split(" ")
    if words[1] == "UNKNOWN":
        return ""
    version = {"TCP4": 4, "TCP6": 6}.get(words[1])
    if len(words) != 6 or "%" in words[2] or ipaddress.ip_address(words[2]).version != version:
        raise ValueError("bad PROXY line")
    return words[2]


def _version_2(sock: Any) -> str:
    command, family, high, low = _exactly(sock, 4)
    length = high << 8 | low
    if command >> 4 != 2 or length > _V2_MAX:
        raise ValueError("bad PROXY header")
    block = _exactly(sock, length)
    if command & 15 == 0:
        return ""
    size = {1: 4, 2: 16}.get(family >> 4)
    if command & 15 != 1 or size is None or len(block) < 2 * size + 4:
        raise ValueError("bad PROXY header")
    return str(ipaddress.ip_address(block[:size]))


def _exactly(sock: Any, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data
