"""A message on its way in, whatever protocol it comes by: sender, recipients, content, each with its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from chatgate.api import (
    Envelope,
    Gateway,
    Reply,
    Session,
    Upload,
    Uploads,
    normal_address,
    shown_address,
    valid_address,
)
from chatgate_smtp.data import TOO_BIG, Data
from chatgate_smtp.options import SmtpOptions
from chatgate_smtp.replies import line
from chatgate_smtp.sizes import Sizes

log = logging.getLogger("chatgate.smtp")

MALFORMED = Reply(553, "5.1.3", "Malformed address")
NOT_ASCII = Reply(553, "5.6.7", "Addresses must be ASCII")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients")
NO_MEMORY = Reply(452, "4.3.1", "Too much mail at once, try again later")
# No plugin answers for the address. The key: is the client logged in to an account of ours?
NOBODY = {
    True: Reply(550, "5.1.2", "Mail to this domain is not served here"),
    False: Reply(550, "5.7.1", "Relaying denied"),
}


class Receiving:
    """The steps of a mail transaction (RFC 5321 §3.3), for SMTP and for plugins that take mail in another way, which
    get it as `gateway.hub.plugin("smtp").receiving`: `begin`, `sender`, `recipient` for each, `message`. They share the
    limits of this plugin's options, and the memory for unfinished messages.
    """

    def __init__(self, gateway: Gateway, options: SmtpOptions, sizes: Sizes) -> None:
        self._gateway, self._options, self._sizes = gateway, options, sizes
        # The key: do accounts send here? Mail from other servers has a budget of its own and cannot use up theirs.
        self.uploads = {submits: Uploads(*limits) for submits, limits in self._limits().items()}

    def _limits(self) -> dict[bool, tuple[int, float, float]]:
        own = self._options
        budgets = {True: own.max_inflight_bytes, False: own.max_inflight_bytes_mx}
        return {submits: (octets, own.min_upload_rate, own.data_idle_seconds) for submits, octets in budgets.items()}

    def options_changed(self) -> None:
        for submits, limits in self._limits().items():
            self.uploads[submits].limit(*limits)

    def begin(self, session: Session, address: str, octets: int = 0, submits: bool = False) -> Envelope | Reply:
        """A new transaction; a Reply says why there is none. address: the reverse-path, "" for the null sender. octets:
        the size of the content as declared, 0 if it is not. submits: is the sender an account of ours that has logged
        in?
        """
        address = normal_address(address)
        refusal = _malformed(address) if address else None
        if refusal is None and octets > self.most(session, submits):
            refusal = TOO_BIG
        if refusal is not None:
            return self._refused("sender", refusal)
        return Envelope(address, origin="account" if submits else "peer", size=octets)

    def sender(self, session: Session, envelope: Envelope) -> Reply | None:
        """Why this sender may not send; None: it may."""
        answer = self._gateway.hub.sender(session=session, envelope=envelope, address=envelope.sender)
        if answer is None or answer.accepts:
            return None
        facts = session.id, answer.code, shown_address(envelope.sender)
        log.debug("sender refused session=%s code=%d address=%s", *facts)
        return answer

    def recipient(self, session: Session, envelope: Envelope, address: str, number: int) -> Reply | None:
        """Why this recipient is refused; None: it has become one of the envelope's. number: how many the client has
        named in this transaction, with this one.
        """
        if number > self._options.max_recipients:
            return self._refused("recipient", TOO_MANY_RECIPIENTS)
        address = self.full(session, address)
        refusal = _malformed(address)
        if refusal is None and self._sizes.too_big(address, envelope.size):
            refusal = TOO_BIG
        if refusal is not None:
            self._refused("recipient", refusal)
        else:
            answer = self._gateway.intake.resolve(session, envelope, address)
            if answer is not None and not isinstance(answer, Reply):
                envelope.recipients.append(address)
                return None
            refusal = answer or self._refused("recipient", NOBODY[envelope.origin == "account"])
        facts = session.id, refusal.code, shown_address(address)
        log.debug("recipient refused session=%s code=%d address=%s", *facts)
        return refusal

    def _refused(self, step: str, reply: Reply) -> Reply:
        """Count what no plugin was asked about."""
        self._gateway.hub.refused(step, "smtp", reply)
        return reply

    def full(self, session: Session, address: str) -> str:
        """The address in its one spelling; postmaster alone is that of our domain (RFC 5321 §4.5.1)."""
        if address.lower() == "postmaster":
            return f"{address}@{self._gateway.domains.of_session(session).name}"
        return normal_address(address)

    def line(self, reply: Reply) -> str:
        """The reply as SMTP writes it, without the line end."""
        return line(reply)

    def most(self, session: Session, submits: bool = False) -> int:
        """Octets that a message from this client may have."""
        return self._sizes.accepted(self._gateway.domains.of_session(session), submits)

    def message(self, session: Session, envelope: Envelope, arrive: Callable[[Data, Upload], None]) -> Reply:
        """The answer for all recipients of the envelope; a 2xx one is a promise, see `Intake.accept`.

        arrive: feeds the content to the Data until it has ended, or refuses it, and tells the Upload what came. It may
        block; nothing is done if it raises.
        """
        submits = envelope.origin == "account"
        data = Data(self.most(session, submits))
        owner = session.account.id if session.account is not None else session.network
        with self.uploads[submits].begin(owner, lambda: data.refuse(NO_MEMORY)) as upload:
            arrive(data, upload)
            upload.finish()
            content = data.content(self._options.max_line_bytes)
            if isinstance(content, Reply):
                return self._refused("content", content)
            envelope = envelope.with_content(content)
            if not self._sizes.leave_out(envelope):
                return self._refused("content", TOO_BIG)
            return self._gateway.intake.accept(session, envelope)


def _malformed(address: str) -> Reply | None:
    if valid_address(address):
        return None
    return MALFORMED if address.isascii() else NOT_ASCII
