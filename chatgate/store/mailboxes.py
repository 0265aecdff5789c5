"""The store's methods for mailboxes. `Store` (contract.py) says what holds for all methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chatgate.store.records import Mailbox, Status


class Mailboxes(Protocol):
    """The mailboxes of accounts, their names, subscriptions and annotations. Names are flat: "a/b" may exist without
    "a"; IMAP supplies the levels above.
    """

    def mailbox(self, account_id: int, name: str) -> Mailbox | None:
        """The mailbox with this name (compared by its `mailbox_name`: INBOX matches in any case); None if there is
        none.
        """
        ...

    def mailboxes(self, account_id: int) -> list[Mailbox]:
        """All mailboxes, INBOX first, the others by name (`mailbox_order`); none for an account that does not exist."""
        ...

    def status(self, mailbox_id: int) -> Status:
        """The numbers that IMAP's STATUS returns. Called often, so keep them up to date rather than count. Raises
        NoSuchMailbox.
        """
        ...

    def create_mailbox(self, account_id: int, name: str, special_use: str = "") -> Mailbox:
        """Make a mailbox. Its UIDVALIDITY is higher than that of any earlier mailbox with this name, even one of an
        account that was deleted and made again, so that clients discard what they know of the earlier one. The first
        UID is 1.

        special_use: see `Mailbox`; kept as it is given. "": the attribute that FIRST_MAILBOXES has for this name, if no
        mailbox of the account has that attribute now. Raises MailboxExists, Impossible for a bad name
        (`new_mailbox_name`), LimitReached when there are too many, NoSuchAccount.
        """
        ...

    def rename_mailbox(self, account_id: int, old: str, new: str) -> None:
        """Rename a mailbox with its children (those `inside` it) and the annotations of all of these. Ids, UIDs,
        UIDVALIDITY and special uses stay with the mailboxes, subscriptions stay with the names.

        Renaming INBOX moves its messages to a new mailbox with the new name (RFC 3501 §6.3.5), as `copy` with move
        does; INBOX stays, and so do its children and annotations. The new mailbox may be one inside INBOX.
        Raises NoSuchMailbox; MailboxExists if a new name, a child's included, is taken; Impossible for a bad name, a
        child's included, and for a name inside the mailbox itself (unless that is INBOX); LimitReached when INBOX is
        renamed and there are too many mailboxes. Posts what `copy` posts.
        """
        ...

    def delete_mailbox(self, mailbox_id: int) -> None:
        """Delete a mailbox with its messages and annotations; its children and a subscription to its name stay. It is
        invisible at once, though its mail may be removed piece by piece. Raises NoSuchMailbox, Impossible for INBOX.
        Posts the mailbox.
        """
        ...

    def subscriptions(self, account_id: int) -> list[str]:
        """Names, in the order of `mailboxes`; see `subscribe`."""
        ...

    def subscribe(self, account_id: int, name: str, wanted: bool) -> None:
        """Subscribe to a name or, without `wanted`, unsubscribe. Subscriptions are names and outlive the mailbox (RFC
        3501 §6.3.6); doing it twice is no error. With `wanted` it raises Impossible for a bad name
        (`new_mailbox_name`), LimitReached, NoSuchAccount.
        """
        ...

    def annotations(self, account_id: int, mailbox: str) -> dict[str, bytes]:
        """Private METADATA entries (RFC 5464) of the mailbox with this name, or of the account itself for "". The keys
        are the names of the entries, in lower case.
        """
        ...

    def annotate(self, account_id: int, mailbox: str, entries: Mapping[str, bytes | None]) -> None:
        """Set all of these entries or none; None removes one, and removing one that does not exist is no error. Values
        are any octets, and a store must take values of 16384 octets at least; the name of an entry is ASCII of up to
        LONGEST_NAME octets, compared as it is. Raises, when values are set, NoSuchAccount, and NoSuchMailbox for a
        mailbox that does not exist; LimitReached when there are too many entries or one is too long; OverQuota when
        those of the account take up too much; there must be such a bound, of 100 000 octets at least.
        """
        ...
