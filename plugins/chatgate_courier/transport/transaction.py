"""One mail transaction: MAIL, RCPT, DATA (RFC 5321 §3.3), all at once where the host offers PIPELINING (RFC 2920)."""

from __future__ import annotations

from chatgate.api import Reply
from chatgate_courier.transport import replies
from chatgate_courier.transport.advice import advice
from chatgate_courier.transport.contract import Answers, Failed, Step, Tell
from chatgate_courier.transport.dialogue import Dialogue
from chatgate_courier.transport.message import Body
from chatgate_courier.transport.replies import Said
from chatgate_courier.transport.wire import Broken, Slow

_LAST_WORDS = 5.0  # seconds for what a server had to say that closed the connection while it got a message
_SMALL = 65536 - 3  # octets of a body that is sent together with its end


class Transaction:
    """body: None ends it after RCPT."""

    def __init__(
        self, dialogue: Dialogue, sender: str, recipients: list[str], body: Body | None, tell: Tell | None = None
    ) -> None:
        self._dialogue, self._sender, self._recipients = dialogue, sender, recipients
        self._body, self._tell = body, tell
        self._accepted: list[str] = []
        self._refused: dict[str, Reply] = {}
        self._commands: list[bytes] = []

    def run(self) -> tuple[Answers, list[str]]:
        """What the host says, and for which recipients there was no room. Raises Failed as long as it cannot have
        accepted the message.
        """
        answers = self._envelope()
        again: list[str] = []
        if self._accepted:  # RFC 5321 §4.5.3.1.10: the others get a transaction of their own
            again = [one for one, reply in self._refused.items() if _too_many(reply)]
            for one in again:
                del self._refused[one]
        if answers is None and self._body is not None:
            answers = self._data(self._body)
        return answers or Answers(self._refused | dict.fromkeys(self._accepted, _ACCEPTED)), again

    def _envelope(self) -> Answers | None:
        """MAIL and RCPT: fills who was accepted and who was refused. Answers if MAIL was refused."""
        self._begin()
        said = self._next("MAIL")
        if said.code != 250:
            if said.code == 421:
                raise Failed("MAIL", said.reply(), advice(said.reply()), fault=False)
            self._told("MAIL", said)
            refusal = self._dialogue.refusal(said)
            if self._dialogue.pipelining:
                for _ in self._recipients:
                    self._dialogue.read("RCPT")
                if self._body is not None:
                    self._nobody(self._dialogue.read("DATA"))
            return Answers(dict.fromkeys(self._recipients, refusal), tuple(self._recipients))
        self._told("MAIL", said)
        for one in self._recipients:
            said = self._next("RCPT")
            if 200 <= said.code < 300:
                self._accepted.append(one)
            else:
                self._refused[one] = self._dialogue.refusal(said)
            self._told("RCPT", said)
        return None

    def _begin(self) -> None:
        """Send all commands, or have them ready for the answers before them."""
        dialogue, body = self._dialogue, self._body
        start = f"MAIL FROM:<{self._sender}>"
        if body is not None and dialogue.size is not None:
            start += f" SIZE={body.size}"
        if body is not None and body.eight:
            start += " BODY=8BITMIME"
        commands = [f"{start}\r\n".encode(), *(f"RCPT TO:<{one}>\r\n".encode() for one in self._recipients)]
        reset = [b"RSET\r\n"] if dialogue.begun else []
        if dialogue.pipelining:
            dialogue.send("MAIL", b"".join([*reset, *commands, b"DATA\r\n" if body is not None else b""]))
        else:
            self._commands = [*reset, *commands]
        if reset and (said := self._next("MAIL")).code != 250:
            refusal = dialogue.refusal(said)
            raise Failed("MAIL", refusal, advice(refusal), fault=False)
        dialogue.begun = True

    def _next(self, step: str) -> Said:
        """The reply to the next command."""
        return self._dialogue.ask(step, self._commands.pop(0)) if self._commands else self._dialogue.read(step)

    def _data(self, body: Body) -> Answers | None:
        dialogue = self._dialogue
        if not self._accepted:
            if dialogue.pipelining:
                self._nobody(dialogue.read("DATA"))
            return None
        said = dialogue.read("DATA") if dialogue.pipelining else dialogue.ask("DATA", b"DATA\r\n")
        if said.code != 354:
            self._told("DATA", said)
            return self._for_all(dialogue.refusal(said))
        final, lost = self._content(body)
        if self._tell is not None:
            ok = final.accepts
            self._tell(Step("DATA", ok, f"{dialogue.host} says: {final.code} {final}", advice(final)))
        dialogue.begun = False
        return self._for_all(final, lost=lost)

    def _for_all(self, reply: Reply, *, lost: bool = False) -> Answers:
        """The answer to the message, which is for all whom RCPT accepted."""
        everybody = dict.fromkeys(self._accepted, reply)
        return Answers(self._refused | everybody if self._refused else everybody, tuple(self._accepted), lost=lost)

    def _nobody(self, said: Said) -> None:
        """DATA was sent along with the rest, and nobody is to get the message: if the host waits for one all the same,
        it gets an empty one (RFC 2920 §3.1).
        """
        if said.code == 354:
            self._dialogue.ask("DATA", b".\r\n")

    def _content(self, body: Body) -> tuple[Reply, bool]:
        """The message itself, and the answer to it; True if that did not come. In that case the host may have accepted
        the message all the same, so that it gets it twice (RFC 5321 §4.5.3.2.6, RFC 1047).
        """
        dialogue, wire, ended = self._dialogue, self._dialogue.wire, False
        try:
            if len(body.octets) < _SMALL:
                ended = True
                wire.send(body.octets + b".\r\n")
            else:
                wire.send(body.octets)
                ended = True
                wire.send(b".\r\n")
            wire.wait(dialogue.options.data_reply_seconds)
            said = replies.read(wire)
        except Broken as error:
            dialogue.leaving = True
            if ended:
                return Reply(451, "4.4.2", f"{dialogue.host} {error}, instead of a reply to the message"), True
            if (last := self._last_words()) is not None:
                return last, False
            reply = Reply(451, "4.4.2", f"{dialogue.host} {error} while it got the message")
            raise Failed(
                "DATA", reply, "It may be overloaded, or no mail server", slow=isinstance(error, Slow)
            ) from None
        return (said.reply() if 200 <= said.code < 300 else dialogue.refusal(said)), False

    def _last_words(self) -> Reply | None:
        """Why the host closed the connection, if it said so before."""
        self._dialogue.wire.wait(_LAST_WORDS)
        try:
            said = replies.read(self._dialogue.wire)
        except Broken:
            return None
        return self._dialogue.refusal(said) if said.code >= 400 else None

    def _told(self, step: str, said: Said) -> None:
        if self._tell is not None:
            ok, reply = said.code < 300, said.reply()
            self._tell(Step(step, ok, f"{self._dialogue.host} says: {said.code} {reply}", "" if ok else advice(reply)))


_ACCEPTED = Reply(250, "2.1.5", "OK")


def _too_many(reply: Reply) -> bool:
    """Is it about the number of recipients? Some servers say 552 (RFC 5321 §4.5.3.1.10), some no enhanced code."""
    return reply.enhanced.endswith(".5.3") if reply.enhanced else reply.code == 452
