"""An example of sending: mail that accounts send to some other domains goes to one server, which takes it from there.

It shows what a plugin needs that delivers elsewhere: an answer to `chatgate_recipient`, a worker on the store's queue
that may die at any instant, and a field over the final octets by `chatgate_sign`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from chatgate.api import (
    Envelope,
    Gateway,
    Outgoing,
    Prepend,
    hookimpl,
    option,
    required,
)


@dataclass(frozen=True)
class SmarthostOptions:
    host: str = required("The server that takes the mail, as host:port.")
    domains: tuple[str, ...] = option((), "Mail for these domains goes there.")
    seal_key: str = option("", "With a key, mail that goes there has a field Relay-Seal, which proves that.")
    retry_seconds: float = option(300.0, "Seconds until mail that it refuses for now is tried again.")
    timeout_seconds: float = option(60.0, "Seconds to wait for an answer of that server.")


class Smarthost:
    """Hand mail for some domains to another server."""

    Options = SmarthostOptions
    order = 70  # behind the accounts of this server, and the plugins that refuse recipients

    def __init__(self, gateway: Gateway, options: SmarthostOptions) -> None:
        self._gateway, self._options = gateway, options
        self._domains = frozenset(domain.lower() for domain in options.domains)

    @hookimpl
    def chatgate_recipient(self, envelope: Envelope, address: str) -> Outgoing | None:
        domain = address.rpartition("@")[2].lower()
        # Other servers do not get mail relayed.
        return Outgoing(address, domain) if envelope.origin != "peer" and domain in self._domains else None

    @hookimpl
    def chatgate_sign(self, envelope: Envelope, content: bytes) -> list[Prepend] | None:
        if not self._options.seal_key or not any(isinstance(d, Outgoing) for d in envelope.destinations.values()):
            return None
        seal = hmac.new(self._options.seal_key.encode(), content, hashlib.sha256).hexdigest()
        return [Prepend("Relay-Seal", f"v=1; hmac-sha256={seal}")]
