"""The store's methods for messages that are on their way elsewhere.

A *row* of the queue is one recipient of one message. `Messages.store` puts it there, in the same transaction as the
copies for mailboxes here. A *worker* claims rows that are due, tries to hand them on, and reports what became of each:
settled (it was handed on, or given up) or postponed. Until then it holds the row by a lease. A worker that dies reports
nothing, and its rows are offered again when the lease is over: a row may be tried twice, and none is lost.

A row outlives the account that sent it: `Queued.account_id` is then the id of nobody, and is never given again.

Workers may be several greenlets, processes or machines. The store posts `QUEUE` on the gateway's board when rows are
added.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from chatgate.reply import Reply
from chatgate.store.messages import Content
from chatgate.store.records import Destination, Queued, Settled, Skip


class Queue(Protocol):
    """Claiming, settling and postponing rows; listing and dropping them. Times are Unix seconds; `now` is the caller's
    clock. Whatever changes something is on disk when it returns.
    """

    def claim(self, limit: int, seconds: float, now: float, skip: Skip | None = None) -> list[Queued]:
        """Take up to `limit` rows with `due <= now`, the earliest due first, rows of one message next to each other
        where they are due together. Each is the caller's until `now + seconds`, which becomes its `due`, and its
        `attempts` goes up by one. Two workers that claim at once get different rows. [] when nothing is due, and then
        nothing is written. skip: leave these, which stay as they are; a claim costs little for each that it passes by.

        A row is `expired` when `now` has reached its `expires`: it is to be settled with a notice.
        """
        ...

    def next_due(self, after: float | None = None) -> float | None:
        """When the next row is due: a time in the past when one is due now; None for an empty queue. after: of those
        due later than this.
        """
        ...

    def open_queued(self, queued_id: int) -> Content | None:
        """The content of the message of this row, whoever holds it; None when the row is gone. Whoever opens it closes
        it.
        """
        ...

    def postpone(self, rows: Sequence[Queued], until: float, reply: Reply | None = None) -> list[int]:
        """Let go of claimed rows, each to be offered again at `until`, or at its `expires` if that comes first (unless
        it is `expired`: then at `until`). reply: the other server's answer to this attempt; None keeps the one that the
        row has. It is kept as `kept_reply` makes it.

        rows: as `claim` returned them. Returns the ids of those that were postponed, ascending: nothing is done to
        those that are gone or were claimed by somebody else since. A row that is held by now stays held.
        """
        ...

    def delay(self, domain: str, until: float, now: float) -> int:
        """Offer all rows of this domain that are due by `now`, and that nobody has claimed, no sooner than at `until`,
        or at their `expires` if that comes first; for a domain to which nothing can be handed on until then. Rows that
        have reached their `expires` stay due. Returns how many rows that were. Nothing is written when there are none.
        """
        ...

    def hold(self, ids: Collection[int]) -> list[Queued]:
        """Hold the rows with these ids, claimed ones too: none is offered before `offer` is called for it, or before
        its `expires`, which becomes its `due`. A worker that is handing one on at that moment is not stopped. Returns
        those that are there, by ascending id.
        """
        ...

    def offer(self, ids: Collection[int], now: float) -> list[Queued]:
        """Offer the rows with these ids now, held or not. A row that somebody has claimed is offered a second time:
        whoever claims rows tells by the id that it has it already. Returns those that are there, by ascending id. Posts
        `QUEUE` when there are any.
        """
        ...

    def settle(self, rows: Sequence[Queued], notice: tuple[bytes, Destination] | None = None) -> Settled:
        """Remove these rows, whose outcome is known; the content is removed with the last row that refers to it, here
        and in mailboxes. This is done whoever holds the rows now: what was handed on must not be tried again.

        notice: a message for the sender and its destination, stored in the same transaction, with the null sender and
        the trace of the first row if it goes elsewhere. It is left out when its mailbox is gone or has no room, and
        when none of the rows was there, as then somebody else has settled them. The queue's limits do not apply to it.
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
