"""The two ways to one host: /mxdeliv, and SMTP."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from chatgate_resolver import Trouble

from chatgate.api import Domain, Domains, Reply, bare, ip
from chatgate_courier.transport import connect, socks
from chatgate_courier.transport.breaker import Memory
from chatgate_courier.transport.contract import Answers, Failed, How, Step, Tell, TlsaRecords
from chatgate_courier.transport.https import HttpsConnection
from chatgate_courier.transport.message import Body
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.pool import Connection, Pool
from chatgate_courier.transport.routes import NoRoute, Route, Routes
from chatgate_courier.transport.smtp import SmtpConnection
from chatgate_courier.transport.tls import ANY, PLAIN, VERIFIED, Tls, Trust
from chatgate_courier.transport.wire import Broken


class Tools(NamedTuple):
    """What all tries share. clock: Unix seconds."""

    options: TransportOptions
    routes: Routes
    dane: TlsaRecords | None
    tls: Tls
    pool: Pool
    memory: Memory
    domains: Domains
    clock: Callable[[], float]


class Ways:
    """For one message. home: the domain here whose message it is. body: None: do not hand it on, only see whether it
    could be. tell, only: see `Delivery`. way: the one that was tried last.
    """

    def __init__(
        self, tools: Tools, domain: str, sender: str, home: Domain, body: Body | None, tell: Tell | None, only: How
    ) -> None:
        self._tools, self._domain, self._sender, self._name = tools, domain, sender, home.hostname
        # Nothing but the address that it comes from shows whose mail of an address literal is.
        self._source = bare(home.name) if ip(home.name) else ""
        self._body, self._tell, self._only = body, tell, only
        self._route = Route(())
        self.way: How = ""

    def of(self, route: Route) -> None:
        """What `hand_on` has to keep to."""
        self._route = route

    def hand_on(self, host: str, recipients: Sequence[str]) -> Answers:
        """What the host says, by /mxdeliv if it takes mail so, else by SMTP. Raises Failed and NoRoute."""
        memory, failed = self._tools.memory, None
        trust = self._trust(host)
        if self._speaks("https", host):
            try:
                return self._over("https", host, trust, recipients)
            except Failed as error:
                failed = error
            if not self._speaks("smtp", host):
                raise failed
        try:
            answers = self._over("smtp", host, trust, recipients)
        except Failed as error:
            if error.step == "connect":
                memory.unmark(host)
            if failed is not None:
                text = f"{error.reply.text}; by HTTPS: {failed.reply.text}"
                error.reply = Reply(error.reply.code, error.reply.enhanced, text)
            raise
        if failed is not None:
            memory.mark_smtp_only(host)
        return answers

    def _speaks(self, way: How, host: str) -> bool:
        """Is this way to be taken to this host?"""
        if chosen := self._only or self._route.policy.way:
            return way == chosen
        if way == "smtp":
            return True
        https = self._tools.options.https and self._route.policy.tls and not self._route.chosen
        return https and not self._tools.memory.smtp_only(host)

    def _trust(self, host: str) -> Trust:
        """What this host has to prove. DANE for HTTPS, too: by whatever way it comes, a forged certificate of a known
        authority is what those who publish TLSA records do not want to be taken in by.
        """
        route, dane = self._route, self._tools.dane
        if not route.policy.tls:
            return PLAIN
        if not route.policy.verify:
            return ANY
        if dane is None or not route.secure or ip(host):
            return VERIFIED
        try:
            records = dane.records(host, self._tools.options.smtp_port)
        except Trouble:
            reply = Reply(451, "4.7.5", f"DNS does not answer whether {host} has TLSA records")
            self._say(Step("resolve", False, reply.text, "Its DNSSEC may be broken"))
            raise NoRoute(reply, trouble=True) from None
        return Trust("dane", records, (host, self._domain)) if records else VERIFIED

    def _over(self, way: How, host: str, trust: Trust, recipients: Sequence[str]) -> Answers:
        self.way = way
        pool, options = self._tools.pool, self._tools.options
        port = self._route.port or (options.https_port if way == "https" else options.smtp_port)
        name = self._name if way == "smtp" else ""
        key = (way, host, port, trust, self._route.policy.proxy, name, self._source)
        connection = None if self._only else pool.take(key)
        if connection is not None:
            try:
                answers = connection.send(self._sender, recipients, self._body)
            except Failed as error:
                connection.close()
                if error.slow:  # another try might bring the message twice
                    raise
                # It was closed while it was not in use, or was about to be: as if it had not been kept.
            except BaseException:
                connection.close()
                raise
            else:
                pool.give(key, connection)
                return answers
        connection = self._open(way, host, port, trust, key)
        try:
            answers = connection.send(self._sender, recipients, self._body, self._tell)
        except Failed as error:
            connection.close()
            self._say(Step(error.step, False, error.reply.text, error.advice))
            raise
        except BaseException:
            connection.close()
            raise
        pool.give(key, connection)
        return answers

    def _open(self, way: How, host: str, port: int, trust: Trust, key: Hashable) -> Connection:
        try:
            sock = self._dial(host, port)
        except Broken as error:
            failed = Failed("connect", Reply(451, "4.4.1", f"{host} {error} at port {port}"), _unreachable(port))
            self._say(Step("connect", False, failed.reply.text, failed.advice))
            raise failed from None
        session = None if trust.kind == "dane" else self._tools.pool.session(key)
        try:
            if way == "https":
                sock = self._tools.tls.handshake(sock, host, trust, session)
                self._say(Step("TLS", True, f"{sock.version()} with {host}"))
                return HttpsConnection(self._tools.options, sock, host, port)
            return SmtpConnection.open(
                self._tools.options, self._tools.tls, sock, host, trust, self._name, session, self._tell
            )
        except Failed as failed:
            self._say(Step(failed.step, False, failed.reply.text, failed.advice))
            raise

    def _say(self, step: Step) -> None:
        if self._tell is not None:
            self._tell(step)

    def _dial(self, host: str, port: int) -> Any:
        options, route = self._tools.options, self._route
        if proxy := route.policy.proxy.partition("://")[2]:
            sock = socks.connect(proxy, host, port, options.connect_seconds)
            self._say(Step("connect", True, f"{host} at port {port} through a proxy"))
            return sock
        try:
            addresses, _ = self._tools.routes.addresses(host, self._domain, chosen=route.chosen)
        except NoRoute as error:
            self._say(Step("resolve", False, error.reply.text, error.advice))
            raise
        sock = connect.connect(addresses, port, options.connect_seconds, self._source)
        self._say(Step("connect", True, f"{host} at {sock.getpeername()[0]}, port {port}"))
        return sock


def _unreachable(port: int) -> str:
    if port == 25:
        return "Its port 25 is closed, or the network of this server blocks port 25 to outside, as many do"
    return "It has no such service, it is down, or a firewall is between"
