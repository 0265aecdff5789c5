"""The way of a message into the store: receive, filter, store. See docs/flow.md."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from chatgate import faults
from chatgate.addresses import valid_address
from chatgate.limits import Limit
from chatgate.mail import dsn
from chatgate.mail.envelope import Envelope
from chatgate.mail.headers import Edit, ReversePath, edited, prepended
from chatgate.metrics import Counter, Distribution
from chatgate.network.server import STOPPING
from chatgate.network.session import Session
from chatgate.reply import UNAVAILABLE, Reply
from chatgate.store.records import (
    Delivery,
    Destination,
    NoSuchMailbox,
    OverQuota,
    Queued,
    Stored,
    StoreError,
    StoreFull,
)

if TYPE_CHECKING:
    from chatgate.running.gateway import Gateway

# Octets by which a notice of non-delivery may take its reader's account over the quota.
_BEYOND = 1_000_000

# How often the delivery of one message is retried because mailboxes have gone since they were looked up.
_TRIES = 3

_ALL_FULL = Reply(452, "4.2.2", "Mailbox is full, try again later", imap="OVERQUOTA")
_FULL = "5.2.2", "the mailbox is full"
_NOBODY = Reply(550, "5.1.1", "Nobody takes mail for this address")

log = logging.getLogger("chatgate.intake")


class Refused(Exception):
    """The message is refused; `reply` is the answer to its sender."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


class Notice(NamedTuple):
    """A notice of non-delivery that is ready to be stored, for its reader's INBOX. content: signed."""

    envelope: Envelope
    content: bytes
    destination: Delivery


class Intake:
    """One per gateway. Protocol plugins ask `resolve` for each recipient, then call `accept` with the complete envelope
    and pass the Reply on.

    messages: how many were taken or refused, by origin and outcome; copies: where those that were taken went. delivery,
    taking: seconds from MAIL to the wake-up, and from the end of the content to the answer.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._hub = gateway.hub
        self._limit = Limit(gateway.config.core.hook_seconds)
        self.messages, self.copies = Counter(), Counter()
        self.delivery, self.taking = Distribution(), Distribution()

    def limit(self, seconds: float) -> None:
        """How long a plugin may take over one decision, from now on."""
        self._limit.set(seconds)

    def resolve(self, session: Session, envelope: Envelope, address: str) -> Destination | Reply | None:
        """Where mail for this address goes, or a refusal; None: nobody serves it. Every question about a recipient is
        asked here. A destination is noted in the envelope.
        """
        answer = self._hub.recipient(session=session, envelope=envelope, address=address)
        if answer is not None and not isinstance(answer, Reply):
            envelope.destinations[address] = answer
        return answer

    def accept(self, session: Session, envelope: Envelope) -> Reply:
        """A 2xx Reply is a promise: the message is on disk for every recipient, here or in the queue, or, if an account
        of ours sent it, a notice in its INBOX names those who had no room for it or were refused. After any other Reply
        the sender must try again or give up.
        """
        if session.ending is not None and session.ending is not STOPPING:
            return session.ending  # the login is not valid any more; a mere stop lets what is in flight finish
        if log.isEnabledFor(logging.DEBUG):
            to = ",".join(envelope.recipients)
            log.debug("message id=%s from=<%s> to=%s session=%s", envelope.id, envelope.sender, to, session.id)
        began = perf_counter()
        try:
            edits = self.receive(session, envelope)
            self.filter(session, envelope)
            envelope, content = self._edited(envelope, edits)
            left_out = self._keep(session, envelope, content)
            if left_out and envelope.origin == "account":
                self._tell(session, envelope, content, left_out)
        except Refused as refused:
            self.messages.add(envelope.origin, "refused")
            reply = refused.reply
            log.info("refused id=%s code=%d status=%s session=%s", envelope.id, reply.code, reply.enhanced, session.id)
            return reply
        self.messages.add(envelope.origin, "taken")
        self.taking.add(perf_counter() - began)
        return Reply(250, "2.0.0", f"OK {envelope.id}")

    def receive(self, session: Session, envelope: Envelope) -> list[Edit | ReversePath]:
        """The changes that plugins want. None is made yet: the filters see the message as it came. Raises Refused."""
        answers = self._hub.receive.all(session=session, envelope=envelope)
        if isinstance(answers, Reply):
            raise Refused(answers)
        return [edit for edits in answers for edit in edits]

    def filter(self, session: Session, envelope: Envelope) -> None:
        """Raises Refused."""
        answer = self._hub.filter(session=session, envelope=envelope)
        if answer is not None and not answer.accepts:
            raise Refused(answer)

    def _edited(self, envelope: Envelope, edits: list[Edit | ReversePath]) -> tuple[Envelope, bytes]:
        """Raises Refused for an edit that would break lines."""
        of_header: list[Edit] = []
        for edit in edits:
            if not isinstance(edit, ReversePath):
                of_header.append(edit)
            elif edit.address and not valid_address(edit.address):
                log.error("sender edit refused id=%s", envelope.id)
                raise Refused(UNAVAILABLE)
            else:
                envelope = replace(envelope, sender=edit.address)
        try:
            return envelope, edited(envelope.content, of_header)
        except ValueError:
            log.error("header edit refused id=%s", envelope.id)
            raise Refused(UNAVAILABLE) from None

    def signed(self, sender: str, content: bytes) -> bytes | Reply:
        """The content as another server is to get it: with the fields that plugins put on top (`chatgate_sign`); a
        refusal for now where one of them failed. For whoever hands mail on, once for each attempt, as signatures carry
        the time. sender: the reverse-path, "" for a notice.
        """
        if not self._hub.implements("sign"):
            return content
        answers = self._hub.sign.all(sender=sender, content=content)
        if isinstance(answers, Reply):
            return answers
        try:
            return prepended(content, [field for fields in answers for field in fields])
        except ValueError:
            log.error("signature refused")
            return UNAVAILABLE

    def _keep(self, session: Session, envelope: Envelope, content: bytes) -> list[dsn.Failure]:
        """Put it on disk; returns the recipients that did not get it. Raises Refused when nobody did."""
        for _ in range(_TRIES):
            goes = self._destinations(session, envelope)
            try:
                stored = self._stored(session, envelope, content, goes)
            except Refused as refused:
                self._hub.refused("store", "", refused.reply)
                raise
            except NoSuchMailbox as error:
                if not error.gone:
                    break
                _forget(envelope, {delivery.mailbox_id for delivery in error.gone})
                continue
            arrived = [one for one in stored if isinstance(one, Stored)]
            if arrived:
                self.delivery.add(perf_counter() - envelope.began)
                self.copies.add("mailbox", by=len(arrived))
                self._hub.stored(envelope=envelope, stored=arrived)
            if len(stored) > len(arrived):
                self.copies.add("queue", by=len(stored) - len(arrived))
            if log.isEnabledFor(logging.INFO):
                facts = envelope.id, len(arrived), len(stored) - len(arrived), len(content), session.id
                log.info("stored id=%s copies=%d queued=%d octets=%d session=%s", *facts)
            left_out = [dsn.Failure.refused(recipient, why) for recipient, why in envelope.refused.items()]
            if len(stored) < len(goes):
                done = {one.delivery.mailbox_id for one in arrived}
                full = [one for one in goes if isinstance(one, Delivery) and one.mailbox_id not in done]
                left_out += [dsn.Failure(delivery.recipient, *_FULL) for delivery in full]
            return left_out
        log.error("mailboxes come and go id=%s", envelope.id)
        raise Refused(UNAVAILABLE)

    def _destinations(self, session: Session, envelope: Envelope) -> list[Destination]:
        """Where the copies go. An account deleted since RCPT is noted in `envelope.refused`, like one that RCPT
        refused. Raises Refused when nobody is left, or nobody but the sender.
        """
        found: dict[int | str, Destination] = {}
        others = False
        sender = envelope.sender.lower() if envelope.origin == "account" else None
        for recipient in envelope.recipients:
            goes = envelope.destinations.get(recipient)
            if goes is None and recipient not in envelope.refused:
                goes = self._resolved(session, envelope, recipient)
            if goes is None:
                continue
            own = recipient.lower() == sender
            others = others or not own
            if isinstance(goes, Delivery):
                # An address given twice gets one copy.
                found.setdefault(goes.mailbox_id, replace(goes, own=True) if own else goes)
            else:
                found.setdefault(goes.recipient, goes)
        if envelope.refused and not others:
            raise Refused(next(iter(envelope.refused.values())))
        return list(found.values())

    def _resolved(self, session: Session, envelope: Envelope, recipient: str) -> Destination | None:
        """None when it is refused for good. Raises Refused when it is refused for now."""
        answer = self.resolve(session, envelope, recipient) or _NOBODY
        if not isinstance(answer, Reply):
            return answer
        if answer.temporary:
            raise Refused(answer)
        envelope.refused[recipient] = answer
        return None

    def _stored(
        self, session: Session, envelope: Envelope, content: bytes, goes: list[Destination]
    ) -> Sequence[Stored | Queued]:
        """Raises NoSuchMailbox and Refused; then nothing was stored."""
        partial = envelope.origin == "account"
        account_id = session.account.id if partial and session.account is not None else None
        clock = self._limit.start()
        try:
            stored = self._gateway.store.store(content, goes, partial, envelope.sender, account_id, envelope.id)
        except NoSuchMailbox:
            raise
        except OverQuota as error:
            if len(goes) > 1 and not partial:
                self._hub.full(envelope=envelope, full=error.full)
            raise Refused(_ALL_FULL) from None
        except StoreFull as error:
            raise Refused(Reply(452, "4.3.1", str(error))) from None
        except StoreError:
            raise Refused(UNAVAILABLE) from None
        except BaseException as error:
            if not clock.threw(error) and faults.thrown_in(error):
                raise
            kind, at = type(error).__name__, faults.where(error)
            log.error("store failed id=%s error=%s at=%s", envelope.id, kind, at)
            raise Refused(UNAVAILABLE) from None
        finally:
            self._limit.stop(clock)
        if len(stored) != len(goes) and not (partial and 0 < len(stored) < len(goes)):
            log.error("the store does not account for all copies id=%s", envelope.id)
            raise Refused(UNAVAILABLE)
        return stored

    def _tell(self, session: Session, envelope: Envelope, content: bytes, left_out: list[dsn.Failure]) -> None:
        """Put a notice into the sender's INBOX that these did not get the message. Raises Refused when that is not
        possible: then the sender must be told by the Reply, although its next try then reaches the others a second time
        (clients recognise a message they have by its Message-ID).
        """
        notice = self.notice(envelope.sender, content, left_out, dsn.LEFT_OUT, session)
        if isinstance(notice, Reply) or notice is None:
            raise Refused(notice or _NOBODY)
        own = notice.envelope
        own.destinations[envelope.sender] = notice.destination
        self._keep(session, own, notice.content)
        log.info("left out id=%s recipients=%d notice=%s", envelope.id, len(left_out), own.id)

    def notice(
        self,
        sender: str,
        content: bytes,
        failures: Sequence[dsn.Failure],
        occasion: dsn.Occasion = dsn.GIVEN_UP,
        session: Session | None = None,
    ) -> Notice | Reply | None:
        """A notice for the account that has sent a message, to be stored by `Store.store` or `Store.settle`. content:
        the message, or its beginning with the whole header. None: the sender has no account here any more. A Reply: a
        plugin failed, and it has to be tried again.
        """
        domains = self._gateway.domains
        domain = domains.of(sender) or domains.first
        text = dsn.notice(domain.name, sender, content, failures, occasion)
        own = Envelope("", [sender], text, "gateway")
        inbox = self.resolve(session or Session("notice", ""), own, sender)
        if isinstance(inbox, Reply) and inbox.temporary:
            return inbox
        if not isinstance(inbox, Delivery):
            return None
        signed = self.signed("", text)
        return signed if isinstance(signed, Reply) else Notice(own, signed, replace(inbox, beyond=_BEYOND))


def _forget(envelope: Envelope, mailboxes: set[int]) -> None:
    """Discard the destinations that were found at RCPT for these mailboxes."""
    for address, goes in list(envelope.destinations.items()):
        if isinstance(goes, Delivery) and goes.mailbox_id in mailboxes:
            del envelope.destinations[address]
