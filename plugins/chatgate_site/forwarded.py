"""X-Forwarded-For: the client's address behind a reverse proxy."""

from __future__ import annotations

from collections.abc import Iterable

from chatgate.api import Networks, normal_peer

_UNIX = "unix"
_MOST = 20  # hops that are examined


class Forwarded:
    """trusted: addresses and networks of proxies, "unix" for unix sockets. Raises ValueError for anything else.

    Every proxy appends the address of the request it received; anything before that may be forged by the client. So the
    list is read from its end, and the first address that is not one of our proxies is the client's. The rest is
    ignored.
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
                hop = hop.partition(":")[0]  # some proxies add the port
            try:
                peer = normal_peer(hop) or peer
            except ValueError:
                break  # one of our proxies has sent something invalid
        return peer
