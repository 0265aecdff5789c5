"""SMTP to another server (RFC 5321), with STARTTLS (RFC 3207) and PIPELINING (RFC 2920)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from chatgate.api import Reply, address_literal
from chatgate_courier.transport import replies
from chatgate_courier.transport.contract import Answers, Failed, Step, Tell, tell_nobody
from chatgate_courier.transport.message import Body
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.replies import Said
from chatgate_courier.transport.tls import Tls, Trust
from chatgate_courier.transport.wire import Broken, Slow, Wire

_GOODBYE = 5.0  # seconds for QUIT
_LAST_WORDS = 5.0  # seconds for what a server had to say that closed the connection while it got a message


class SmtpConnection:
    """One connection to one host, after EHLO and TLS; for one message after the other."""

    def __init__(self, options: TransportOptions, host: str, wire: Wire) -> None:
        self.host, self.wire = host, wire
        self.sent, self.since = 0, time.monotonic()
        self._options = options
        self._pipelining = self._eight = False
        self._size: int | None = None
        self._begun = self._leaving = False

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
        tell: Tell = tell_nobody,
    ) -> SmtpConnection:
        """Up to the EHLO under TLS. sock: connected; closed when this fails. name: of this server, for EHLO. session:
        see `Tls.handshake`. Raises Failed.
        """
        self = cls(options, host, Wire(sock, options.block_seconds))
        try:
            greeting = self._read("greeting")
            if greeting.code != 220:  # RFC 5321 §3.1, RFC 7504 §3: this host serves nobody, or not now
                raise Failed("greeting", greeting.reply(), "It refuses this server, or all", fault=False)
            tell(Step("greeting", True, f"{host} says: {greeting.reply().text}"))
            offered = self._hello(name)
            if trust != "none":
                self._starttls(offered)
                sock = tls.handshake(self.wire.sock, host, trust, session)
                self.wire.sock = sock
                tell(Step("TLS", True, f"{sock.version()} with {host}"))
                offered = self._hello(name)
            tell(Step("EHLO", True, f"{host} offers {', '.join(offered) or 'no extensions'}"))
            self._learn(offered)
        except BaseException:
            self.close()
            raise
        return self

    @property
    def reusable(self) -> bool:
        """May another message follow?"""
        return (
            not self._leaving
            and self.sent < self._options.messages_per_connection
            and time.monotonic() - self.since < self._options.connection_seconds
        )

    def send(self, sender: str, recipients: Sequence[str], body: Body | None, tell: Tell = tell_nobody) -> Answers:
        """Hand on one message. body: None ends it after RCPT. Raises Failed if no recipient has an answer; the
        connection is of no use then.
        """
        refusal = self._unfit(body)
        if refusal is not None:
            return Answers(dict.fromkeys(recipients, refusal), tuple(recipients))
        left, answers = deque(recipients), Answers({})
        while left:
            count = min(len(left), self._options.recipients_per_message)
            some = [left.popleft() for _ in range(count)]
            try:
                answer, again = self._transaction(sender, some, body, tell)
            except Failed as error:
                self._leaving = True
                if not answers.replies:
                    raise
                rest = dict.fromkeys([*some, *left], _temporary(error.reply))
                return Answers(answers.replies | rest, answers.shared, lost=error.fault)
            left.extendleft(reversed(again))
            answers = Answers(
                answers.replies | answer.replies, answers.shared + answer.shared, lost=answers.lost or answer.lost
            )
        return answers

    def quit(self) -> None:
        """Say goodbye and close. Takes some seconds at most."""
        try:
            with self.wire.within(_GOODBYE):
                self.wire.send(b"QUIT\r\n")
                replies.read(self.wire)
        except Broken:
            pass
        finally:
            self.close()

    def close(self) -> None:
        self._leaving = True
        self.wire.close()

    def _hello(self, name: str) -> list[str]:
        said = self._ask("EHLO", f"EHLO {address_literal(name) or name}\r\n".encode())
        if said.code != 250:
            raise Failed("EHLO", said.reply(), "It refuses the name of this server", fault=False)
        return [line.upper() for line in said.lines[1:]]

    def _starttls(self, offered: list[str]) -> None:
        advice = "Mail goes encrypted only: its operator must enable STARTTLS; a firewall between may remove it"
        if "STARTTLS" not in offered:
            raise Failed("TLS", Reply(451, "4.7.4", f"{self.host} does not offer STARTTLS"), advice)
        said = self._ask("TLS", b"STARTTLS\r\n")
        if said.code != 220:
            raise Failed("TLS", Reply(451, "4.7.4", f"{self.host} refuses STARTTLS: {said.reply().text}"), advice)
        if self.wire.buffered:  # what came in clear must not be read as if it came encrypted
            raise Failed("TLS", Reply(451, "4.7.5", f"{self.host} sends something between STARTTLS and TLS"), advice)

    def _learn(self, offered: list[str]) -> None:
        for keyword, *rest in (line.split() for line in offered if line):
            if keyword == "PIPELINING":
                self._pipelining = True
            elif keyword == "8BITMIME":
                self._eight = True
            elif keyword == "SIZE" and rest and rest[0].isdigit() and len(rest[0]) < 20:
                self._size = int(rest[0])  # 0: no limit, RFC 1870 §3

    def _unfit(self, body: Body | None) -> Reply | None:
        """Why this host cannot take the message at all."""
        if body is None:
            return None
        if self._size and body.size > self._size:
            return Reply(552, "5.3.4", f"{self.host} takes messages of up to {self._size} octets, not of {body.size}")
        if body.eight and not self._eight:  # the message is signed, so it cannot be recoded; RFC 6152 §3
            return Reply(554, "5.6.3", f"{self.host} takes messages in ASCII only")
        return None

    def _transaction(
        self, sender: str, recipients: list[str], body: Body | None, tell: Tell
    ) -> tuple[Answers, list[str]]:
        """One message for some recipients, and those who did not fit into the transaction. Raises Failed as long as the
        host cannot have accepted the message.
        """
        accepted, refused = self._envelope(sender, recipients, body, tell)
        if isinstance(accepted, Answers):
            return accepted, []
        again = []
        if accepted:  # RFC 5321 §4.5.3.1.10: the others in a transaction of their own
            again = [one for one, reply in refused.items() if _too_many(reply)]
            refused = {one: reply for one, reply in refused.items() if one not in again}
        if body is None:
            return Answers(refused | accepted), again
        if self._pipelining or accepted:
            said = self._read("DATA") if self._pipelining else self._ask("DATA", b"DATA\r\n")
            if said.code == 354 and not accepted:  # RFC 2920 §3.1: nobody gets it, but an end it must have
                self._ask("DATA", b".\r\n")
            elif said.code == 354:
                final, lost = self._content(body)
                tell(Step("DATA", final.code < 300, f"{self.host} says: {final.text}", _refused(final)))
                self._begun = False
                everybody = dict.fromkeys(accepted, final)
                return Answers(refused | everybody, () if lost else tuple(accepted), lost=lost), again
            elif accepted:
                reply = self._refusal(said)
                tell(Step("DATA", False, f"{self.host} says: {reply.text}", _refused(reply)))
                return Answers(refused | dict.fromkeys(accepted, reply), tuple(accepted)), again
        return Answers(refused), []

    def _envelope(
        self, sender: str, recipients: list[str], body: Body | None, tell: Tell
    ) -> tuple[dict[str, Reply] | Answers, dict[str, Reply]]:
        """MAIL and RCPT: who was accepted and who was not; Answers if MAIL was not."""
        start = f"MAIL FROM:<{sender}>"
        if body is not None and self._size is not None:
            start += f" SIZE={body.size}"
        if body is not None and body.eight:
            start += " BODY=8BITMIME"
        commands = [f"{start}\r\n".encode(), *(f"RCPT TO:<{one}>\r\n".encode() for one in recipients)]
        if self._begun:  # the last message ended before its DATA
            commands.insert(0, b"RSET\r\n")
        if self._pipelining:
            self._send("MAIL", b"".join(commands) + (b"DATA\r\n" if body is not None else b""))
        if self._begun:
            said = self._read("MAIL") if self._pipelining else self._ask("MAIL", commands.pop(0))
            if said.code != 250:
                raise Failed("MAIL", _temporary(said.reply()), fault=False)
        self._begun = True
        said = self._read("MAIL") if self._pipelining else self._ask("MAIL", commands.pop(0))
        if said.code == 421:
            raise Failed("MAIL", said.reply(), fault=False)
        mail = said.reply()
        tell(Step("MAIL", said.code == 250, f"{self.host} says: {mail.text}", _refused(mail)))
        if said.code != 250:
            mail = self._refusal(said)
            if self._pipelining:
                for _ in recipients:
                    self._read("RCPT")
                if body is not None and self._read("DATA").code == 354:
                    self._ask("DATA", b".\r\n")
            return Answers(dict.fromkeys(recipients, mail), tuple(recipients)), {}
        accepted: dict[str, Reply] = {}
        refused: dict[str, Reply] = {}
        for one in recipients:
            said = self._read("RCPT") if self._pipelining else self._ask("RCPT", commands.pop(0))
            reply = said.reply() if said.code < 300 else self._refusal(said)
            (accepted if said.code < 300 else refused)[one] = reply
            tell(Step("RCPT", said.code < 300, f"{self.host} says: {reply.text}", _refused(reply)))
        return accepted, refused

    def _content(self, body: Body) -> tuple[Reply, bool]:
        """The message itself, and the answer to it; True if that did not come. In that case the host may have accepted
        the message all the same, so that it gets it twice (RFC 5321 §4.5.3.2.6, RFC 1047).
        """
        self.sent += 1
        ended = False
        try:
            if len(body.octets) < _SMALL:
                ended = True
                self.wire.send(body.octets + b".\r\n")
            else:
                self.wire.send(body.octets)
                ended = True
                self.wire.send(b".\r\n")
            with self.wire.within(self._options.data_reply_seconds):
                said = replies.read(self.wire)
        except Broken as error:
            self._leaving = True
            if not ended and (last := self._last_words()) is not None:
                return last, False
            failure = Reply(451, "4.4.2", f"{self.host} {error}" + (", instead of a reply to DATA" if ended else ""))
            if ended:
                return failure, True
            raise Failed("DATA", failure, slow=isinstance(error, Slow)) from None
        return (said.reply() if 200 <= said.code < 300 else self._refusal(said)), False

    def _last_words(self) -> Reply | None:
        """Why it closed the connection, if it said so before."""
        try:
            with self.wire.within(_LAST_WORDS):
                said = replies.read(self.wire)
        except Broken:
            return None
        return self._refusal(said) if said.code >= 400 else None

    def _refusal(self, said: Said) -> Reply:
        """An answer that is no yes, as a refusal: a 3xx or 2xx where it makes no sense is none for good."""
        if said.code == 421:
            self._leaving = True
        return said.reply() if said.code >= 400 else _temporary(said.reply())

    def _ask(self, step: str, command: bytes) -> Said:
        self._send(step, command)
        return self._read(step)

    def _send(self, step: str, data: bytes) -> None:
        try:
            self.wire.send(data)
        except Broken as error:
            raise self._failed(step, error) from None

    def _read(self, step: str) -> Said:
        try:
            with self.wire.within(self._options.reply_seconds):
                return replies.read(self.wire)
        except Broken as error:
            raise self._failed(step, error) from None

    def _failed(self, step: str, error: Broken) -> Failed:
        where = "before its greeting" if step == "greeting" else f"at {step}"
        reply = Reply(451, "4.4.2", f"{self.host} {error} {where}")
        return Failed(step, reply, "It may be overloaded, or no mail server", slow=isinstance(error, Slow))


_SMALL = 65536 - 3  # octets of a body that is sent together with its end


def _temporary(reply: Reply) -> Reply:
    return reply if reply.temporary else Reply(451, "4.4.2", reply.text)


def _too_many(reply: Reply) -> bool:
    """Is it about the number of recipients? Some servers say 552 (RFC 5321 §4.5.3.1.10), some no enhanced code."""
    return reply.enhanced.endswith(".5.3") if reply.enhanced else reply.code == 452


def _refused(reply: Reply) -> str:
    """What to do about an answer."""
    if reply.accepts:
        return ""
    if reply.temporary:
        return "It refuses for now, such as a server that wants to see a second try: this is tried again by itself"
    return "Its words say why; the page on refused mail lists those of chatmail servers"
