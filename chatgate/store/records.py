"""The records of a store, and its errors.

Terms: an *account* has *mailboxes* (INBOX and folders); a mailbox has *messages*, each with a UID that is never used
again and a modseq (RFC 7162) that grows with every change. Removed messages leave their UID and a modseq behind, so
that any session in any process can ask "what changed since?" and hear everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chatgate.reply import Reply


@dataclass(frozen=True, slots=True)
class Account:
    """id: the store's key. secret: by what the authenticating plugin recognises the owner, opaque to the store.
    last_login, created: days since 1970-01-01 (in days on purpose: less to know about people), 0 for never. disabled:
    the text its owner is told when login and mail are refused; "" for an account in use. quota: octets it may keep;
    None for the store's default, 0 for no limit.
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
    name: as a person reads it, "/" between levels; INBOX always in capitals. special_use: RFC 6154 attributes
    such as "\\Sent", with blanks between, or "".
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
    """What happened in a mailbox since a modseq. messages: new and changed ones by ascending uid, to be iterated once:
    a long list is read from the store as it is iterated. expunged: UIDs removed since then; None where they are not
    known any more, and when asked since 0: then `messages` is the whole mailbox.
    """

    modseq: int
    uidnext: int
    messages: Iterable[Message]
    expunged: Sequence[int] | None


class Status(NamedTuple):
    """The numbers of IMAP STATUS (RFC 3501 §6.3.10). The store keeps no \\Recent flag: sessions keep track of it in
    memory.
    """

    messages: int
    unseen: int
    uidnext: int
    uidvalidity: int
    modseq: int
    size: int


class Usage(NamedTuple):
    """limit, message_limit: octets and messages the account may keep; 0 for no limit."""

    octets: int
    messages: int
    limit: int
    message_limit: int = 0

    def has_room(self, octets: int, messages: int = 1) -> bool:
        """May the account keep this much more?"""
        return (not self.limit or self.octets + octets <= self.limit) and (
            not self.message_limit or self.messages + messages <= self.message_limit
        )


class Recipient(NamedTuple):
    """What delivery needs to know about an account. inbox: the id of its INBOX."""

    account: Account
    inbox: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Delivery:
    """A mailbox here, as the destination of one copy of a message.

    mailbox_id: the mailbox that gets a copy. flags, date: given by APPEND (date None: now). beyond: octets by which
    this copy may take its account over the quota, for the server's own notices. own: this is the sender's own copy of a
    message to others. It is not stored alone when the others have no room, as apps would then show the message as
    delivered.
    """

    recipient: str
    mailbox_id: int
    account_id: int
    flags: frozenset[str] = frozenset()
    date: int | None = None
    beyond: int = 0
    own: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An address elsewhere, as the destination of one copy of a message.

    recipient: the address as it is given to the next server. domain: decides which server that is: a domain in lower
    case, or an address literal ("[192.0.2.1]"); usually, but not always, the part after the @.
    """

    recipient: str
    domain: str


# Where a message goes for one recipient: a mailbox here, or an address elsewhere.
Destination = Delivery | Outgoing


class Stored(NamedTuple):
    """One delivery that is on disk. uid, uidvalidity: of the message in its mailbox. modseq: the message's, which is
    the mailbox's own from then on.
    """

    delivery: Delivery
    uid: int
    uidvalidity: int
    modseq: int


class Former(NamedTuple):
    """A message as another store had it. uid: from 1 to 2**32 - 2. date: INTERNALDATE, Unix seconds UTC."""

    uid: int
    content: bytes
    flags: frozenset[str]
    date: int


class Queued(NamedTuple):
    """One recipient elsewhere of a message in the queue, see `chatgate.store.queue`. All times are Unix seconds.

    id: the store's key; never used again. message: a number that all rows of one message share, not reused while one of
    them exists. account_id: the account that sends it, None for no account. sender: the reverse-path without brackets,
    "" for the null sender. recipient, domain: see `Outgoing`. size: octets of the content. came: when it was stored.
    expires: from then on it is not to be tried any more. due: when it is offered next; for a row that somebody holds,
    the end of the lease. attempts: how often it was claimed, this time included; while the number is the same, nobody
    else has claimed the row. reply: the other server's answer to the last attempt. trace: names the message in logs,
    see `Store.store`. held: the operator keeps it from being tried. expired: it was claimed after `expires`; False in
    lists.
    """

    id: int
    message: int
    account_id: int | None
    sender: str
    recipient: str
    domain: str
    size: int
    came: float
    expires: float
    due: float
    attempts: int = 0
    reply: Reply | None = None
    trace: str = ""
    held: bool = False
    expired: bool = False


class Skip(NamedTuple):
    """Rows of the queue that a worker does not want now. domains, accounts: those of these."""

    domains: Collection[str] = ()
    accounts: Collection[int] = ()


class Settled(NamedTuple):
    """gone: ids of the rows that were removed. notice: how the notice was stored; None if there was none, or no room
    for it.
    """

    gone: Sequence[int]
    notice: Stored | Queued | None = None


class FlagsChanged(NamedTuple):
    """modseqs: those newly assigned, ascending: one for each transaction that changed something. changed: the UIDs of
    the messages that changed. refused: UIDs left alone as they had changed after `unchanged_since`.
    """

    modseqs: Sequence[int]
    changed: Sequence[int]
    refused: Sequence[int]


class Copied(NamedTuple):
    """For COPYUID (RFC 4315 §3): uids[i] of the source became copies[i] in the target, both ascending."""

    uidvalidity: int
    uids: Sequence[int]
    copies: Sequence[int]


# The smallest size in octets that `Store.large` is asked for: no rule calls a smaller message large.
LEAST_LARGE = 65536


class Kept(NamedTuple):
    """One message as the sweeper sees it. fetches: how many IMAP sessions have read its content; at least 1 when it is
    \\Seen. Devices are not known by name, but Delta Chat reads each message once on each.
    """

    mailbox_id: int
    uid: int
    size: int
    date: int
    fetches: int


@dataclass(frozen=True, slots=True)
class OfDomains:
    """Which accounts are asked about: those of these mail domains, or, with `others`, those of every other one. names:
    as they stand in the addresses of accounts.
    """

    names: frozenset[str]
    others: bool = False

    def has(self, address: str) -> bool:
        """Is the account of this address, as it is kept, among them?"""
        return (address.rpartition("@")[2] in self.names) != self.others


class StoreError(Exception):
    """The store refuses or fails, one subclass for each kind; str() is fit for a client. A plain StoreError is one of
    which callers can only pass on the text.
    """

    text = "Not possible"

    def __init__(self, text: str = "") -> None:
        super().__init__(text or self.text)


class StoreUnavailable(StoreError):
    """The store fails, or has been closed. Whether a requested change is on disk is not known; trying again later may
    help.
    """

    text = "Temporary problem of the mail store, please try again later"


class StoreFull(StoreError):
    """There is no space left for this. Nothing was changed, and methods that remove something still work."""

    text = "There is no space on the server's disk, please try again later"


class Impossible(StoreError):
    """No store does this, now or later: something is not an address, mailbox name or flag, a mailbox would be inside
    itself, or INBOX would be deleted.
    """


class LimitReached(StoreError):
    """There would be more of it, or it would be longer, than an account, mailbox or message may have."""

    text = "Too many"


class OverQuota(StoreError):
    """The account has no room for this. full: set by `Store.store`, the deliveries without room."""

    text = "Mailbox is full"

    def __init__(self, text: str = "", full: Sequence[Delivery] = ()) -> None:
        super().__init__(text)
        self.full = full


class QueueFull(StoreFull):
    """The queue holds as much as it may, for this account or in total."""

    text = "Too much is on its way elsewhere, please try again later"


class NoSuchAccount(StoreError):
    """The account does not exist, or not any more."""

    text = "No such account"


class AccountExists(StoreError):
    """The address is taken by an account, perhaps one that another process made a moment ago."""

    text = "Account already exists"


class AddressGone(AccountExists):
    """The address belonged to a removed account and is not given away again, see `Store.delete_account`."""

    text = "The address belonged to an account that was removed"


class NoSuchMailbox(StoreError):
    """The mailbox does not exist, or not any more. gone: set by `Store.store`, all deliveries whose mailbox is gone."""

    text = "No such mailbox"

    def __init__(self, text: str = "", gone: Sequence[Delivery] = ()) -> None:
        super().__init__(text)
        self.gone = gone


class MailboxExists(StoreError):
    """The mailbox name is taken."""

    text = "Mailbox already exists"
