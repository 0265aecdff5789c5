"""What a store is asked by whoever deletes what is old."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from chatgate.store.records import Kept


class Retention(Protocol):
    """Which messages are due, what was fetched, and removing many."""

    def old(self, before: int) -> Iterator[Kept]:
        """Every message older than `before` (Unix seconds), mailbox by mailbox. Read in small pieces, here and in
        `large`: other greenlets get their turns.
        """
        ...

    def large(self, larger: int, before: int) -> Iterator[Kept]:
        """Messages of more than `larger` octets, at least 65536, older than `before`; the oldest first."""
        ...

    def kept(self, account_id: int) -> list[Kept]:
        """Every message of an account."""
        ...

    def remove(self, messages: Iterable[tuple[int, int]], tell: Callable[[int], object] | None = None) -> int:
        """Remove (mailbox id, uid) pairs whatever their flags; how many there were. Sessions that have the mailboxes
        open are told as they are of an expunge. There may be millions: it takes them in small transactions, none of
        which lets deliveries wait for long, and calls `tell` with the number that went after each.
        """
        ...

    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        """A client has read these; told once a session. Returns at once; on disk with the next transaction, a crash
        may forget it.
        """
        ...
