"""What a store is asked about messages. What holds for all methods is in `Store` (contract.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal, Protocol

from chatgate.store.records import Changes, Copied, Delivery, Destination, FlagsChanged, Message, Queued, Stored


class Content(Protocol):
    """The octets of one message, opened: they can be read to their end whatever happens to the message meanwhile.
    Whoever opened it closes it.

    size: how many there are.
    """

    size: int

    def read(self, start: int, length: int) -> bytes:
        """`length` octets from `start` on, less only at the end of the content. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """May be called twice."""
        ...


class Messages(Protocol):
    """Storing, reading, flagging, copying and expunging; what changed since a modseq.

    Each mailbox has a modseq (RFC 7162), which every change in it makes higher, and each message has that of its last
    change; several messages may get the same one in one transaction. A new mailbox has the modseq 1. UIDs are given in
    the order in which messages come, and none is given twice, whatever is removed. Who sees a modseq sees all changes
    up to it: where transactions run beside each other, the store sees to it that no smaller one is finished later.
    """

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

        content: any octets, none at all among them; it is kept as it is. destinations: at least one; no mailbox and no
        address elsewhere twice. Flags are brought into their usual form by `normal_flags`. partial: leave out the
        mailboxes without room, if there is a destination that takes it besides the sender's own copy; else all or none.
        sender, account_id: see `Queued`, for what goes elsewhere; kept as they are given. What goes elsewhere is no
        part of what an account keeps (`usage`).

        A mailbox has room if its account then keeps no more octets and messages than it may; with `Delivery.beyond`, if
        it keeps no more than so many octets more, and at most as many messages as it may and one.

        Returns what was stored, in the order of the destinations: a Stored for a Delivery, a Queued for an Outgoing.
        Raises NoSuchMailbox (with `gone`), else OverQuota (with `full`); QueueFull, Impossible without destinations or
        for what is no flag, LimitReached for too many; then nothing was stored. Posts the mailboxes, and `QUEUE`.
        """
        ...

    def store_all(self, messages: Sequence[tuple[bytes, Delivery]]) -> list[Stored]:
        """Several messages, each for one mailbox, in one transaction: all or none. Returns them in their order. Raises
        OverQuota, NoSuchMailbox. Posts the mailboxes.
        """
        ...

    def changes(self, mailbox_id: int, since: int = 0) -> Changes:
        """What happened since this modseq, of an earlier answer. 0 or less: the mailbox is told as a whole, and
        `expunged` is None. The mailbox's own modseq or a higher one: nothing happened, `messages` and `expunged` are
        empty; asked so after each command, and fast. Else `messages` are those with a higher modseq by ascending UID,
        and `expunged` the UIDs that went since, ascending, perhaps also some that came and went meanwhile; None where
        it is not known any more (a store may forget, see `Upkeep.expire`): then `messages` is the whole mailbox.

        The modseq and uidnext of the answer are read first, and no message has a UID of `uidnext` or above. What
        changes while `messages` is gone through may be among it or not: it is told when asked again since the modseq of
        the answer. Raises NoSuchMailbox.
        """
        ...

    def pages(self, mailbox_id: int, uidnext: int) -> Iterator[Sequence[Message]]:
        """All messages below this UID, by ascending UID, in pieces of some hundreds that are read when they are asked
        for. What happens meanwhile may be among them or not: `changes` tells it, asked since a modseq that was read
        before. A mailbox that is not there has none.
        """
        ...

    def content(self, mailbox_id: int, uid: int) -> bytes | None:
        """The whole message, octet for octet as it came; None when it is gone. Raises StoreUnavailable where it is
        damaged.
        """
        ...

    def open(self, mailbox_id: int, uid: int) -> Content | None:
        """The content in pieces, so that a large one needs no memory; None when it is gone."""
        ...

    def header(self, mailbox_id: int, uid: int) -> bytes | None:
        """As many octets of the content as `header_size` counts, without reading the body of a large message; None when
        it is gone.
        """
        ...

    def set_flags(
        self,
        mailbox_id: int,
        uids: Collection[int],
        how: Literal["add", "remove", "replace"],
        flags: Iterable[str],
        unchanged_since: int | None = None,
    ) -> FlagsChanged:
        """Unknown UIDs are passed over; a message that already has exactly the wanted flags keeps its modseq, and where
        none changes the mailbox keeps its own. unchanged_since: leave alone those with a higher modseq, and say which.

        flags: brought into their usual form by `normal_flags`. Many UIDs, from about a hundred on, may be flagged in
        several transactions, each with a modseq of its own: `modseqs` has all of them. They may come in any order.
        Raises Impossible, LimitReached (`few_flags` of what a message would have), NoSuchMailbox. Posts the mailbox,
        if something changed.
        """
        ...

    def expunge(self, mailbox_id: int, uids: Collection[int] | None = None, only_deleted: bool = True) -> list[int]:
        """Remove messages (None: all there are) that carry \\Deleted, or with only_deleted=False whatever they carry;
        unknown UIDs are passed over. Many may go in several transactions. Returns the UIDs that went, ascending. A
        mailbox that is not there has none. Posts the mailbox, if some went.
        """
        ...

    def copy(self, mailbox_id: int, uids: Collection[int], target_id: int, move: bool = False) -> Copied:
        """All of them or, when one is gone, none; then `Copied.uids` is empty and nothing is changed. By ascending UID
        they become messages of the target, maybe the same mailbox, with new UIDs; content, flags, date and what was
        noted of their fetching go along. The copies have one modseq.

        move: the originals are gone in the same transaction (RFC 6851), and there is always room. Both mailboxes are of
        one account. Raises NoSuchMailbox for the target, OverQuota. Posts the target, and of a move both.
        """
        ...
