"""TCP through a SOCKS5 proxy (RFC 1928, 1929): the proxy looks names up itself, as .onion names must be."""

from __future__ import annotations

from typing import Any

import gevent.socket

from chatgate.api import ip
from chatgate_courier.transport.wire import Broken, Wire, reason, within

_NO_LOGIN, _PASSWORD, _NOTHING = 0, 2, 255
_ADDRESS_OCTETS = {1: 4, 4: 16}
_REASONS = {
    1: "has a problem",
    2: "does not allow this connection",
    3: "says that the network is unreachable",
    4: "says that the host is unreachable",
    5: "says that the connection was refused",
    6: "says that the host does not answer",
}


def connect(proxy: str, host: str, port: int, seconds: float) -> Any:
    """A socket connected to a host through the proxy "[user:password@]host:port". Raises Broken."""
    login, _, where = proxy.rpartition("@")
    proxy_host, _, proxy_port = where.rpartition(":")
    with within(seconds):
        try:
            sock = gevent.socket.create_connection((proxy_host.strip("[]"), int(proxy_port)))
        except OSError as error:
            raise Broken(f"is behind a proxy, which {reason(error)}") from None
        try:
            _ask(Wire(sock, seconds), login, host, port)
        except Broken as error:
            sock.close()
            raise Broken(f"is behind a proxy, which {error}") from None
        except BaseException:
            sock.close()
            raise
    return sock


def _ask(wire: Wire, login: str, host: str, port: int) -> None:
    methods = bytes([_NO_LOGIN, _PASSWORD] if login else [_NO_LOGIN])
    wire.send(b"\x05" + bytes([len(methods)]) + methods)
    version, method = wire.exactly(2)
    if version != 5 or method == _NOTHING or method not in methods:
        raise Broken("wants another kind of login" if version == 5 else "does not speak SOCKS5")
    if method == _PASSWORD:
        user, _, password = (part.encode() for part in login.partition(":"))
        wire.send(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
        if wire.exactly(2)[1] != 0:
            raise Broken("refuses the login")
    wire.send(b"\x05\x01\x00" + _address(host) + port.to_bytes(2, "big"))
    version, answer, _, kind = wire.exactly(4)
    if version != 5 or answer != 0:
        raise Broken(_REASONS.get(answer, "refuses"))
    wire.exactly((_ADDRESS_OCTETS.get(kind) or wire.exactly(1)[0]) + 2)


def _address(host: str) -> bytes:
    if address := ip(host):
        return bytes([1 if address.version == 4 else 4]) + address.packed
    name = host.encode("ascii")
    return bytes([3, len(name)]) + name
