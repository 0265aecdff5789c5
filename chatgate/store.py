"""What a store keeps and how it is asked: records and the `Store` interface. The core has no database of its own;
the plugin that answers `chatgate_open_store` brings one (shipped: chatgate_maildb).

Words: an *account* has *mailboxes* (INBOX and folders); a mailbox has *messages*, each with a UID that is never used
again and a modseq (RFC 7162) that grows with every change. Removed messages leave their UID and a modseq behind, so
that any session in any process can ask "what changed since?" and be told the whole story.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """id: the store's key. secret: how the authenticating plugin recognises the owner, opaque to the store.
    last_login, created: days since 1970-01-01 (rounded down on purpose: less to know about people), 0 for never.
    disabled: what its owner is told when login and mail are refused; "" for an account in use.
    quota: octets it may keep; None for the store's default, 0 for no limit.
    """

    id: int
    address: str
    secret: str = field(default="", repr=False)
    last_login: int = 0
    created: int = 0
    disabled: str = ""
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """uidvalidity never changes in the life of the mailbox; uidnext and modseq only grow (RFC 3501 §2.3.1.1).
    name: as a person reads it, "/" between levels; INBOX always in capitals. special_use: "\\Sent" … or "".
    """

    id: int
    account_id: int
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int
    special_use: str = ""


class Message(NamedTuple):
    """One message of a mailbox, without its content. size: octets. date: INTERNALDATE, Unix seconds UTC."""

    uid: int
    modseq: int
    flags: frozenset[str]
    size: int
    date: int


class Changes(NamedTuple):
    """What happened in a mailbox since a modseq. messages: new and changed ones by ascending uid.
    expunged: UIDs gone since then. Asked since 0: the whole mailbox, and no expunged.
    """

    modseq: int
    uidnext: int
    messages: Sequence[Message]
    expunged: Sequence[int]


class Status(NamedTuple):
    """The numbers of IMAP STATUS (RFC 3501 §6.3.10). The store keeps no \\Recent: sessions share that in memory."""

    messages: int
    unseen: int
    uidnext: int
    uidvalidity: int
    modseq: int
    size: int


class Usage(NamedTuple):
    """limit: octets the account may keep; 0 for no limit."""

    octets: int
    messages: int
    limit: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where one copy of a message goes. The answer to `chatgate_route` names the destination.

    mailbox_id: the mailbox that gets a row. For APPEND: with flags and date (None: now).
    """

    recipient: str
    mailbox_id: int
    account_id: int
    flags: frozenset[str] = frozenset()
    date: int | None = None


class Stored(NamedTuple):
    """One delivery that is on disk."""

    delivery: Delivery
    uid: int
    uidvalidity: int
    modseq: int


class FlagsChanged(NamedTuple):
    """modseq: the mailbox's after the change. changed: UIDs given a new modseq by it.
    refused: UIDs left alone as they were changed after `unchanged_since`.
    """

    modseq: int
    changed: Sequence[int]
    refused: Sequence[int]


class Copied(NamedTuple):
    """For COPYUID (RFC 4315 §3): uids[i] of the source became copies[i] in the target, both ascending."""

    uidvalidity: int
    uids: Sequence[int]
    copies: Sequence[int]


class Kept(NamedTuple):
    """One message as the sweeper sees it. fetches: how many IMAP sessions have read its content; at least 1 when it is
    \\Seen. Devices are not known by name, but Delta Chat reads each message once on each.
    """

    mailbox_id: int
    uid: int
    size: int
    date: int
    fetches: int


class StoreError(Exception):
    """A request the store cannot fulfil; str() is fit for a client."""


class AccountExists(StoreError):
    """The address is taken."""


class AddressGone(AccountExists):
    """The address belonged to a removed account and is not given away again, see `Store.delete_account`."""


class MailboxExists(StoreError):
    """The mailbox name is taken."""


class NoSuchMailbox(StoreError):
    """The mailbox is not there, or not any more."""


class OverQuota(StoreError):
    """The account has no room for this."""


class Store(Protocol):
    """Every method may block its greenlet, never the hub. A method that changes something returns when the change is
    on disk, and only then posts the mailbox on the gateway's board. Any of them may raise StoreError.
    Mailbox ids of another account are the caller's mistake: look mailboxes up by account and name.
    """

    # accounts
    def account(self, address: str) -> Account | None: ...
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

    def set_secret(self, account_id: int, secret: str) -> None: ...
    def set_last_login(self, account_id: int, day: int) -> None: ...
    def set_disabled(self, account_id: int, reason: str) -> None: ...
    def set_quota(self, account_id: int, octets: int | None) -> None: ...
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

    def crowded_accounts(self, share: float, after: int = 0, limit: int = 100) -> list[Account]:
        """Accounts that use at least this share of their quota, by ascending id, beginning behind the id `after`."""
        ...

    def usage(self, account_id: int) -> Usage: ...

    # mailboxes
    def mailbox(self, account_id: int, name: str) -> Mailbox | None: ...
    def mailboxes(self, account_id: int) -> list[Mailbox]:
        """Ordered by name, INBOX first."""
        ...

    def status(self, mailbox_id: int) -> Status: ...
    def create_mailbox(self, account_id: int, name: str) -> Mailbox: ...
    def rename_mailbox(self, account_id: int, old: str, new: str) -> None:
        """With its children. Renaming INBOX moves its messages to the new mailbox (RFC 3501 §6.3.5)."""
        ...

    def delete_mailbox(self, mailbox_id: int) -> None: ...
    def subscriptions(self, account_id: int) -> list[str]: ...
    def subscribe(self, account_id: int, name: str, wanted: bool) -> None:
        """Subscriptions are names and outlive the mailbox (RFC 3501 §6.3.6)."""
        ...

    def annotations(self, account_id: int, mailbox: str) -> dict[str, bytes]:
        """Private METADATA entries (RFC 5464) of a mailbox by name, or of the account for ""."""
        ...

    def annotate(self, account_id: int, mailbox: str, entry: str, value: bytes | None) -> None:
        """None removes. Raises StoreError when there are too many or the value is too long."""
        ...

    # messages
    def store(self, content: bytes, deliveries: Sequence[Delivery]) -> list[Stored]:
        """One transaction, one body for all. Raises OverQuota, NoSuchMailbox; then nothing was stored."""
        ...

    def changes(self, mailbox_id: int, since: int = 0) -> Changes:
        """Raises NoSuchMailbox."""
        ...

    def content(self, mailbox_id: int, uid: int) -> bytes | None: ...
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
        """Unknown UIDs are passed over; a message that already has exactly the wanted flags keeps its modseq."""
        ...

    def expunge(self, mailbox_id: int, uids: Collection[int] | None = None, only_deleted: bool = True) -> list[int]:
        """Remove messages (None: all) that carry \\Deleted, or with only_deleted=False whatever they carry.
        Returns the UIDs that went.
        """
        ...

    def copy(self, mailbox_id: int, uids: Collection[int], target_id: int, move: bool = False) -> Copied:
        """Flags and dates go along; with move the originals are gone in the same transaction (RFC 6851)."""
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

    def close(self) -> None: ...
