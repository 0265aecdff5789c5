"""The way of a message into the store: receive, filter, route, store. See docs/flow.md."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from chatgate.mail import dsn
from chatgate.mail.envelope import Envelope
from chatgate.mail.headers import edited
from chatgate.network.server import STOPPING
from chatgate.network.session import Session
from chatgate.reply import UNAVAILABLE, Reply
from chatgate.store.records import Delivery

if TYPE_CHECKING:
    from chatgate.running.gateway import Gateway

# Octets by which notices of what was not delivered may take their reader's account over its quota.
_BEYOND = 1_000_000

_FULL = "5.2.2", "the mailbox is full"

log = logging.getLogger("chatgate.intake")


class Intake:
    """One per gateway. Protocol plugins call `accept` with a complete envelope and pass the Reply on."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._hub = gateway.hub

    def accept(self, session: Session, envelope: Envelope) -> Reply:
        """A 2xx Reply is a promise: the message is on disk for every recipient, or, where an account of ours sends it,
        a notice in its INBOX says who had no room for it or was refused before. Any other Reply: the sender shall try
        again or give up.
        """
        if session.ending is not None and session.ending is not STOPPING:
            return session.ending  # the login does not hold any more; who only stops lets finish what is in flight
        if log.isEnabledFor(logging.DEBUG):
            to = ",".join(envelope.recipients)
            log.debug("message id=%s from=<%s> to=%s session=%s", envelope.id, envelope.sender, to, session.id)
        for stage in (self._receive, self._filter):
            refusal = stage(session, envelope)
            if refusal is not None:
                log.info("refused id=%s code=%d session=%s", envelope.id, refusal.code, session.id)
                return refusal
        deliveries = self._route(envelope)
        if isinstance(deliveries, Reply):
            return deliveries
        return self._store(session, envelope, deliveries)

    def _receive(self, session: Session, envelope: Envelope) -> Reply | None:
        answers = self._hub.receive.all(session=session, envelope=envelope)
        if isinstance(answers, Reply):
            return answers
        envelope.edits = [edit for edits in answers for edit in edits]
        return None

    def _filter(self, session: Session, envelope: Envelope) -> Reply | None:
        answer = self._hub.filter(session=session, envelope=envelope)
        return None if answer is None or answer.accepts else answer

    def _route(self, envelope: Envelope) -> list[Delivery] | Reply:
        deliveries: dict[int, Delivery] = {}
        for recipient in envelope.recipients:
            delivery = self._hub.route(envelope=envelope, recipient=recipient)
            if not isinstance(delivery, Delivery):
                log.error("no route id=%s", envelope.id)
                return UNAVAILABLE
            if envelope.submitted and recipient.lower() == envelope.sender.lower():
                delivery = replace(delivery, own=True)
            deliveries.setdefault(delivery.mailbox_id, delivery)  # an address given twice gets one copy
        return list(deliveries.values())

    def _store(self, session: Session, envelope: Envelope, deliveries: list[Delivery]) -> Reply:
        try:
            content = edited(envelope.content, envelope.edits)
        except ValueError:
            log.error("header edit refused id=%s", envelope.id)
            return UNAVAILABLE
        stored = self._hub.store(content=content, deliveries=deliveries, partial=envelope.submitted)
        if isinstance(stored, Reply):
            return stored
        if stored is None:
            log.error("nobody stores id=%s", envelope.id)
            return UNAVAILABLE
        self._hub.stored(envelope=envelope, stored=stored)
        log.info("stored id=%s copies=%d octets=%d session=%s", envelope.id, len(stored), len(content), session.id)
        if len(stored) < len(deliveries) or envelope.refused:
            done = {one.delivery.mailbox_id for one in stored}
            failures = [dsn.Failure.refused(recipient, why) for recipient, why in envelope.refused.items()]
            failures += [dsn.Failure(d.recipient, *_FULL) for d in deliveries if d.mailbox_id not in done]
            refusal = self._tell(envelope, content, failures)
            if refusal is not None:
                return refusal
        return Reply(250, "2.0.0", f"OK {envelope.id}")

    def _tell(self, envelope: Envelope, content: bytes, failures: list[dsn.Failure]) -> Reply | None:
        """Put a notice into the sender's INBOX that these have not got the message. None, or why that cannot be: then
        the sender must hear it by the Reply, at the price that its next try reaches the others twice (clients know a
        message they have by its Message-ID).
        """
        inbox = self._hub.route(envelope=envelope, recipient=envelope.sender)
        if not isinstance(inbox, Delivery):
            log.error("no notice of a failure id=%s", envelope.id)
            return UNAVAILABLE
        domains = self._gateway.domains
        domain = domains.of(envelope.sender) or domains.first
        notice = dsn.notice(domain.name, envelope.sender, content, failures)
        told = self._hub.store(content=notice, deliveries=[replace(inbox, beyond=_BEYOND)], partial=False)
        if isinstance(told, Reply):
            return told
        if not told:
            log.error("no notice of a failure id=%s", envelope.id)
            return UNAVAILABLE
        own = Envelope("", [envelope.sender], notice)
        self._hub.stored(envelope=own, stored=told)
        log.info("left out id=%s recipients=%d notice=%s", envelope.id, len(failures), own.id)
        return None
