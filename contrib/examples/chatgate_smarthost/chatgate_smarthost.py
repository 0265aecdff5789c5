"""An example of sending: mail that accounts send to certain other domains goes to one server, which relays it.

It shows what a plugin that delivers elsewhere needs: an answer to `chatgate_recipient`, a worker on the store's queue
that may die at any time, and a field that `chatgate_sign` computes from the octets that leave.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import smtplib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import gevent.event

from chatgate.api import (
    QUEUE,
    Background,
    Envelope,
    Gateway,
    Outgoing,
    Prepend,
    Queued,
    Reply,
    hookimpl,
    option,
    required,
)

log = logging.getLogger("chatgate.smarthost")

_AT_ONCE = 50  # rows claimed


@dataclass(frozen=True)
class SmarthostOptions:
    host: str = required("The server that takes the mail, as host:port.")
    domains: tuple[str, ...] = option((), "Mail for these domains goes there.")
    seal_key: str = option("", "With a key, mail that goes there has a field Relay-Seal, which proves that.")
    lease_seconds: float = option(
        600.0, "Seconds for which mail is left to a process that hands it on: more than 50 messages can take."
    )
    retry_seconds: float = option(300.0, "Seconds until mail that it refuses for now is tried again.")
    timeout_seconds: float = option(60.0, "Seconds to wait for an answer of that server.")


class Smarthost:
    """Hand mail for some domains to another server."""

    Options = SmarthostOptions
    order = 70  # after the accounts of this server, and the plugins that refuse recipients

    def __init__(self, gateway: Gateway, options: SmarthostOptions) -> None:
        self._gateway, self._options = gateway, options
        self._domains = frozenset(domain.lower() for domain in options.domains)
        self._more = gevent.event.Event()

    @hookimpl
    def chatgate_recipient(self, envelope: Envelope, address: str) -> Outgoing | None:
        domain = address.rpartition("@")[2].lower()
        # Mail from other servers is not relayed.
        return Outgoing(address, domain) if envelope.origin != "peer" and domain in self._domains else None

    @hookimpl
    def chatgate_sign(self, content: bytes) -> list[Prepend] | None:
        if not self._options.seal_key:
            return None
        seal = hmac.new(self._options.seal_key.encode(), content, hashlib.sha256).hexdigest()
        return [Prepend("Relay-Seal", f"v=1; hmac-sha256={seal}")]

    @hookimpl
    def chatgate_services(self, gateway: Gateway) -> list[Background]:
        return [Background("smarthost", self._work)]

    def _work(self) -> None:
        """What is killed here, at stop or with the process, delays: its rows come back when their lease is over."""
        watch = self._gateway.board.watch(QUEUE, self._more.set)
        try:
            while True:
                self._more.clear()
                while rows := self._gateway.store.claim(_AT_ONCE, self._options.lease_seconds, time.time()):
                    for _, message in groupby(rows, key=lambda row: row.message):
                        self._hand_on(list(message))
                due = self._gateway.store.next_due()
                # A wake-up may get lost, and another process may have queued something.
                self._more.wait(60.0 if due is None else min(60.0, max(0.1, due - time.time())))
        finally:
            watch.cancel()

    def _hand_on(self, rows: list[Queued]) -> None:
        """One message to its recipients, and what became of each."""
        store = self._gateway.store
        over = [row for row in rows if row.expired]
        if over:  # here, and where a recipient is refused for good, more than an example would tell the sender
            log.warning("given up rows=%d", len(over))
            store.settle(over)
        rows = [row for row in rows if not row.expired]
        content = store.open_queued(rows[0].id) if rows else None
        if content is None:
            return
        try:
            refused = self._send(rows, content.read(0, content.size))
        finally:
            content.close()
        until = time.time() + self._options.retry_seconds
        for row in rows:
            reply = refused.get(row.recipient)
            if reply is not None and reply.temporary:
                store.postpone([row], until, reply)
        done = [row for row in rows if row.recipient not in refused or not refused[row.recipient].temporary]
        store.settle(done)

    def _send(self, rows: Sequence[Queued], content: bytes) -> dict[str, Reply]:
        """Why which recipients were not taken."""
        host, _, port = self._options.host.rpartition(":")
        recipients = [row.recipient for row in rows]
        refused: dict[str, tuple[int, bytes | str]]
        signed = self._gateway.intake.signed(rows[0].sender, content)
        if isinstance(signed, Reply):
            return dict.fromkeys(recipients, signed)
        me = self._gateway.domains.first.hostname
        try:
            with smtplib.SMTP(host, int(port), me, timeout=self._options.timeout_seconds) as smtp:
                refused = {**smtp.sendmail(rows[0].sender, recipients, signed)}
        except smtplib.SMTPRecipientsRefused as error:
            refused = {**error.recipients}
        except smtplib.SMTPResponseException as error:
            refused = {address: (error.smtp_code, error.smtp_error) for address in recipients}
        except (OSError, smtplib.SMTPException):
            refused = {address: (451, b"The server cannot be reached") for address in recipients}
        return {address: _reply(code, text) for address, (code, text) in refused.items()}


def _reply(code: int, text: bytes | str) -> Reply:
    said = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    return Reply(code if 400 <= code < 600 else 451, "", " ".join(said.split()) or "refused")
