"""Storing messages: each body once, and all rows that refer to it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from chatgate.api import Delivery, Destination, Impossible, OverQuota, Queued, Stored
from chatgate_maildb import bodies, outgoing
from chatgate_maildb.bodies import Bodies
from chatgate_maildb.clock import Clock
from chatgate_maildb.copies import Copies, missing, normal, row
from chatgate_maildb.rows import many
from chatgate_maildb.writer import Transaction


class Storing:
    def __init__(self, bodies: Bodies, copies: Copies, clock: Clock) -> None:
        self._bodies, self._copies, self._clock = bodies, copies, clock

    def store(
        self,
        content: bytes,
        destinations: Sequence[Destination],
        partial: bool = False,
        sender: str = "",
        account_id: int | None = None,
        trace: str = "",
    ) -> list[Stored | Queued]:
        normal(destinations)
        if not destinations:
            raise Impossible("No mailbox to store in")
        body, whose = self._bodies.columns(content), outgoing.Whose(sender, account_id, trace)

        def work(tx: Transaction) -> list[Stored | Queued]:
            body_id = bodies.insert(tx, body)
            stored, full = self._copies.add(tx, body_id, len(content), destinations, whose)
            if full and not (partial and any(isinstance(one, Queued) or not one.delivery.own for one in stored)):
                raise OverQuota(full=full)
            return stored

        return self._bodies.written([body], work)

    def store_all(self, messages: Sequence[tuple[bytes, Delivery]]) -> list[Stored]:
        columns: list[bodies.Body] = []
        now = self._clock.now()

        def work(tx: Transaction) -> list[Stored]:
            stored = []
            for body, (content, delivery) in zip(columns, messages, strict=True):
                if not self._copies.has_room(tx, delivery, len(content)):
                    missing(tx, [one for _, one in messages])
                    raise OverQuota(full=[delivery])
                body_id = bodies.insert(tx, body)
                stored.append(row(tx, body_id, len(content), delivery, now))
                tx.breathe()
            return stored

        normal([delivery for _, delivery in messages])
        try:
            for content, _ in messages:
                columns.append(self._bodies.columns(content))
        except Exception:
            self._bodies.drop(columns)
            raise
        return self._bodies.written(columns, work, patient=many(columns))
