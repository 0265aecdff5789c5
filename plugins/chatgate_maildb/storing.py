"""Storing: one body, and all rows that refer to it, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from chatgate.api import (
    Delivery,
    Destination,
    Impossible,
    NoSuchMailbox,
    Outgoing,
    OverQuota,
    Queued,
    Stored,
    StoreUnavailable,
    header_size,
    normal_flags,
)
from chatgate_maildb import outgoing, rows
from chatgate_maildb.flags import SEEN, text
from chatgate_maildb.part import Part
from chatgate_maildb.rows import many
from chatgate_maildb.writer import Transaction

T = TypeVar("T")

# size, header_size, file, data
Body = tuple[int, int, str | None, bytes | None]
BODY_ROW = "INSERT INTO body (size, header_size, file, data) VALUES (?, ?, ?, ?)"

_DAY = 86400.0


def _row(tx: Transaction, body_id: int, size: int, delivery: Delivery, now: int) -> Stored:
    """Put a message with this body into a mailbox that has room. now: the date, if the delivery has none."""
    flags, box = normal_flags(delivery.flags), delivery.mailbox_id
    uid, modseq, uidvalidity = rows.grow(tx, box, 1, SEEN not in flags, size, None)
    date = now if delivery.date is None else delivery.date
    tx.execute(rows.INSERT, (box, uid, body_id, modseq, text(flags), size, date))
    return Stored(delivery, uid, uidvalidity, modseq)


class Storing(Part):
    def store(
        self,
        content: bytes,
        destinations: Sequence[Destination],
        partial: bool = False,
        sender: str = "",
        account_id: int | None = None,
        trace: str = "",
    ) -> list[Stored | Queued]:
        body, whose = self._body(content), outgoing.Whose(sender, account_id, trace)

        def work(tx: Transaction) -> list[Stored | Queued]:
            body_id = tx.execute(BODY_ROW, body).lastrowid
            stored, full = self._copies(tx, body_id, len(content), destinations, whose)
            if full and not (partial and any(isinstance(one, Queued) or not one.delivery.own for one in stored)):
                raise OverQuota(full=full)
            if not stored:
                raise Impossible("No mailbox to store in")
            return stored

        return self._written([body], work)

    def _copies(
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
        full, gone = [], []
        for goes in destinations:
            if isinstance(goes, Outgoing):
                if times is None:  # the first one
                    elsewhere = sum(isinstance(each, Outgoing) for each in destinations)
                    outgoing.admit(tx, elsewhere, size, whose.account_id, self._room if limited else None)
                    times = outgoing.Times(now, now + self.options.queue_days * _DAY)
                stored.append(outgoing.put(tx, body_id, size, goes, whose, times))
            elif not self._has_room(tx, goes, size):
                full.append(goes)
            else:
                try:
                    stored.append(_row(tx, body_id, size, goes, self.now()))
                except NoSuchMailbox:
                    gone.append(goes)
        if gone:
            raise NoSuchMailbox(gone=gone)
        rows.share(tx, body_id, len(stored))
        return stored, full

    @property
    def _room(self) -> outgoing.Room:
        options = self.options
        return outgoing.Room(
            options.queue_rows, options.queue_bytes, options.queue_rows_per_account, options.queue_bytes_per_account
        )

    def _takes(self, tx: Transaction, size: int, goes: Destination) -> bool:
        """Is the destination elsewhere, or a mailbox that exists and has room?"""
        if isinstance(goes, Outgoing):
            return True
        there = tx.execute("SELECT 1 FROM mailbox WHERE id=? AND account_id IS NOT NULL", (goes.mailbox_id,)).fetchall()
        return bool(there) and self._has_room(tx, goes, size)

    def store_all(self, messages: Sequence[tuple[bytes, Delivery]]) -> list[Stored]:
        bodies: list[Body] = []
        now = self.now()

        def work(tx: Transaction) -> list[Stored]:
            stored = []
            for body, (content, delivery) in zip(bodies, messages, strict=True):
                if not self._has_room(tx, delivery, len(content)):
                    raise OverQuota(full=[delivery])
                body_id = tx.execute(BODY_ROW, body).lastrowid
                stored.append(_row(tx, body_id, len(content), delivery, now))
                tx.breathe()
            return stored

        try:
            for content, _ in messages:
                bodies.append(self._body(content))
        except Exception:
            self._drop(bodies)
            raise
        return self._written(bodies, work, patient=many(bodies))

    def _has_room(self, tx: Transaction, delivery: Delivery, size: int) -> bool:
        """Is there room? A delivery that may exceed the quota by some octets may also exceed it by one message."""
        messages = 0 if delivery.beyond else 1
        return rows.has_room(tx, delivery.account_id, messages, size - delivery.beyond, self.quota)

    def _body(self, content: bytes) -> Body:
        """The columns of a body: size, size of the header, file, data. Writes the file of a large one."""
        size = len(content)
        file = self.blobs.write(content) if size > self.options.blob_bytes else None
        return size, header_size(content), file, content if file is None else None

    def _drop(self, bodies: Sequence[Body]) -> None:
        files = _files(bodies)
        self.blobs.settled(files)
        self.blobs.remove(files)

    def _written(
        self, bodies: Sequence[Body], work: Callable[[Transaction], T], patient: bool = False, grows: bool = True
    ) -> T:
        """Run the work, which refers to these bodies, in a transaction, and return its result."""
        try:
            return self.writer.run(work, patient=patient, grows=grows)
        except StoreUnavailable:
            raise  # the commit may be on disk after all, so the files must stay; if it is not, the sweep removes them
        except Exception:
            self._drop(bodies)
            raise
        finally:
            self.blobs.settled(_files(bodies))


def _files(bodies: Sequence[Body]) -> list[str]:
    return [file for _, _, file, _ in bodies if file is not None]
