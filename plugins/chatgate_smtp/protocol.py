"""MAIL, RCPT and DATA: receiving a message."""

from __future__ import annotations

import re
import time
from typing import Any

from chatgate.api import Envelope, Reply, Upload
from chatgate_smtp.data import Data
from chatgate_smtp.dialogue import line
from chatgate_smtp.driver import Goodbye
from chatgate_smtp.login import Login
from chatgate_smtp.rate import Turn

# A blank after the colon is wrong but common.
_MAIL = re.compile(r"FROM: ?<([^<>]*)>(?: +(\S.*))?", re.IGNORECASE)
_RCPT = re.compile(r"TO: ?<([^<>]*)>(?: +(\S.*))?", re.IGNORECASE)

# Octets kept of a refused address; a well-formed one has 320 at most.
_LONGEST_KEPT = 320


class Protocol(Login):
    """All of SMTP as this server speaks it; one object for each connection."""

    envelope: Any = None
    # Why this sender may not send. RCPT replies with it, as in Postfix: that is where clients expect it.
    refusal: Reply | None = None
    # In this transaction the client waits for a reply before it sends the next command: no pipelining.
    waits_for_replies = False
    # The turn of the rate limit that this transaction has taken.
    turn: Turn | None = None

    def _create_envelope(self) -> Any:
        """No envelope until MAIL makes one. aiosmtpd calls this when a transaction ends without a message."""
        self.end_transaction()

    def end_transaction(self, taken: bool = False) -> None:
        """A message that was not taken does not count for the sender's rate."""
        self.envelope = self.refusal = None
        turn, self.turn = self.turn, None
        if turn is not None and not taken:
            self.plugin.rate.give_back(turn, time.monotonic())

    async def smtp_MAIL(self, arg: str | None) -> None:
        if await self.check_helo_needed() or await self.check_auth_needed("MAIL"):
            return
        if self.envelope is not None:
            await self.push("503 5.5.1 Nested MAIL command")
            return
        match = _MAIL.fullmatch(arg or "")
        if match is None:
            await self.push("501 5.5.4 Syntax: MAIL FROM:<address>")
            return
        taken = self._parameters(match[2]) if match[2] else 0
        receiving = self.plugin.receiving
        envelope = taken if isinstance(taken, Reply) else receiving.begin(self.client, match[1], taken, self.submits)
        if isinstance(envelope, Reply):
            await self.say(envelope)
            return
        self.refusal = receiving.sender(self.client, envelope)
        self.envelope = envelope
        self.recipients_asked = 0
        self.waits_for_replies = False
        await self.push(b"250 2.1.0 OK")

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
            elif key != "AUTH" or not self.submits:  # AUTH=: RFC 4954 §5 requires accepting it; its value is ignored
                return Reply(555, "5.5.4", "Unknown parameter of MAIL")
        return size

    async def smtp_RCPT(self, arg: str | None) -> None:
        envelope = self.envelope
        if envelope is None:
            await self.push("503 5.5.1 Need MAIL command")
            return
        match = _RCPT.fullmatch(arg or "")
        if match is None:
            await self.push("501 5.5.4 Syntax: RCPT TO:<address>")
            return
        if match[2]:
            await self.push("555 5.5.4 Unknown parameter of RCPT")
            return
        # Refused recipients do not count as errors: the sender to a large group cannot know who is gone. They are
        # counted here instead.
        self.recipients_asked += 1
        if self.refusal is None:
            self._take_turn(envelope)
        if self.refusal is not None:
            await self.say(self.refusal, counts=self.recipients_asked == 1)
            return
        refusal = self.plugin.receiving.recipient(self.client, envelope, match[1], self.recipients_asked)
        if refusal is None:
            await self.push(b"250 2.1.5 OK")
        elif self.submits and not refusal.temporary and self._goes_to_others(envelope):
            envelope.refused[self.plugin.receiving.full(self.client, match[1])[:_LONGEST_KEPT]] = refusal
            await self.push(b"250 2.1.5 OK")
        else:
            await self.say(refusal, counts=self.recipients_asked > self.options.max_recipients)

    def _goes_to_others(self, envelope: Envelope) -> bool:
        """Does the message have other recipients than the one just refused? When one recipient is refused, Delta Chat
        gives the message up for all of them. It pipelines its commands, so the next command shows whether there are
        more.
        """
        if envelope.for_others:
            return True
        if self.waits_for_replies:
            return False
        following = self.stream.next_verb(self.options.lookahead_seconds)
        self.waits_for_replies = not following
        return following == b"RCPT"

    def _take_turn(self, envelope: Envelope) -> None:
        """Take a turn of the rate limit: one for each message of an account, however many recipients it has. The reply
        is held back until that turn has come.
        """
        account = self.client.account
        if account is None or self.turn is not None:
            return
        turn = self.plugin.rate.take(account.id, time.monotonic())
        if isinstance(turn, int):
            self.refusal = Reply(450, "4.7.1", f"Too much mail from <{envelope.sender}>, wait {turn} s")
            return
        self.turn = turn
        if turn.wait:
            with self.plugin.rate.waiting(turn):
                self.stream.pause(turn.wait)

    async def smtp_DATA(self, arg: str | None) -> None:
        if self.envelope is None:
            await self.push("503 5.5.1 Need MAIL command")
        elif self.envelope.refused and not self.envelope.for_others:
            await self.say(next(iter(self.envelope.refused.values())), counts=False)
        elif not self.envelope.recipients:
            # With pipelining the client sends DATA before it knows that no recipient was taken (RFC 2920 §3.1).
            await self.push("554 5.5.1 No valid recipients")
        elif arg:
            await self.push("501 5.5.4 Syntax: DATA")
        else:
            await self.push(b"354 End data with <CR><LF>.<CR><LF>")
            taken = False
            try:
                reply = self.plugin.receiving.message(self.client, self.envelope, self._receive)
                taken = reply.accepts
            finally:
                self.end_transaction(taken)
            if taken:
                self.commands = self.errors = 0
            await self.say(reply)

    def _receive(self, data: Data, upload: Upload) -> None:
        stream = self.stream
        deadline = time.monotonic() + self.options.data_seconds
        ended = False
        while not ended:
            before = data.received
            ended = data.feed(stream.read(min(deadline, upload.deadline)))
            upload.came(data.received - before, data.held)
            if data.refusal is not None and data.received > 2 * data.limit:
                raise Goodbye(line(data.refusal))  # it would never end
        stream.unread(data.rest)
        stream.flush()
