"""What a store is asked about mailboxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chatgate.store.records import Mailbox, Status


class Mailboxes(Protocol):
    """The mailboxes of accounts, their names, subscriptions and annotations."""

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
        """Set all of these or none; None removes. Raises NoSuchMailbox, LimitReached for too many in one place or a
        value that is too long, OverQuota when all of the account's would take too much.
        """
        ...
