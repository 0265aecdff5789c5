"""What a store is asked by whoever deletes what is old. What holds for all methods is in `Store` (contract.py)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from chatgate.store.records import Kept


class Retention(Protocol):
    """Which messages are due, what was fetched, and removing many. There may be millions of messages: what goes through
    them reads in small pieces and gives turns. Messages may be removed while it goes on: none is passed over for that.
    """

    def old(self, before: int) -> Iterator[Kept]:
        """Every message with an earlier date than `before` (Unix seconds, perhaps far below 0), mailbox by mailbox in
        the order of their ids, in each by UID.
        """
        ...

    def large(self, larger: int, before: int) -> Iterator[Kept]:
        """Messages of more than `larger` octets with an earlier date than `before`, the oldest first. larger: at least
        LEAST_LARGE, so that a store can keep an index of these alone; less is the caller's mistake.
        """
        ...

    def kept(self, account_id: int) -> list[Kept]:
        """Every message of an account, in any order."""
        ...

    def remove(self, messages: Iterable[tuple[int, int]], tell: Callable[[int], object] | None = None) -> int:
        """Remove (mailbox id, uid) pairs whatever their flags; how many there were. What is not there, or named twice,
        is passed over. It is fastest with the pairs in the order of `old`.

        It takes them in small transactions, in their order, none of which lets deliveries wait for long, and calls
        `tell` with the number that went after each. What `tell` or the iterable raises ends it, and what went is gone.
        Posts the mailboxes; the UIDs are told by `changes` as those of `expunge` are.
        """
        ...

    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        """A client has read these, once a session: one more in `Kept.fetches`. Unknown ones are passed over. It returns
        at once: on disk with a later transaction, so that a crash may forget it; `old`, `large` and `kept` know it.
        Changes no modseq.
        """
        ...
