"""Commands of SMTP and their replies, on one connection."""

from __future__ import annotations

from chatgate.api import Reply
from chatgate_courier.transport import replies
from chatgate_courier.transport.contract import Failed
from chatgate_courier.transport.options import TransportOptions
from chatgate_courier.transport.replies import Said
from chatgate_courier.transport.wire import Broken, Slow, Wire


class Dialogue:
    """pipelining, eight, size: what the host offers: PIPELINING, 8BITMIME, and how large a message may be; None: it
    does not say, 0: there is no limit (RFC 1870 §3). begun: is there a transaction that has to be reset before the
    next? leaving: the connection is of no use for another message.
    """

    def __init__(self, options: TransportOptions, host: str, wire: Wire) -> None:
        self.options, self.host, self.wire = options, host, wire
        self.pipelining = self.eight = self.begun = self.leaving = False
        self.size: int | None = None

    def learn(self, offered: list[str]) -> None:
        """What the lines of the reply to EHLO say, in capitals."""
        for keyword, *rest in (line.split() for line in offered if line.strip()):
            if keyword == "PIPELINING":
                self.pipelining = True
            elif keyword == "8BITMIME":
                self.eight = True
            elif keyword == "SIZE" and rest and rest[0].isdigit() and len(rest[0]) < 20:
                self.size = int(rest[0])

    def ask(self, step: str, command: bytes) -> Said:
        self.send(step, command)
        return self.read(step)

    def send(self, step: str, data: bytes) -> None:
        try:
            self.wire.send(data)
        except Broken as error:
            raise self._failed(step, error) from None

    def read(self, step: str) -> Said:
        """The next reply. step: for Failed, which is raised if none comes."""
        self.wire.wait(self.options.reply_seconds)
        try:
            return replies.read(self.wire)
        except Broken as error:
            raise self._failed(step, error) from None

    def refusal(self, said: Said) -> Reply:
        """A reply that is not the one hoped for, as a refusal: 2xx or 3xx where it makes no sense is none for good."""
        if said.code == 421:  # RFC 5321 §3.8: it closes the connection
            self.leaving = True
        return said.reply() if said.code >= 400 else Reply(451, "4.5.0", said.reply().text)

    def _failed(self, step: str, error: Broken) -> Failed:
        where = "before its greeting" if step == "greeting" else f"at {step}"
        reply = Reply(451, "4.4.2", f"{self.host} {error} {where}")
        return Failed(step, reply, "It may be overloaded, or no mail server", slow=isinstance(error, Slow))
