"""One try to hand on one message: host after host, /mxdeliv before SMTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from chatgate_resolver import Trouble

from chatgate.api import Domains, Reply, ip
from chatgate_courier.transport import connect, socks
from chatgate_courier.transport.breaker import Memory
from chatgate_courier.transport.contract import Answers, Failed, How, Outcome, Step, Tell, TlsaRecords
from chatgate_courier.transport.https import HttpsConnection
from chatgate_courier.transport.message import Message
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.pool import Connection, Pool
from chatgate_courier.transport.routes import Loop, NoRoute, Route, Routes
from chatgate_courier.transport.smtp import SmtpConnection
from chatgate_courier.transport.tls import ANY, PLAIN, VERIFIED, Tls, Trust
from chatgate_courier.transport.wire import Broken

log = logging.getLogger("chatgate.courier")

_ABOUT_A_RECIPIENT = {450, 452, 523, 550, 551, 553}


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


class Delivery:
    """tell: is told of each step. only: the one way to take, for a probe; no kept connection serves it then, and no
    breaker stops it. ends_at_rcpt: do not hand on the message.
    """

    def __init__(
        self,
        tools: Tools,
        message: Message,
        tell: Tell | None = None,
        only: How = "",
        *,
        ends_at_rcpt: bool = False,
    ) -> None:
        self._tools, self._message, self._tell, self._only = tools, message, tell, only
        self._body = None if ends_at_rcpt else message.body
        self._domain = message.mail.domain
        self.replies: dict[str, Reply] = {}
        self.host, self.way, self.until = "", "", 0.0
        domain = tools.domains.of(message.mail.sender) or tools.domains.first
        self._name = domain.hostname
        self._route: Route = Route(())

    def run(self) -> None:
        """Fills `replies`, and says in `host`, `way` and `until` what `Outcome` says."""
        try:
            self._find()
        except NoRoute as error:
            self._answer(self._message.mail.recipients, error.reply)
            return
        answers = self._hosts(self._message.mail.recipients)
        self.replies |= answers.replies
        if len(answers.shared) > 1 and self._body is not None:
            # One recipient may be the reason why all were refused: each by itself, then.
            for one in answers.shared:
                if _about_a_recipient(answers.replies[one]):
                    self.replies |= self._hosts((one,)).replies

    def outcome(self) -> Outcome:
        way: Any = self.way
        return Outcome(self.replies, self.host, way, self.until)

    def fill(self, reply: Reply) -> None:
        """The answer for all who have none yet."""
        self._answer([one for one in self._message.mail.recipients if one not in self.replies], reply)

    def _answer(self, recipients: Sequence[str], reply: Reply) -> None:
        self.replies |= dict.fromkeys(recipients, reply)

    def _find(self) -> None:
        """The hosts. A domain whose DNS does not answer is left alone for a while, as a host is."""
        memory, routes = self._tools.memory, self._tools.routes
        breaker = memory.breaker(domain_key(self._domain))
        probe = breaker.begin()
        if probe is None and not self._only:
            self.until = breaker.until()
            raise NoRoute(Reply(451, "4.4.3", f"DNS did not answer for {self._domain} lately"))
        try:
            self._route = routes.find(self._domain, self._tell)
        except NoRoute as error:
            if not error.trouble:
                breaker.succeeded()
            elif breaker.failed(bool(probe)):
                self.until = breaker.until()
            raise
        except BaseException:
            breaker.abandoned(bool(probe))
            raise
        breaker.succeeded()
        memory.learn_hosts(self._domain, self._route.hosts)

    def _hosts(self, recipients: Sequence[str]) -> Answers:
        """What the first host that answers says."""
        failures: list[Reply] = []
        for host in self._route.hosts:
            try:
                return self._host(host, recipients)
            except Loop as error:
                failures += [] if failures else [error.reply]
                break
            except (NoRoute, Failed) as error:
                failures.append(error.reply)
        reply = next((one for one in reversed(failures) if one.temporary), failures[-1])
        if len(self._route.hosts) > 1:
            text = f"No mail server of {self._domain} can be used; the last one tried: {reply.text}"
            reply = Reply(reply.code, reply.enhanced, text)
        self.until = self._tools.memory.down_until(*self._route.hosts)
        return Answers(dict.fromkeys(recipients, reply))

    def _host(self, host: str, recipients: Sequence[str]) -> Answers:
        memory = self._tools.memory
        if self._only:
            return self._ways(host, recipients)
        with self._tools.pool.seat(host):
            breaker = memory.breaker(host)
            probe = breaker.begin()
            if probe is None:
                text = f"{host} could not be reached lately, and is left alone for a while"
                raise Failed("connect", Reply(451, "4.4.1", text), fault=False)
            self.host = host
            try:
                answers = self._ways(host, recipients)
            except Failed as error:
                self._judge(host, probe, fault=error.fault)
                raise
            except BaseException:
                breaker.abandoned(probe)
                raise
            self._judge(host, probe, fault=answers.lost)
            if answers.wait:
                self.until = self._tools.clock() + answers.wait
            return answers

    def _judge(self, host: str, probe: bool, *, fault: bool) -> None:
        breaker = self._tools.memory.breaker(host)
        if not fault:
            if breaker.succeeded():
                log.info("host=%s can be reached again", host)
        elif pause := breaker.failed(probe):
            log.log(
                logging.INFO if probe else logging.WARNING, "host=%s cannot be reached; next try in %.0f s", host, pause
            )

    def _ways(self, host: str, recipients: Sequence[str]) -> Answers:
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
        key = (way, host, port, trust, self._route.policy.proxy, name)
        connection = None if self._only else pool.take(key)
        if connection is not None:
            try:
                answers = connection.send(self._message.mail.sender, recipients, self._body)
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
            answers = connection.send(self._message.mail.sender, recipients, self._body, self._tell)
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
        sock = connect.connect(addresses, port, options.connect_seconds)
        self._say(Step("connect", True, f"{host} at {sock.getpeername()[0]}, port {port}"))
        return sock


def domain_key(domain: str) -> str:
    """What the memory calls a domain, beside its hosts."""
    return f"@{domain}"


def _about_a_recipient(reply: Reply) -> bool:
    """May this refusal of a message for several be about one of them? 554 and most others are about the message."""
    return reply.code in _ABOUT_A_RECIPIENT and not reply.enhanced.startswith(("5.6", "5.7.2", "4.6"))


def _unreachable(port: int) -> str:
    if port == 25:
        return "Its port 25 is closed, or the network of this server blocks port 25 to outside, as many do"
    return "It has no such service, it is down, or a firewall is between"
