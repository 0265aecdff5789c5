"""SMTP to another server (RFC 5321), under TLS by STARTTLS (RFC 3207)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from chatgate.api import Reply, address_literal
from chatgate_courier.transport import replies
from chatgate_courier.transport.contract import Answers, Failed, Step, Tell
from chatgate_courier.transport.dialogue import Dialogue
from chatgate_courier.transport.message import Body
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.tls import Tls, Trust
from chatgate_courier.transport.transaction import Transaction
from chatgate_courier.transport.wire import Broken, Wire, within

_GOODBYE = 5.0  # seconds for QUIT
_NO_STARTTLS = "Mail goes encrypted only: its operator must enable STARTTLS; a firewall between may remove it"


class SmtpConnection:
    """One connection to one host, after EHLO and TLS; for one message after the other."""

    def __init__(self, options: TransportOptions, host: str, wire: Wire) -> None:
        self.host, self.wire = host, wire
        self.sent, self.since = 0, time.monotonic()
        self._options, self._dialogue = options, Dialogue(options, host, wire)

    @classmethod
    def open(
        cls,
        options: TransportOptions,
        tls: Tls,
        sock: Any,
        host: str,
        trust: Trust,
        name: str,
        session: Any = None,
        tell: Tell | None = None,
    ) -> SmtpConnection:
        """Up to the EHLO under TLS. sock: connected; closed when this fails. name: of this server, for EHLO. session:
        see `Tls.handshake`. Raises Failed.
        """
        self = cls(options, host, Wire(sock, options.block_seconds))
        try:
            self._greeting(tell)
            offered = self._hello(name)
            if trust.kind != "none":
                self._starttls(offered)
                self.wire.sock = tls.handshake(self.wire.sock, host, trust, session)
                if tell is not None:
                    tell(Step("TLS", True, f"{self.wire.sock.version()} with {host}"))
                offered = self._hello(name)
            self._dialogue.learn(offered)
            if tell is not None:
                tell(Step("EHLO", True, f"{host} offers {', '.join(offered) or 'no extensions'}"))
        except BaseException:
            self.close()
            raise
        return self

    @property
    def reusable(self) -> bool:
        """May another message follow?"""
        return (
            not self._dialogue.leaving
            and self.sent < self._options.messages_per_connection
            and time.monotonic() - self.since < self._options.connection_seconds
        )

    def send(self, sender: str, recipients: Sequence[str], body: Body | None, tell: Tell | None = None) -> Answers:
        """Hand on one message. body: None ends it after RCPT. Raises Failed if no recipient has an answer; the
        connection is of no use then.
        """
        self.sent += 1
        refusal = self._unfit(body)
        if refusal is not None:
            return Answers(dict.fromkeys(recipients, refusal), tuple(recipients))
        left, answers = deque(recipients), Answers({})
        while left:
            some = [left.popleft() for _ in range(min(len(left), self._options.recipients_per_message))]
            try:
                answer, again = Transaction(self._dialogue, sender, some, body, tell).run()
            except Failed as error:
                self._dialogue.leaving = True
                if not answers.replies:
                    raise
                rest = error.reply if error.reply.temporary else Reply(451, "4.4.2", error.reply.text)
                return Answers(answers.replies | dict.fromkeys([*some, *left], rest), answers.shared, lost=error.fault)
            left.extendleft(reversed(again))
            answers = Answers(
                answers.replies | answer.replies, answers.shared + answer.shared, lost=answers.lost or answer.lost
            )
        return answers

    def quit(self) -> None:
        """Say goodbye and close. Takes some seconds at most."""
        try:
            with within(_GOODBYE):
                self.wire.send(b"QUIT\r\n")
                replies.read(self.wire)
        except Broken:
            pass
        finally:
            self.close()

    def close(self) -> None:
        self._dialogue.leaving = True
        self.wire.close()

    def _greeting(self, tell: Tell | None) -> None:
        greeting = self._dialogue.read("greeting")
        if greeting.code != 220:  # RFC 5321 §3.1, RFC 7504 §3: this host serves nobody, or not now
            reply = self._dialogue.refusal(greeting)
            raise Failed("greeting", reply, "It refuses this server, or all", fault=False)
        if tell is not None:
            tell(Step("greeting", True, f"{self.host} says: {greeting.reply().text}"))

    def _hello(self, name: str) -> list[str]:
        said = self._dialogue.ask("EHLO", f"EHLO {address_literal(name) or name}\r\n".encode())
        if said.code != 250:
            raise Failed("EHLO", self._dialogue.refusal(said), "It refuses the name of this server", fault=False)
        return [line.upper() for line in said.lines[1:]]

    def _starttls(self, offered: list[str]) -> None:
        if "STARTTLS" not in offered:
            raise Failed("TLS", Reply(451, "4.7.4", f"{self.host} does not offer STARTTLS"), _NO_STARTTLS)
        said = self._dialogue.ask("TLS", b"STARTTLS\r\n")
        if said.code != 220:
            reply = Reply(451, "4.7.4", f"{self.host} refuses STARTTLS: {said.reply().text}")
            raise Failed("TLS", reply, _NO_STARTTLS)
        if self.wire.buffered:  # what came in clear must not be read as if it came encrypted
            reply = Reply(451, "4.7.5", f"{self.host} sends something between STARTTLS and TLS")
            raise Failed("TLS", reply, _NO_STARTTLS)

    def _unfit(self, body: Body | None) -> Reply | None:
        """Why this host cannot take the message at all."""
        size = self._dialogue.size
        if body is None:
            return None
        if size and body.size > size:
            return Reply(552, "5.3.4", f"{self.host} takes messages of up to {size} octets, not of {body.size}")
        if body.eight and not self._dialogue.eight:  # the message is signed, so it cannot be recoded; RFC 6152 §3
            return Reply(554, "5.6.3", f"{self.host} takes messages in ASCII only")
        return None
