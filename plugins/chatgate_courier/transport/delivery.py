"""One try to hand on one message: host after host, /mxdeliv before SMTP."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from chatgate.api import Reply
from chatgate_courier.transport.contract import Answers, Failed, How, Outcome, Tell, TimeIsOver
from chatgate_courier.transport.message import Message
from chatgate_courier.transport.routes import Loop, NoRoute, Route
from chatgate_courier.transport.ways import Tools, Ways

log = logging.getLogger("chatgate.courier")


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
        self._tools, self._tell, self._only = tools, tell, only
        self._mail, self._handing_on = message.mail, not ends_at_rcpt
        self._domain = message.mail.domain
        home = tools.domains.of(message.mail.sender) or tools.domains.first
        body = None if ends_at_rcpt else message.body
        self._ways = Ways(tools, self._domain, message.mail.sender, home, body, tell, only)
        self._route = Route(())
        self.replies: dict[str, Reply] = {}
        self.host, self.until = "", 0.0

    def run(self) -> None:
        """Try it. `outcome` says then what became of it."""
        try:
            self._find()
        except NoRoute as error:
            self._answer(self._mail.recipients, error.reply)
            return
        answers = self._hosts(self._mail.recipients)
        self.replies |= answers.replies
        if len(answers.shared) > 1 and self._handing_on:
            # One recipient may be the reason why all were refused: each by itself, then.
            for one in answers.shared:
                if _about_a_recipient(answers.replies[one]):
                    self.replies |= self._hosts((one,)).replies

    def outcome(self) -> Outcome:
        return Outcome(self.replies, self.host, self._ways.way, self.until)

    def fill(self, reply: Reply) -> None:
        """The answer for all who have none yet."""
        self._answer([one for one in self._mail.recipients if one not in self.replies], reply)

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
        self._ways.of(self._route)

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
            return self._ways.hand_on(host, recipients)
        with self._tools.pool.seat(host):
            breaker = memory.breaker(host)
            probe = breaker.begin()
            if probe is None:
                text = f"{host} could not be reached lately, and is left alone for a while"
                raise Failed("connect", Reply(451, "4.4.1", text), fault=False)
            self.host = host
            try:
                answers = self._ways.hand_on(host, recipients)
            except Failed as error:
                self._judge(host, probe, fault=error.fault)
                raise
            except TimeIsOver:
                self._judge(host, probe, fault=True)
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


def domain_key(domain: str) -> str:
    """What the memory calls a domain, beside its hosts."""
    return f"@{domain}"


def _about_a_recipient(reply: Reply) -> bool:
    """May this refusal of a message for several be about one of them? Most are about the message."""
    if reply.enhanced:
        return reply.code == 523 or reply.enhanced.startswith(("5.1.", "5.2."))
    return reply.code in (523, 550, 551, 553)
