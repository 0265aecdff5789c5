"""The document of a policy, from the domain's own web server (RFC 8461 §3.3)."""

from __future__ import annotations

from collections.abc import Callable

from chatgate_resolver import Problem, Resolver

from chatgate_courier.security.sts import Unfetched
from chatgate_courier.transport.connect import connect
from chatgate_courier.transport.contract import Failed
from chatgate_courier.transport.https import read
from chatgate_courier.transport.tls import VERIFIED, Tls
from chatgate_courier.transport.wire import Broken, Wire, within

_MOST = 65535  # octets of a document; `read` drops what comes after a little more
_PATH = "/.well-known/mta-sts.txt"


class Fetcher:
    """Callable: the document for a domain, from a server whose certificate is valid. Raises Unfetched.

    tls: that of the transport. reachable: may we connect to this IP address? seconds: for all of it. octets: of the
    document.
    """

    def __init__(
        self,
        resolver: Resolver,
        tls: Tls,
        reachable: Callable[[str], bool],
        *,
        seconds: float,
        octets: int,
        port: int = 443,
    ) -> None:
        self._resolver, self._tls, self._reachable = resolver, tls, reachable
        self._seconds, self._octets, self._port = seconds, min(octets, _MOST), port

    def __call__(self, domain: str) -> bytes:
        host = f"mta-sts.{domain}"
        try:
            with within(self._seconds):
                return self._document(host)
        except Problem as problem:
            raise Unfetched(str(problem)) from None
        except Failed as failed:
            raise Unfetched(failed.reply.text) from None
        except Broken as broken:
            raise Unfetched(f"{host} {broken}") from None

    def _document(self, host: str) -> bytes:
        addresses = [one for one in self._resolver.addresses(host).values if self._reachable(one)]
        if not addresses:
            raise Unfetched(f"{host} has no address that is on the Internet")
        sock = connect(addresses, self._port, self._seconds)
        wire = Wire(self._tls.handshake(sock, host, VERIFIED), self._seconds)
        try:
            wire.send(
                f"GET {_PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n".encode()
            )
            response = read(wire)
        finally:
            wire.close()
        # Redirections are not followed; the type guards against files that users of a web server may put there.
        if response.status != 200:
            raise Unfetched(f"{host} answers {response.status}")
        if response.fields.get("content-type", "").partition(";")[0].strip().lower() != "text/plain":
            raise Unfetched(f"{host} answers with another type than text/plain")
        if len(response.body) > self._octets:
            raise Unfetched(f"{host} answers more than {self._octets} octets")
        return response.body
