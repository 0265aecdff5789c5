"""TLS contexts of servers: how they are made, and several certificates on one listener, as the client's first message
names the host that it wants (RFC 6066 §3).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from gevent import ssl

from chatgate.network import peers


def tls_context(modern: bool = False) -> ssl.SSLContext:
    """A server context without a certificate yet. gevent's own class: the standard one would block the hub. modern:
    TLS 1.3 only.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if modern else ssl.TLSVersion.TLSv1_2
    # Clients reconnect by a full handshake (Delta Chat keeps no tickets for long); two tickets unasked for cost
    # a write and memory on each connection.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def local_address(sock: Any) -> str:
    """Our IP address that the client has connected to; "" for a Unix socket or a closed one."""
    try:
        name = sock.getsockname()
        return _normal(name[0]) if isinstance(name, tuple) else ""
    except (OSError, ValueError):
        return ""


_normal = functools.lru_cache(64)(peers.normal)  # a gateway has few, and each connection asks


def choose(context: Any, certificate_for: Callable[[str], Any]) -> None:
    """Make this server context switch to the one that `certificate_for` returns for the name that the client sends or,
    as clients send none for a server without a name, for our address. None: keep this context. The socket then has the
    name as its `server_hostname`.
    """

    def chosen(sock: Any, name: str | None, _: Any) -> None:
        sock.server_hostname = name or local_address(sock)
        found = certificate_for(sock.server_hostname)
        if found is not None:
            sock.context = found

    context.sni_callback = chosen
