"""The store's methods for deleting old mail. `Store` (contract.py) says what holds for all methods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from chatgate.store.records import Kept, OfDomains


class Retention(Protocol):
    """Finding messages that are due, noting which were fetched, and removing many. There may be millions of messages:
    an iterator over them reads in small pieces and gives turns. Messages may be removed during the iteration; no other
    message is skipped because of that.
    """

    def old(self, before: int, only: OfDomains | None = None) -> Iterator[Kept]:
        """Every message with an earlier date than `before` (Unix seconds, perhaps far below 0), by mailbox id and,
        within a mailbox, by UID. only: accounts whose messages count; None: all.
        """
        ...

    def large(self, larger: int, before: int, only: OfDomains | None = None) -> Iterator[Kept]:
        """Messages of more than `larger` octets with an earlier date than `before`, the oldest first. larger: at least
        LEAST_LARGE, so that a store can keep an index of only these; less is the caller's mistake. only: as for
        `old`.
        """
        ...

    def kept(self, account_id: int) -> list[Kept]:
        """Every message of an account, in any order."""
        ...

    def remove(self, messages: Iterable[tuple[int, int]], tell: Callable[[int], object] | None = None) -> int:
        """Remove the messages with these (mailbox id, uid) pairs, whatever their flags; returns how many were removed.
        A message that does not exist, or is named twice, is skipped. It is fastest with the pairs in the order of
        `old`.

        It takes them in order, in transactions small enough that deliveries never wait for long, and after each calls
        `tell` with the number removed by it. An exception from `tell` or the iterable ends it; what was removed by then
        stays removed. Posts the mailboxes; `changes` reports the UIDs as it does those of `expunge`.
        """
        ...

    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        """A client has read these messages; called once per session and message, it adds one to `Kept.fetches`. Unknown
        UIDs are skipped. It returns at once: the count is on disk with a later transaction, so that a crash may lose
        it, but `old`, `large` and `kept` include it right away. Changes no modseq.
        """
        ...
