"""The plugin `gate`: only encrypted mail leaves and arrives."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from chatgate.api import (
    UNAVAILABLE,
    Counter,
    Delivery,
    Edit,
    Envelope,
    Facts,
    Gateway,
    Limiter,
    Metric,
    Problem,
    Reply,
    ReversePath,
    Session,
    hookimpl,
    in_turns,
    option,
)
from chatgate_gate import outer
from chatgate_gate.check import MAX_HEADER, Kind, Verdict, inspect
from chatgate_gate.second_opinion import SecondOpinion, Unavailable

log = logging.getLogger("chatgate.gate")

# Delta Chat looks for "invalid unencrypted mail" and explains it to its user.
ENCRYPTION_NEEDED = Reply(523, "", "Encryption Needed: Invalid Unencrypted Mail")
# Our accounts log in to send, so from elsewhere their addresses can only be forged.
FORGED = Reply(550, "5.7.1", "Mail from this domain is only taken after a login")
# Unencrypted, and only some of its recipients may get that: of these two, the first is said of the message, the second
# at the next try of those who then must wait for a transaction of their own.
TRY_AGAIN = Reply(451, "4.7.1", "Not encrypted, and some recipients may only get encrypted mail: try again")
APART = Reply(452, "4.5.3", "Send to this recipient in a transaction of its own")

# The account's note that it may get unencrypted mail, as the command `accounts cleartext` sets it.
NOTE, ON = "/private/vendor/chatgate/cleartext", b"on"

# For so long the recipients of an unencrypted message are told apart. Other servers try again within an hour or so.
_APART_SECONDS = 7200.0


@dataclass(frozen=True)
class GateOptions:
    moved: ClassVar = {"cleartext_recipients": "`chatgate accounts cleartext ADDRESS on` for each of these accounts"}

    max_header: int = option(MAX_HEADER, "Octets the header of a message may have.", live=True)
    keep_headers: tuple[str, ...] = option(
        (),
        "Names of header fields that stay on encrypted mail, besides those that clients need. Anybody can read them.",
    )
    second_opinion: bool = option(False, "Let GnuPG look at each encrypted message too. Costs a process for each.")
    gpg: str = option("gpg", "The GnuPG program for the second opinion.")
    gpg_seconds: float = option(10.0, "Seconds GnuPG may take over a message before the message is refused for now.")
    gpg_processes: int = option(2, "How many GnuPG processes may run at the same time.")


class Gate:
    """The gate: only end-to-end encrypted mail leaves and arrives.

    It decides by the content (see `chatgate_gate.inspect`) and the sender's address alone.
    It does not check that a message from elsewhere comes from the domain in its From field: that is the job of a DKIM
    filter, without which anyone can write a bounce that passes.

    `envelope.results`: "gate" is the `Kind`; "cleartext", only for mail from elsewhere that does not call itself
    encrypted, the recipients that may get it.
    """

    Options = GateOptions
    gate = True
    order = 30  # before filters that cost more, such as DKIM with its DNS queries

    def __init__(self, gateway: Gateway, options: GateOptions) -> None:
        self._gateway = gateway
        self._options = options
        # By sender and recipient: who must get only encrypted mail, and was among others that need not.
        self._strict = Limiter(0, _APART_SECONDS)
        self._seen = Counter()  # messages by kind
        self._keep = frozenset(name.lower().encode() for name in options.keep_headers)

    @hookimpl
    def chatgate_facts(self) -> Facts:
        return Facts(cleartext=True)

    @hookimpl
    def chatgate_metrics(self) -> list[Metric]:
        seen, what = dict(self._seen.counts), "Messages that were looked at"
        return [Metric("chatgate_gate_messages", what, "counter", ("kind",), seen)]

    @hookimpl
    def chatgate_recipient(self, session: Session, envelope: Envelope, address: str) -> Reply | None:
        """Tells apart the recipients of a sender who has tried to send them something unencrypted, of which only some
        may get that: SMTP has one reply for a message, so those with different answers need different transactions.
        """
        if not len(self._strict) or envelope.origin != "peer" or not envelope.recipients:
            return None
        first = envelope.recipients[0]
        same = self._is_strict(session, envelope, first) == self._is_strict(session, envelope, address)
        return None if same else APART

    def _is_strict(self, session: Session, envelope: Envelope, address: str) -> bool:
        return self._strict.over(_pair(session, envelope, address))

    @hookimpl
    def chatgate_receive(self, envelope: Envelope) -> Sequence[Edit | ReversePath]:
        return outer.edits(envelope, self._keep, self._options.max_header, self._may_be_cleartext)

    @hookimpl
    def chatgate_filter(self, session: Session, envelope: Envelope) -> Reply | None:
        verdict = inspect(
            envelope.content,
            incoming=envelope.origin != "account",
            recipients=envelope.recipients,
            max_header=self._options.max_header,
            spelling=outer.spelling,
        )
        envelope.results["gate"] = verdict.kind
        self._seen.add(verdict.kind.value)
        refusal = self._refusal(verdict, session, envelope)
        if refusal is None and verdict.kind is Kind.ENCRYPTED and self._options.second_opinion:
            refusal = self._asked_twice(envelope)
        if refusal is not None:
            log.info("refused id=%s code=%d kind=%s: %s", envelope.id, refusal.code, verdict.kind, verdict.reason)
        return refusal

    def _refusal(self, verdict: Verdict, session: Session, envelope: Envelope) -> Reply | None:
        if verdict.kind is Kind.MALFORMED:
            return Reply(554, "5.6.0", f"Failed to parse message: {verdict.reason}")
        if verdict.sender is None:
            return Reply(554, "5.6.0", f"Invalid FROM header: {_printable(verdict.from_field)}")
        sender = outer.spelling(verdict.sender)
        account = envelope.origin == "account"
        if not account and self._gateway.domains.of(sender) is not None:
            return FORGED
        if account and sender != envelope.sender.lower():
            for_whom = _printable(envelope.sender.encode())
            return Reply(550, "5.7.1", f"Invalid FROM <{verdict.sender}> for <{for_whom}>")
        if verdict.admitted:
            return None
        allowed = self._allowed(envelope) if not account else frozenset()
        if not allowed:
            return ENCRYPTION_NEEDED
        strict = [address for address in envelope.recipients if address not in allowed]
        if not strict:
            return None
        for address in strict:
            self._strict.add(_pair(session, envelope, address))
        return TRY_AGAIN

    def _may_be_cleartext(self, envelope: Envelope) -> bool:
        return self._allowed(envelope).issuperset(envelope.recipients)

    def _allowed(self, envelope: Envelope) -> frozenset[str]:
        """The recipients that may get unencrypted mail. It is asked about such mail only: it takes a query for each."""
        found: frozenset[str] | None = envelope.results.get("cleartext")
        if found is None:
            store, goes = self._gateway.store, envelope.destinations
            of = {one: goes.get(one) for one in envelope.recipients}
            found = envelope.results["cleartext"] = frozenset(
                recipient
                for recipient, to in in_turns(of.items())
                if isinstance(to, Delivery) and store.annotations(to.account_id, "").get(NOTE) == ON
            )
        return found

    @cached_property
    def _second_opinion(self) -> SecondOpinion:
        options = self._options
        home = self._gateway.path("data", "gate-gnupg")
        return SecondOpinion(options.gpg, home, options.gpg_seconds, options.gpg_processes)

    def _asked_twice(self, envelope: Envelope) -> Reply | None:
        try:
            agreed = self._second_opinion.agrees(envelope.content, max_header=self._options.max_header)
        except Unavailable as error:
            log.error("no second opinion id=%s: %s", envelope.id, error)
            return UNAVAILABLE
        return None if agreed else ENCRYPTION_NEEDED

    @hookimpl
    def chatgate_services(self) -> None:
        """Starts no service, but checks for GnuPG at start: an operator should not learn from refused mail that it is
        missing.
        """
        for problem in self.chatgate_check():
            log.error("%s", problem.text)

    @hookimpl
    def chatgate_check(self) -> Sequence[Problem]:
        if not self._options.second_opinion:
            return []
        try:
            with tempfile.TemporaryDirectory() as home:  # leaves nothing in the gateway's folder
                SecondOpinion(self._options.gpg, Path(home), self._options.gpg_seconds, 1)
        except Unavailable as error:
            text = f"gate: second_opinion is on, but {error}: all encrypted mail is refused. Install gnupg"
            return [Problem("error", text)]
        return []


def _pair(session: Session, envelope: Envelope, address: str) -> str:
    """A key that says nothing about the addresses. With the client's network in it, nobody brings this on others."""
    return f"{session.network}{hash((envelope.sender.lower(), address.lower())):x}"


def _printable(raw: bytes) -> str:
    """Printable ASCII for a reply, which is one line."""
    return "".join(chr(octet) if 32 <= octet < 127 else "?" for octet in raw[:200])
