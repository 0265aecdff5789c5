"""The store's methods for messages. `Store` (contract.py) says what holds for all methods."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal, Protocol

from chatgate.store.records import Changes, Copied, Delivery, Destination, FlagsChanged, Former, Message, Queued, Stored


class Content(Protocol):
    """The content of one message, opened for reading: it can be read to its end whatever happens to the message
    meanwhile. Whoever opened it closes it.

    size: in octets.
    """

    size: int

    def read(self, start: int, length: int) -> bytes:
        """`length` octets from `start` on, fewer only at the end of the content. Raises StoreUnavailable."""
        ...

    def close(self) -> None:
        """May be called twice."""
        ...


class Messages(Protocol):
    """Storing, reading, flagging, copying and expunging; what changed since a modseq.

    Each mailbox has a modseq (RFC 7162), which every change in it raises, and each message has the modseq of its last
    change; several messages changed in one transaction may share one. A new mailbox has the modseq 1. UIDs are assigned
    in the order in which messages arrive, and none is used twice, whatever is removed. Whoever sees a modseq sees all
    changes up to it: where transactions run side by side, the store makes sure that none with a smaller modseq commits
    later.
    """

    def store(
        self,
        content: bytes,
        destinations: Sequence[Destination],
        partial: bool = False,
        sender: str = "",
        account_id: int | None = None,
        trace: str = "",
    ) -> list[Stored | Queued]:
        """Put one message into mailboxes and the queue: one transaction, one body for all. When it returns, all of it
        is on disk and survives a power cut; rows of the queue are due at once.

        content: any octets, or none; kept as it is. destinations: at least one; no mailbox and no address elsewhere
        twice. Flags are brought into their usual form by `normal_flags`. partial: leave out the mailboxes without room,
        if some other destination than the sender's own copy takes the message; otherwise all or none. sender,
        account_id, trace: for copies that go elsewhere, see `Queued`; kept as they are given. The trace is the id of
        the envelope, by which the message is found in the log. Queued copies do not count
        towards what an account keeps (`usage`).

        A mailbox has room if, with the message, its account keeps no more octets and messages than it may.
        `Delivery.beyond` allows that many octets, and one message, more than that.

        Returns what was stored, in the order of the destinations: a Stored for a Delivery, a Queued for an Outgoing.
        Raises NoSuchMailbox (with `gone`) or, if all mailboxes exist, OverQuota (with `full`); QueueFull; Impossible
        without destinations or for something that is not a flag; LimitReached for too many flags. When it raises,
        nothing was stored. Posts the mailboxes, and `QUEUE`.
        """
        ...

    def store_all(self, messages: Sequence[tuple[bytes, Delivery]]) -> list[Stored]:
        """Several messages, each for one mailbox, in one transaction: all or none. Returns them in their order. Raises
        OverQuota, NoSuchMailbox. Posts the mailboxes.
        """
        ...

    def restore_messages(
        self, mailbox_id: int, uidvalidity: int, uidnext: int, messages: Sequence[Former]
    ) -> list[int]:
        """Bring messages of another store into a mailbox, with the UIDs they had there: one transaction. The mailbox
        gets this UIDVALIDITY, and a UIDNEXT that is at least this one, even if there are no messages. For a move from
        another server, called while nobody has the mailbox open: a few dozen messages or some megabytes at a time, so
        that nothing is lost or doubled when a move that was cut off begins again.

        messages: by ascending UID, all below `uidnext`. One whose UID the mailbox has already is left out. The quota
        does not count, as the mail is the account's already. All that are stored share a modseq. Returns their UIDs,
        ascending. Raises Impossible for numbers that are not right (`well_numbered`), among them another UIDVALIDITY
        than that of a mailbox that has given out UIDs; Impossible or LimitReached for flags; NoSuchMailbox. Posts the
        mailbox, if something was stored.

        A mailbox that is made later gets a UIDVALIDITY above this one (`create_mailbox`) if it is below 2**31, as those
        that begin with the time of day are; above that a store need only give another one.
        """
        ...

    def changes(self, mailbox_id: int, since: int = 0) -> Changes:
        """What happened since this modseq, which an earlier answer gave. 0 or less: `messages` is the whole mailbox,
        and `expunged` is None. The mailbox's own modseq or a higher one: nothing happened, `messages` and `expunged`
        are empty; this is asked after each command and must be fast. Otherwise `messages` are those with a higher
        modseq by ascending UID, and `expunged` the UIDs removed since, ascending, perhaps with some that came and went
        in between; None where they are not known any more (a store may forget them, see `Upkeep.expire`), and then
        `messages` is the whole mailbox.

        The modseq and uidnext of the answer are read first, and no message in it has a UID of `uidnext` or above. A
        change that happens while `messages` is iterated may or may not show in it; asking again since the answer's
        modseq does show it. Raises NoSuchMailbox.
        """
        ...

    def pages(self, mailbox_id: int, uidnext: int) -> Iterator[Sequence[Message]]:
        """All messages below this UID, by ascending UID, in pieces of a few hundred, each read when it is asked for.
        Changes that happen meanwhile may or may not show; `changes` since a modseq that was read before tells them. A
        mailbox that does not exist has none.
        """
        ...

    def content(self, mailbox_id: int, uid: int) -> bytes | None:
        """The whole message, octet for octet as it came; None when it is gone. Raises StoreUnavailable if it is
        damaged.
        """
        ...

    def open(self, mailbox_id: int, uid: int) -> Content | None:
        """The content, to be read in pieces so that a large one does not fill the memory; None when it is gone."""
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
        """Unknown UIDs are skipped; a message that already has exactly the wanted flags keeps its modseq, and if no
        message changes the mailbox keeps its own. unchanged_since: leave alone messages with a higher modseq, and
        return which.

        flags: brought into their usual form by `normal_flags`. Many UIDs, from about a hundred on, may be flagged in
        several transactions by ascending UID, each with a modseq of its own: `modseqs` has all of those. When one of
        them raises, what the earlier ones changed stays changed, and is posted. The UIDs may be given in any
        order. Raises Impossible, LimitReached (`few_flags` of what a message would have), NoSuchMailbox. Posts the
        mailbox, if something changed.
        """
        ...

    def expunge(self, mailbox_id: int, uids: Collection[int] | None = None, only_deleted: bool = True) -> list[int]:
        """Remove the messages (None: all there are) that carry \\Deleted or, with only_deleted=False, all of them;
        unknown UIDs are skipped. Many may be removed in several transactions, as with `set_flags`. Returns the removed
        UIDs, ascending; none for a mailbox that does not exist. Posts the mailbox, if any were removed.
        """
        ...

    def copy(self, mailbox_id: int, uids: Collection[int], target_id: int, move: bool = False) -> Copied:
        """Copy all of these messages or, when one is gone, none; then `Copied.uids` is empty and nothing is changed. By
        ascending UID they become messages of the target, which may be the same mailbox, with new UIDs; content, flags,
        date and the count of fetches go along. All copies have the same modseq.

        move: the originals are removed in the same transaction (RFC 6851), and there is always room. Both mailboxes
        belong to one account. Raises NoSuchMailbox for the target, OverQuota. Posts the target; for a move, both.
        """
        ...
