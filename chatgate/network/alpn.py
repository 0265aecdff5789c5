"""One port for several services: a client names the protocol that it wants within TLS (ALPN, RFC 7301)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatgate.network import hello
from chatgate.network.connection import Connection

if TYPE_CHECKING:
    from chatgate.network.server import Server


class Protocols:
    """The services of one gateway by the protocol names that clients ask for. A listener that goes by ALPN offers all
    of them, and hands a connection over to the service that the client has asked for.
    """

    def __init__(self) -> None:
        self._services: dict[str, Server] = {}
        # Of these: they have contexts of their own, so they must be known before TLS begins.
        self._own: dict[str, Server] = {}
        self._contexts: list[Any] = []

    def add(self, service: Server) -> None:
        """A service that clients may ask for from now on."""
        (self._services if service.context is None else self._own)[service.alpn] = service
        self._offer()

    def remove(self, service: Server) -> None:
        """It takes no more connections."""
        for services in (self._services, self._own):
            if services.get(service.alpn) is service:
                del services[service.alpn]
                self._offer()

    def offered_by(self, context: Any) -> None:
        """A context of the listeners that go by ALPN: it is to offer what there is."""
        self._contexts.append(context)
        self._offer()

    def _offer(self) -> None:
        # A client that takes several gets what the listener is for.
        names = sorted(self._services, key=lambda name: not self._services[name].by_alpn)
        for context in self._contexts:
            context.set_alpn_protocols(names)

    def before(self, connection: Connection) -> tuple[Server | None, str]:
        """The service with contexts of its own that a client asks for, if any, and for which host. Where there is no
        such service, the connection is not looked at. Raises OSError when the client goes away.
        """
        if self._own:
            found = hello.peek(connection)
            for name in found.protocols:
                if name in self._own:
                    return self._own[name], found.server_name
        return None, ""

    def after(self, connection: Connection) -> Server | None:
        """The service that a client asked for, now that TLS has begun; None if it asked for none of them."""
        return self._services.get(connection.sock.selected_alpn_protocol() or "")
