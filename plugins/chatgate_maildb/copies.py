"""Parts of transactions that store a message: all rows that refer to its body."""

from __future__ import annotations

import time
from collections.abc import Sequence

from chatgate.api import Delivery, Destination, NoSuchMailbox, Outgoing, Queued, QueueFull, Stored, normal_flags
from chatgate_maildb import outgoing, rows
from chatgate_maildb.clock import DAY, Clock
from chatgate_maildb.flags import SEEN, text
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.rows import Quota
from chatgate_maildb.writer import Transaction


class Copies:
    """options: for the limits of the queue."""

    def __init__(self, clock: Clock, quota: Quota, options: MailDbOptions) -> None:
        self._clock, self._quota, self._options = clock, quota, options
        self.options_changed()

    def options_changed(self) -> None:
        options = self._options
        self._seconds = options.queue_days * DAY
        self._room = outgoing.Room(
            options.queue_rows, options.queue_bytes, options.queue_rows_per_account, options.queue_bytes_per_account
        )

    def add(
        self,
        tx: Transaction,
        body_id: int,
        size: int,
        destinations: Sequence[Destination],
        whose: outgoing.Whose,
        limited: bool = True,
    ) -> tuple[list[Stored | Queued], list[Delivery]]:
        """Add all rows that refer to a new body: (what was stored, in order; the deliveries without room). limited: do
        the limits of the queue apply? Raises NoSuchMailbox, QueueFull.
        """
        now = time.time()
        times: outgoing.Times | None = None
        stored: list[Stored | Queued] = []
        full, gone = list[Delivery](), False
        for goes in destinations:
            if isinstance(goes, Outgoing):
                if times is None:  # the first one
                    elsewhere = sum(isinstance(each, Outgoing) for each in destinations)
                    try:
                        outgoing.admit(tx, elsewhere, size, whose.account_id, self._room if limited else None)
                    except QueueFull:
                        missing(tx, destinations)
                        raise
                    times = outgoing.Times(now, now + self._seconds)
                stored.append(outgoing.put(tx, body_id, size, goes, whose, times))
            elif not self.has_room(tx, goes, size):
                full.append(goes)
            else:
                try:
                    stored.append(row(tx, body_id, size, goes, self._clock.now()))
                except NoSuchMailbox:
                    gone = True
        if gone or full:
            missing(tx, destinations)
        rows.share(tx, body_id, len(stored))
        return stored, full

    def takes(self, tx: Transaction, size: int, goes: Destination) -> bool:
        """Is the destination elsewhere, or a mailbox that exists and has room?"""
        if isinstance(goes, Outgoing):
            return True
        return _there(tx, goes) and self.has_room(tx, goes, size)

    def has_room(self, tx: Transaction, delivery: Delivery, size: int) -> bool:
        """Is there room? A delivery that may exceed the quota by some octets may also exceed it by one message."""
        messages = 0 if delivery.beyond else 1
        return rows.has_room(tx, delivery.account_id, messages, size - delivery.beyond, self._quota)


def normal(destinations: Sequence[Destination]) -> None:
    """Raises Impossible or LimitReached for flags that no message can have."""
    for goes in destinations:
        if isinstance(goes, Delivery) and goes.flags:
            normal_flags(goes.flags)


def missing(tx: Transaction, destinations: Sequence[Destination]) -> None:
    """Raises NoSuchMailbox if one of the mailboxes does not exist: that is told before the lack of room."""
    if gone := [one for one in destinations if isinstance(one, Delivery) and not _there(tx, one)]:
        raise NoSuchMailbox(gone=gone)


def _there(tx: Transaction, delivery: Delivery) -> bool:
    sql = "SELECT 1 FROM mailbox WHERE id=? AND account_id IS NOT NULL"
    return bool(tx.execute(sql, (delivery.mailbox_id,)).fetchall())


def row(tx: Transaction, body_id: int, size: int, delivery: Delivery, now: int) -> Stored:
    """Put a message with this body into a mailbox that has room. now: the date, if the delivery has none."""
    flags, box = normal_flags(delivery.flags), delivery.mailbox_id
    uid, modseq, uidvalidity = rows.grow(tx, box, 1, SEEN not in flags, size, None)
    date = now if delivery.date is None else delivery.date
    tx.execute(rows.INSERT, (box, uid, body_id, modseq, text(flags), size, date))
    return Stored(delivery, uid, uidvalidity, modseq)
