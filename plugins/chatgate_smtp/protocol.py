"""MAIL, RCPT and DATA: receiving a message."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from chatgate.api import Envelope, Reply, Upload, normal_address, shown_address, valid_address
from chatgate_smtp.data import TOO_BIG, Data
from chatgate_smtp.dialogue import line
from chatgate_smtp.driver import Goodbye
from chatgate_smtp.login import Login
from chatgate_smtp.rate import Turn

log = logging.getLogger("chatgate.smtp")

# A blank after the colon is wrong but common.
_MAIL = re.compile(r"FROM: ?<([^<>]*)>(?: +(\S.*))?", re.IGNORECASE)
_RCPT = re.compile(r"TO: ?<([^<>]*)>(?: +(\S.*))?", re.IGNORECASE)

# Octets kept of a refused address; a well-formed one has 320 at most.
_LONGEST_KEPT = 320

MALFORMED = Reply(553, "5.1.3", "Malformed address")
NOT_ASCII = Reply(553, "5.6.7", "Addresses must be ASCII")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")
NO_MEMORY = Reply(452, "4.3.1", "Too much mail at once, try again later")


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
        address, parameters = normal_address(match[1]), match[2]
        refusal = _refused(address) if address else None
        size = 0
        if refusal is None and parameters:
            taken = self._parameters(parameters)
            refusal, size = (taken, 0) if isinstance(taken, Reply) else (None, taken)
        if refusal is None:
            envelope = Envelope(address, origin="account" if self.submits else "peer", size=size)
            answer = self.hub.sender(session=self.client, envelope=envelope, address=address)
            self.refusal = None if answer is None or answer.accepts else answer
            if self.refusal is not None:
                facts = self.client.id, self.refusal.code, shown_address(address)
                log.debug("sender refused session=%s code=%d address=%s", *facts)
            self.envelope = envelope
            self.recipients_asked = 0
            self.waits_for_replies = False
            await self.push(b"250 2.1.0 OK")
        else:
            await self.say(refusal)

    def _parameters(self, parameters: str) -> int | Reply:
        """The size that the client declares, in octets (0: none declared), or why MAIL is refused."""
        size = 0
        for parameter in parameters.split():
            key, _, value = parameter.partition("=")
            key = key.upper()
            if key == "SIZE":
                if not value.isdecimal() or len(value) > 20:
                    return Reply(501, "5.5.4", "Syntax: SIZE=octets")
                if int(value) > self._most:
                    return TOO_BIG
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
        address, parameters = normal_address(match[1]), match[2]
        if parameters:
            await self.push("555 5.5.4 Unknown parameter of RCPT")
            return
        # Refused recipients do not count as errors: the sender to a large group cannot know who is gone. They are
        # counted here instead.
        self.recipients_asked += 1
        if self.recipients_asked > self.options.max_recipients:
            await self.say(TOO_MANY_RECIPIENTS)
            return
        if self.refusal is None:
            self._take_turn(envelope)
        if self.refusal is not None:
            await self.say(self.refusal, counts=self.recipients_asked == 1)
            return
        if address.lower() == "postmaster":  # RFC 5321 §4.5.1
            address = f"{address}@{self.domain.name}"
        refusal = _refused(address)
        if refusal is None and self.plugin.sizes.too_big(address, envelope.size):
            refusal = TOO_BIG
        if refusal is None:
            answer = self.plugin.gateway.intake.resolve(self.client, envelope, address)
            if answer is not None and not isinstance(answer, Reply):
                envelope.recipients.append(address)
                await self.push(b"250 2.1.5 OK")
                return
            refusal = answer or self.plugin.nobody[self.submits]
        facts = self.client.id, refusal.code, shown_address(address)
        log.debug("recipient refused session=%s code=%d address=%s", *facts)
        if self.submits and not refusal.temporary and self._goes_to_others(envelope):
            envelope.refused[address[:_LONGEST_KEPT]] = refusal
            await self.push(b"250 2.1.5 OK")
        else:
            await self.say(refusal, counts=False)

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
                reply = self._take_message(self.envelope)
                taken = reply.accepts
            finally:
                self.end_transaction(taken)
            if taken:
                self.commands = self.errors = 0
            await self.say(reply)

    @property
    def _most(self) -> int:
        """Octets that a message from this client may have."""
        return self.plugin.sizes.accepted(self.domain, self.submits)

    def _take_message(self, envelope: Envelope) -> Reply:
        data = Data(self._most)
        owner = self.client.account.id if self.client.account is not None else self.client.network
        with self.plugin.uploads[self.submits].begin(owner, lambda: data.refuse(NO_MEMORY)) as upload:
            self._receive(data, upload)
            upload.finish()
            content = data.content(self.options.max_line_bytes)
            if isinstance(content, Reply):
                return content
            envelope = envelope.with_content(content)
            if not self.plugin.sizes.leave_out(envelope):
                return TOO_BIG
            self.stream.flush()
            return self.plugin.gateway.intake.accept(self.client, envelope)

    def _receive(self, data: Data, upload: Upload) -> None:
        stream = self.stream
        deadline = time.monotonic() + self.options.data_seconds
        ended = False
        while not ended:
            before = data.received
            ended = data.feed(stream.read(min(deadline, upload.deadline)))
            upload.came(data.received - before, data.held)
            if data.refusal is not None and data.received > 2 * self._most:
                raise Goodbye(line(data.refusal))  # it would never end
        stream.unread(data.rest)


def _refused(address: str) -> Reply | None:
    if valid_address(address):
        return None
    return MALFORMED if address.isascii() else NOT_ASCII
