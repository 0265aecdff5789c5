"""What a store is asked about messages that are on their way elsewhere.

A *row* of the queue is one recipient of one message. `Messages.store` puts it there, in the same transaction as the
copies for mailboxes here. A *worker* claims rows that are due, tries to hand them on, and says of each what became of
it: settled (it was handed on, or given up) or postponed. Until then it holds the row by a lease. A worker that dies
says nothing, and its rows are offered again when the lease is over: a row may be tried twice, and none is lost.

Workers may be several greenlets, processes or machines. The store posts `QUEUE` on the gateway's board when rows came.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from chatgate.reply import Reply
from chatgate.store.messages import Content
from chatgate.store.records import Destination, Queued, Settled


class Queue(Protocol):
    """Claiming, settling and postponing what goes elsewhere; listing and dropping it. Times are Unix seconds; `now` is
    the caller's clock. Whatever changes something is on disk when it returns.
    """

    def claim(self, limit: int, seconds: float, now: float) -> list[Queued]:
        """Take up to `limit` rows with `due <= now`, those due first first, rows of one message beside each other where
        they are due together. Each is the caller's until `now + seconds`, which becomes its `due`, and has been claimed
        once more: `attempts` counts it. Two who claim at once get different rows. [] when nothing is due, and then
        nothing is written.

        Rows come as `expired` when `now` has reached `expires`: they are to be settled with a notice.
        """
        ...

    def next_due(self) -> float | None:
        """When the next row is due: a time that is over when one is due now; None for an empty queue."""
        ...

    def open_queued(self, queued_id: int) -> Content | None:
        """The content of the message of this row, whoever holds it; None when the row is gone. Whoever opens it closes
        it.
        """
        ...

    def postpone(self, row: Queued, until: float, reply: Reply | None = None) -> bool:
        """Let go of a claimed row, to be offered again at `until`, or at `row.expires` if that comes first (unless
        `row.expired`: then at `until`). reply: what the attempt heard; None keeps what the row has. It is kept as
        `kept_reply` makes it.

        row: as `claim` gave it. False, and nothing is done, when the row is gone, or was claimed by somebody else
        since.
        """
        ...

    def settle(self, rows: Sequence[Queued], notice: tuple[bytes, Destination] | None = None) -> Settled:
        """The outcome of these is known, so they go; the content goes with the last that refers to it, here and in
        mailboxes. It counts whoever holds them now: what was handed on must not be tried again.

        notice: a message for the sender and where it goes, stored in the same transaction, with the null sender where
        it goes elsewhere. It is left out when its mailbox is gone or has no room, and when none of the rows was there:
        somebody else has settled them. The limits of the queue are not for it.
        """
        ...

    def queue(self, after: int = 0, limit: int = 1000) -> list[Queued]:
        """All rows, held ones too, by ascending id, beginning behind the id `after`: stable paging."""
        ...

    def count_queue(self) -> int:
        """How many rows there are."""
        ...

    def drop(self, ids: Collection[int]) -> list[Queued]:
        """Take out the rows with these ids without telling their senders, whoever holds them; those that were there,
        by ascending id. A worker that is handing one on meanwhile is not stopped.
        """
        ...
