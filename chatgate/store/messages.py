"""What a store is asked about messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal, Protocol

from chatgate.store.records import Changes, Copied, Delivery, Destination, FlagsChanged, Message, Queued, Stored


class Content(Protocol):
    """The octets of one message, opened: they can be read to their end whatever happens to the message meanwhile.

    size: how many there are.
    """

    size: int

    def read(self, start: int, length: int) -> bytes:
        """`length` octets from `start` on, less only at the end of the content."""
        ...

    def close(self) -> None:
        """May be called twice."""
        ...


class Messages(Protocol):
    """Storing, reading, flagging, copying and expunging; what changed since a modseq."""

    def store(
        self,
        content: bytes,
        destinations: Sequence[Destination],
        partial: bool = False,
        sender: str = "",
        account_id: int | None = None,
    ) -> list[Stored | Queued]:
        """Put one message into mailboxes and the queue: one transaction, one body for all. When it returns, all of it
        is on disk and survives a power cut; rows of the queue are due at once.

        destinations: at least one; no mailbox and no address elsewhere twice. partial: leave out the mailboxes without
        room, if there is a destination that takes it besides the sender's own copy; else all or none. sender,
        account_id: see `Queued`, for what goes elsewhere; kept as they are given. What goes elsewhere is no part of
        what an account keeps (`usage`).

        Returns what was stored, in the order of the destinations: a Stored for a Delivery, a Queued for an Outgoing.
        Raises OverQuota (with `full`), QueueFull, NoSuchMailbox, StoreError without destinations; then nothing was
        stored.
        """
        ...

    def store_all(self, messages: Sequence[tuple[bytes, Delivery]]) -> list[Stored]:
        """Several messages, each for one mailbox, in one transaction: all or none. Raises OverQuota, NoSuchMailbox."""
        ...

    def changes(self, mailbox_id: int, since: int = 0) -> Changes:
        """Raises NoSuchMailbox."""
        ...

    def pages(self, mailbox_id: int, uidnext: int) -> Iterator[Sequence[Message]]:
        """All messages below this UID, by ascending uid, in pieces that are read when they are asked for. What happens
        meanwhile may be among them or not: `changes` tells it, asked since a modseq that was read before.
        """
        ...

    def content(self, mailbox_id: int, uid: int) -> bytes | None:
        """The whole message; None when it is gone."""
        ...

    def open(self, mailbox_id: int, uid: int) -> Content | None:
        """The content in pieces, so that a large one needs no memory. Whoever opens it closes it."""
        ...

    def header(self, mailbox_id: int, uid: int) -> bytes | None:
        """The header with its closing empty line, without reading the body of a large message."""
        ...

    def set_flags(
        self,
        mailbox_id: int,
        uids: Collection[int],
        how: Literal["add", "remove", "replace"],
        flags: Iterable[str],
        unchanged_since: int | None = None,
    ) -> FlagsChanged:
        """Unknown UIDs are passed over; a message that already has exactly the wanted flags keeps its modseq. Many are
        flagged in several transactions.
        """
        ...

    def expunge(self, mailbox_id: int, uids: Collection[int] | None = None, only_deleted: bool = True) -> list[int]:
        """Remove messages (None: all) that carry \\Deleted, or with only_deleted=False whatever they carry. Many go in
        several transactions. Returns the UIDs that went, ascending.
        """
        ...

    def copy(self, mailbox_id: int, uids: Collection[int], target_id: int, move: bool = False) -> Copied:
        """All of them or, when one is gone, none; then `Copied.uids` is empty. Flags and dates go along; with move the
        originals are gone in the same transaction (RFC 6851). Raises NoSuchMailbox, OverQuota.
        """
        ...
