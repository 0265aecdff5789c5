"""Senders are told once, if the operator wants it, that a message is still being tried."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from chatgate.api import DELAYED, Failure, Gateway, Queued, Reply, Stored
from chatgate_courier.outcomes import Outcomes
from chatgate_courier.sending import content

log = logging.getLogger("chatgate.courier")

TOLD = "sender told"  # the outcome that says so


class Delays:
    """hours: after which the sender is told; 0: it is not."""

    def __init__(
        self, gateway: Gateway, outcomes: Outcomes, hours: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._gateway, self._outcomes, self._seconds, self._clock = gateway, outcomes, hours * 3600, clock

    def look(self, domain: str, rows: Sequence[Queued], reply: Reply, host: str) -> None:
        """These were put off: tell their sender, if it is time and was not done. Raises StoreError, PluginError."""
        first = rows[0]
        if not self._seconds or not first.sender or not first.trace or self._clock() - first.came < self._seconds:
            return
        if any(one["what"] == TOLD and one["domain"] == domain for one in self._outcomes.of(first.trace)):
            return
        head = content.read(self._gateway.store, first, content.HEAD)
        if head is None:
            return
        failures = [Failure.refused(row.recipient, reply, host) for row in rows]
        notice = self._gateway.intake.notice(first.sender, head, failures, DELAYED)
        if notice is None or isinstance(notice, Reply):
            return
        stored = self._gateway.store.store(notice.content, [notice.destination])
        arrived = [one for one in stored if isinstance(one, Stored)]
        self._gateway.hub.stored(envelope=notice.envelope, stored=arrived)
        addresses = [first.sender, *(row.recipient for row in rows)]
        self._outcomes.note(first.trace, domain, host, "", TOLD, len(rows), reply, addresses)
        log.info("delayed id=%s domain=%s recipients=%d notice=%s", first.trace, domain, len(rows), notice.envelope.id)
