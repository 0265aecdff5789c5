"""The store's methods for messages that are on their way elsewhere.

A *row* of the queue is one recipient of one message. `Messages.store` puts it there, in the same transaction as the
copies for mailboxes here. A *worker* claims rows that are due, tries to hand them on, and reports what became of each:
settled (it was handed on, or given up) or postponed. Until then it holds the row by a lease. A worker that dies reports
nothing, and its rows are offered again when the lease is over: a row may be tried twice, and none is lost.

Workers may be several greenlets, processes or machines. The store posts `QUEUE` on the gateway's board when rows are
added.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from chatgate.reply import Reply
from chatgate.store.messages import Content
from chatgate.store.records import Destination, Queued, Settled


class Queue(Protocol):
    """Claiming, settling and postponing rows; listing and dropping them. Times are Unix seconds; `now` is the caller's
    clock. Whatever changes something is on disk when it returns.
    """

    def claim(self, limit: int, seconds: float, now: float) -> list[Queued]:
        """Take up to `limit` rows with `due <= now`, the earliest due first, rows of one message next to each other
        where they are due together. Each is the caller's until `now + seconds`, which becomes its `due`, and its
        `attempts` goes up by one. Two workers that claim at once get different rows. [] when nothing is due, and then
        nothing is written.

        A row is `expired` when `now` has reached its `expires`: it is to be settled with a notice.
        """
        ...

    def next_due(self) -> float | None:
        """When the next row is due: a time in the past when one is due now; None for an empty queue."""
        ...

    def open_queued(self, queued_id: int) -> Content | None:
        """The content of the message of this row, whoever holds it; None when the row is gone. Whoever opens it closes
        it.
        """
        ...

    def postpone(self, row: Queued, until: float, reply: Reply | None = None) -> bool:
        """Let go of a claimed row, to be offered again at `until`, or at `row.expires` if that comes first (unless
        `row.expired`: then at `until`). reply: the other server's answer to this attempt; None keeps the one that the
        row has. It is kept as `kept_reply` makes it.

        row: as `claim` returned it. Returns False, and does nothing, when the row is gone or was claimed by somebody
        else since.
        """
        ...

    def settle(self, rows: Sequence[Queued], notice: tuple[bytes, Destination] | None = None) -> Settled:
        """Remove these rows, whose outcome is known; the content is removed with the last row that refers to it, here
        and in mailboxes. This is done whoever holds the rows now: what was handed on must not be tried again.

        notice: a message for the sender and its destination, stored in the same transaction, with the null sender if it
        goes elsewhere. It is left out when its mailbox is gone or has no room, and when none of the rows was there, as
        then somebody else has settled them. The queue's limits do not apply to it.
        """
        ...

    def queue(self, after: int = 0, limit: int = 1000) -> list[Queued]:
        """All rows, held ones too, by ascending id, beginning after the id `after`: stable paging."""
        ...

    def count_queue(self) -> int:
        """How many rows there are."""
        ...

    def drop(self, ids: Collection[int]) -> list[Queued]:
        """Remove the rows with these ids without telling their senders, whoever holds them. Returns those that were
        there, by ascending id. A worker that is handing one on at that moment is not stopped.
        """
        ...
