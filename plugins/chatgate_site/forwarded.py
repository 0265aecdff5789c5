"""X-Forwarded-For: who the client is when a reverse proxy stands before us."""

from __future__ import annotations

from collections.abc import Iterable

from chatgate.api import Networks, normal_peer

_UNIX = "unix"
_MOST = 20  # hops that are looked at


class Forwarded:
    """trusted: addresses and networks of proxies, "unix" for unix sockets. Raises ValueError for what is none of these.

    Every proxy appends the address it was asked from, and a client may have made up what stands before. So the list is
    read from its end, and the first address that is no proxy of ours is the client's. Nothing else is believed.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        trusted = tuple(trusted)
        self._unix = _UNIX in trusted
        self.networks = tuple(text for text in trusted if text != _UNIX)
        self._proxies = Networks(self.networks)

    def client(self, peer: str, fields: str) -> str:
        """The client's IP address. peer: of the connection, "" on a unix socket. fields: all X-Forwarded-For fields,
        joined by commas in their order.
        """
        for hop in reversed(fields.split(",")[-_MOST:]):
            if not (peer in self._proxies if peer else self._unix):
                break
            hop = hop.strip()
            if hop.startswith("["):
                hop = hop[1:].partition("]")[0]
            elif hop.count(":") == 1:
                hop = hop.partition(":")[0]  # some name the port too
            try:
                peer = normal_peer(hop) or peer
            except ValueError:
                break  # a proxy of ours says nonsense
        return peer
