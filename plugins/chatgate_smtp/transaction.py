"""MAIL, RCPT and DATA: receiving a message."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from chatgate.api import Envelope, Reply, Upload
from chatgate_smtp.data import Data
from chatgate_smtp.driver import Goodbye
from chatgate_smtp.rate import Rate, Turn
from chatgate_smtp.receiving import Receiving
from chatgate_smtp.replies import line

if TYPE_CHECKING:
    from chatgate_smtp.dialogue import Dialogue

# A blank after the colon is wrong but common.
_MAIL = re.compile(r"FROM: ?<([^<>]*)>(?: +(\S.*))?", re.IGNORECASE)
_RCPT = re.compile(r"TO: ?<([^<>]*)>(?: +(\S.*))?", re.IGNORECASE)

# Octets kept of a refused address; a well-formed one has 320 at most.
_LONGEST_KEPT = 320


class Transaction:
    """The mail transactions of one connection (RFC 5321 §3.3), one after the other. What may be sent by whom and to
    whom is for Receiving to say.
    """

    def __init__(self, dialogue: Dialogue, receiving: Receiving, rate: Rate) -> None:
        self._dialogue, self._receiving, self._rate = dialogue, receiving, rate
        self._session, self._stream, self._submits = dialogue.client, dialogue.stream, dialogue.submits
        self._recipients_asked = 0
        # In this transaction the client waits for a reply before it sends the next command: no pipelining.
        self._waits_for_replies = False
        # From MAIL to the end of the transaction.
        self._envelope: Envelope | None = None
        # Why this sender may not send. RCPT replies with it, as in Postfix: that is where clients expect it.
        self._refusal: Reply | None = None
        # The turn of the rate limit that this transaction has taken.
        self._turn: Turn | None = None

    def end(self, taken: bool = False) -> None:
        """A message that was not taken does not count for the sender's rate."""
        self._envelope = self._refusal = None
        turn, self._turn = self._turn, None
        if turn is not None and not taken:
            self._rate.give_back(turn, time.monotonic())

    async def mail(self, arg: str | None) -> None:
        if await self._dialogue.check_helo_needed() or await self._dialogue.check_auth_needed("MAIL"):
            return
        if self._envelope is not None:
            await self._dialogue.push("503 5.5.1 Nested MAIL command")
            return
        match = _MAIL.fullmatch(arg or "")
        if match is None:
            await self._dialogue.push("501 5.5.4 Syntax: MAIL FROM:<address>")
            return
        taken = self._parameters(match[2]) if match[2] else 0
        envelope = (
            taken if isinstance(taken, Reply) else self._receiving.begin(self._session, match[1], taken, self._submits)
        )
        if isinstance(envelope, Reply):
            await self._dialogue.say(envelope)
            return
        self._refusal = self._receiving.sender(self._session, envelope)
        self._envelope = envelope
        self._recipients_asked = 0
        self._waits_for_replies = False
        await self._dialogue.push(b"250 2.1.0 OK")

    def _parameters(self, parameters: str) -> int | Reply:
        """The size that the client declares, in octets (0: none declared), or why MAIL is refused."""
        size = 0
        for parameter in parameters.split():
            key, _, value = parameter.partition("=")
            key = key.upper()
            if key == "SIZE":
                if not value.isdecimal() or len(value) > 20:
                    return Reply(501, "5.5.4", "Syntax: SIZE=octets")
                size = int(value)
            elif key == "BODY":
                if value.upper() not in ("7BIT", "8BITMIME"):
                    return Reply(501, "5.5.4", "Syntax: BODY=7BIT or BODY=8BITMIME")
            elif key != "AUTH" or not self._submits:  # AUTH=: RFC 4954 §5 requires accepting it; its value is ignored
                return Reply(555, "5.5.4", "Unknown parameter of MAIL")
        return size

    async def rcpt(self, arg: str | None) -> None:
        envelope = self._envelope
        if envelope is None:
            await self._dialogue.push("503 5.5.1 Need MAIL command")
            return
        match = _RCPT.fullmatch(arg or "")
        if match is None:
            await self._dialogue.push("501 5.5.4 Syntax: RCPT TO:<address>")
            return
        if match[2]:
            await self._dialogue.push("555 5.5.4 Unknown parameter of RCPT")
            return
        # Refused recipients do not count as errors: the sender to a large group cannot know who is gone. They are
        # counted here instead.
        self._recipients_asked += 1
        if self._refusal is None:
            self._take_turn(envelope)
        if self._refusal is not None:
            await self._dialogue.say(self._refusal, counts=self._recipients_asked == 1)
            return
        refusal = self._receiving.recipient(self._session, envelope, match[1], self._recipients_asked)
        if refusal is None:
            await self._dialogue.push(b"250 2.1.5 OK")
        elif self._submits and not refusal.temporary and self._goes_to_others(envelope):
            envelope.refused[self._receiving.full(self._session, match[1])[:_LONGEST_KEPT]] = refusal
            await self._dialogue.push(b"250 2.1.5 OK")
        else:
            await self._dialogue.say(refusal, counts=self._recipients_asked > self._dialogue.options.max_recipients)

    def _goes_to_others(self, envelope: Envelope) -> bool:
        """Does the message have other recipients than the one just refused? When one recipient is refused, Delta Chat
        gives the message up for all of them. It pipelines its commands, so the next command shows whether there are
        more.
        """
        if envelope.for_others:
            return True
        if self._waits_for_replies:
            return False
        following = self._stream.next_verb(self._dialogue.options.lookahead_seconds)
        self._waits_for_replies = not following
        return following == b"RCPT"

    def _take_turn(self, envelope: Envelope) -> None:
        """Take a turn of the rate limit: one for each message of an account, however many recipients it has. The reply
        is held back until that turn has come.
        """
        account = self._session.account
        if account is None or self._turn is not None:
            return
        turn = self._rate.take(account.id, time.monotonic())
        if isinstance(turn, int):
            self._refusal = Reply(450, "4.7.1", f"Too much mail from <{envelope.sender}>, wait {turn} s")
            self._dialogue.hub.refused("rate", "smtp", self._refusal)
            return
        self._turn = turn
        if turn.wait:
            with self._rate.waiting(turn):
                self._stream.pause(turn.wait)

    async def data(self, arg: str | None) -> None:
        if self._envelope is None:
            await self._dialogue.push("503 5.5.1 Need MAIL command")
        elif self._envelope.refused and not self._envelope.for_others:
            await self._dialogue.say(next(iter(self._envelope.refused.values())), counts=False)
        elif not self._envelope.recipients:
            # With pipelining the client sends DATA before it knows that no recipient was taken (RFC 2920 §3.1).
            await self._dialogue.push("554 5.5.1 No valid recipients")
        elif arg:
            await self._dialogue.push("501 5.5.4 Syntax: DATA")
        else:
            await self._dialogue.push(b"354 End data with <CR><LF>.<CR><LF>")
            taken = False
            try:
                reply = self._receiving.message(self._session, self._envelope, self._receive)
                taken = reply.accepts
            finally:
                self.end(taken)
            if taken:
                self._dialogue.commands = self._dialogue.errors = 0
            await self._dialogue.say(reply)

    def _receive(self, data: Data, upload: Upload) -> None:
        stream = self._stream
        deadline = time.monotonic() + self._dialogue.options.data_seconds
        ended = False
        while not ended:
            before = data.received
            ended = data.feed(stream.read(min(deadline, upload.deadline)))
            upload.came(data.received - before, data.held)
            if data.refusal is not None and data.received > 2 * data.limit:
                raise Goodbye(line(data.refusal))  # it would never end
        stream.unread(data.rest)
        stream.flush()
