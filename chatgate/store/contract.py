"""How a store is asked. The core has no database of its own; the plugin that answers `chatgate_open_store` brings one
(shipped: chatgate_maildb).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, Protocol

from chatgate.store.records import (
    Account,
    Changes,
    Copied,
    Delivery,
    FlagsChanged,
    Kept,
    Mailbox,
    Message,
    Status,
    Stored,
    Usage,
)


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


class Store(Protocol):
    """Every method may block its greenlet, never the hub. A method that changes something returns when the change is
    on disk, and only then posts the mailbox on the gateway's board. Any of them may raise StoreError.
    Mailbox ids of another account are the caller's mistake: look mailboxes up by account and name.
    """

    # accounts
    def account(self, address: str) -> Account | None:
        """The account of this address, in lower case; None if there is none (any more)."""
        ...

    def accounts(self, after: str = "", limit: int = 1000) -> list[Account]:
        """Ordered by address, beginning behind `after`: stable paging."""
        ...

    def create_account(
        self,
        address: str,
        secret: str,
        returning: bool = False,
        *,
        created: int | None = None,
        last_login: int = 0,
        disabled: str = "",
        quota: int | None = None,
    ) -> Account:
        """With INBOX and the special-use mailboxes. created: None for today. Raises AccountExists, also when two come
        at the same instant; AddressGone for an address with a tombstone, unless its owner is `returning`: then the
        tombstone goes. From a final deletion not even the owner returns.
        """
        ...

    # Each of these two, and `delete_account`, also posts the account (`account_key`): its sessions are ended.
    def set_secret(self, account_id: int, secret: str) -> None:
        """secret: what the plugin that checks passwords compares them with, such as a hash; never a password."""
        ...

    def set_disabled(self, account_id: int, reason: str) -> None:
        """reason: one line of ASCII that its owner is told; "" enables the account again."""
        ...

    def set_last_login(self, account_id: int, day: int) -> None:
        """Unless a later one is known: clocks go back, and the account would seem idle."""
        ...

    def set_quota(self, account_id: int, octets: int | None) -> None:
        """How much the account may keep. 0: no limit. None: what holds for everybody."""
        ...

    def delete_account(self, account_id: int, tombstone: bool = True, final: bool = False) -> None:
        """With everything it has. tombstone: keep a keyed hash of the address with the secret, so that nobody but the
        owner can have it again (see `create_account`). final: without the secret, so that nobody can.
        """
        ...

    def tombstone(self, address: str) -> str | None:
        """The secret of the removed account whose address this was, "" if its deletion was final; None if there is no
        tombstone.
        """
        ...

    def forget_tombstone(self, address: str) -> None:
        """Let anybody have the address."""
        ...

    def idle_accounts(self, before: int, limit: int = 100) -> list[Account]:
        """Accounts whose last login (never: creation) lies before this day, not disabled ones."""
        ...

    def count_accounts(self, idle_before: int | None = None) -> int:
        """How many there are; with a day, how many of them `idle_accounts` would find."""
        ...

    def crowded_accounts(self, share: float, after: int = 0, limit: int = 100) -> list[Account]:
        """Accounts that use at least this share of their quota, of octets or of messages, by ascending id, beginning
        behind the id `after`.
        """
        ...

    def usage(self, account_id: int) -> Usage:
        """What the account keeps, and how much it may."""
        ...

    # mailboxes
    def mailbox(self, account_id: int, name: str) -> Mailbox | None:
        """The mailbox of this name, "INBOX" in any case of letters; None if there is none."""
        ...

    def mailboxes(self, account_id: int) -> list[Mailbox]:
        """Ordered by name, INBOX first."""
        ...

    def status(self, mailbox_id: int) -> Status:
        """The numbers that IMAP's STATUS tells. Raises NoSuchMailbox."""
        ...

    def create_mailbox(self, account_id: int, name: str, special_use: str = "") -> Mailbox:
        """special_use: see `Mailbox`. "": the one that a new account's mailbox of this name has, if none has it now.
        Raises MailboxExists, StoreError for a bad name or when there are too many.
        """
        ...

    def rename_mailbox(self, account_id: int, old: str, new: str) -> None:
        """With its children. Renaming INBOX moves its messages to the new mailbox (RFC 3501 §6.3.5)."""
        ...

    def delete_mailbox(self, mailbox_id: int) -> None:
        """With its messages; its children stay. Raises NoSuchMailbox, StoreError for INBOX."""
        ...

    def subscriptions(self, account_id: int) -> list[str]:
        """Names, ordered; see `subscribe`."""
        ...

    def subscribe(self, account_id: int, name: str, wanted: bool) -> None:
        """Subscriptions are names and outlive the mailbox (RFC 3501 §6.3.6)."""
        ...

    def annotations(self, account_id: int, mailbox: str) -> dict[str, bytes]:
        """Private METADATA entries (RFC 5464) of a mailbox by name, or of the account for ""."""
        ...

    def annotate(self, account_id: int, mailbox: str, entries: Mapping[str, bytes | None]) -> None:
        """Set all of these or none; None removes. Raises NoSuchMailbox, and StoreError when there are too many or a
        value is too long.
        """
        ...

    # messages
    def store(self, content: bytes, deliveries: Sequence[Delivery], partial: bool = False) -> list[Stored]:
        """One transaction, one body for all. partial: leave out those without room, if there are others than the
        sender's own copy; else all or none. Raises OverQuota, NoSuchMailbox; then nothing was stored.
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

    # for the sweeper
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

    # upkeep
    def integrity(self) -> list[str]:
        """What is wrong with the stored data, a line each; empty when sound."""
        ...

    def expire(self, now: float) -> dict[str, int]:
        """Clean up what nothing refers to any more, and give free space back to the disk; counts by kind."""
        ...

    def close(self) -> None:
        """Finish what is on its way to the disk, then let go of it. Nothing may be called afterwards."""
        ...
