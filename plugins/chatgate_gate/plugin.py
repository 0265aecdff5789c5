"""The plugin `gate`: only encrypted mail leaves and arrives."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chatgate.api import (
    UNAVAILABLE,
    Edit,
    Envelope,
    Facts,
    Gateway,
    Problem,
    Reply,
    ReversePath,
    Session,
    hookimpl,
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


@dataclass(frozen=True)
class GateOptions:
    max_header: int = option(MAX_HEADER, "Octets the header of a message may have.")
    cleartext_recipients: tuple[str, ...] = option(
        (), "Addresses that may get unencrypted mail from other servers, if all recipients of a message are among them."
    )
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
    """

    Options = GateOptions
    gate = True
    order = 30  # before filters that cost more, such as DKIM with its DNS queries

    def __init__(self, gateway: Gateway, options: GateOptions) -> None:
        self._gateway = gateway
        self._options = options
        self._cleartext = frozenset(map(outer.spelling, options.cleartext_recipients))
        self._keep = frozenset(name.lower().encode() for name in options.keep_headers)

    @hookimpl
    def chatgate_facts(self) -> Facts:
        return Facts(cleartext=bool(self._cleartext))

    @hookimpl
    def chatgate_receive(self, envelope: Envelope) -> Sequence[Edit | ReversePath]:
        if envelope.origin != "account" and self._may_get_cleartext(envelope):
            return outer.cleartext(envelope, self._options.max_header)
        return outer.edits(envelope, self._keep, self._options.max_header)

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
        refusal = self._refusal(verdict, envelope)
        if refusal is None and verdict.kind is Kind.ENCRYPTED and self._options.second_opinion:
            refusal = self._asked_twice(envelope)
        if refusal is not None:
            log.info("refused id=%s code=%d kind=%s: %s", envelope.id, refusal.code, verdict.kind, verdict.reason)
        return refusal

    def _refusal(self, verdict: Verdict, envelope: Envelope) -> Reply | None:
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
        if verdict.admitted or (not account and self._may_get_cleartext(envelope)):
            return None
        return ENCRYPTION_NEEDED

    def _may_get_cleartext(self, envelope: Envelope) -> bool:
        return bool(self._cleartext) and all(address.lower() in self._cleartext for address in envelope.recipients)

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


def _printable(raw: bytes) -> str:
    """Printable ASCII for a reply, which is one line."""
    return "".join(chr(octet) if 32 <= octet < 127 else "?" for octet in raw[:200])
