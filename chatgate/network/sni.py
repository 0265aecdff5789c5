"""One listener, several certificates: the client's first words name the host that it wants (RFC 6066 §3)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from chatgate.network import peers


def local_address(sock: Any) -> str:
    """Our IP address to which a client has connected; "" for a Unix socket and one that is closed."""
    try:
        name = sock.getsockname()
        return _normal(name[0]) if isinstance(name, tuple) else ""
    except (OSError, ValueError):
        return ""


_normal = functools.lru_cache(64)(peers.normal)  # a gateway has few, and each connection asks


def choose(context: Any, certificate_for: Callable[[str], Any]) -> None:
    """Let this server context ask for the one to go on with, by the name that a client names, or else by our address,
    as no client names those of servers without a name. None: with this one. The socket has the name then as its
    `server_hostname`.
    """

    def chosen(sock: Any, name: str | None, _: Any) -> None:
        sock.server_hostname = name or local_address(sock)
        found = certificate_for(sock.server_hostname)
        if found is not None:
            sock.context = found

    context.sni_callback = chosen
