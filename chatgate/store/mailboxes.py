"""What a store is asked about mailboxes. What holds for all methods is in `Store` (contract.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chatgate.store.records import Mailbox, Status


class Mailboxes(Protocol):
    """The mailboxes of accounts, their names, subscriptions and annotations. Names are flat: "a/b" may be there without
    "a", and IMAP makes the levels above.
    """

    def mailbox(self, account_id: int, name: str) -> Mailbox | None:
        """The mailbox of this name (compared by its `mailbox_name`: INBOX in any case of letters); None if there is
        none.
        """
        ...

    def mailboxes(self, account_id: int) -> list[Mailbox]:
        """INBOX first, the others by name (`mailbox_order`); none for an account that is not there."""
        ...

    def status(self, mailbox_id: int) -> Status:
        """The numbers that IMAP's STATUS tells. Asked often: they are kept, not counted. Raises NoSuchMailbox."""
        ...

    def create_mailbox(self, account_id: int, name: str, special_use: str = "") -> Mailbox:
        """Its UIDVALIDITY is higher than any that was given before to a mailbox of this name, also of an account that
        is deleted and made again: clients that knew that one throw away what they have. The first UID is 1.

        special_use: see `Mailbox`; taken as it is given. "": the one that FIRST_MAILBOXES has for this name, if no
        mailbox of the account has it now.
        Raises MailboxExists, Impossible for a bad name (`new_mailbox_name`), LimitReached for one too many,
        NoSuchAccount.
        """
        ...

    def rename_mailbox(self, account_id: int, old: str, new: str) -> None:
        """With its children (those `inside` it) and the annotations of all these; ids, UIDs, UIDVALIDITY and special
        uses stay with them, subscriptions with the names.

        Renaming INBOX moves its messages to a new mailbox of the other name (RFC 3501 §6.3.5), as `copy` with move
        does; INBOX stays, and so do its children and annotations.
        Raises NoSuchMailbox; MailboxExists for a new name, also of a child, that is taken; Impossible for a bad name,
        also of a child, and for a name inside the mailbox itself; of INBOX LimitReached. Posts what `copy` posts.
        """
        ...

    def delete_mailbox(self, mailbox_id: int) -> None:
        """With its messages and annotations; its children stay, and a subscription to its name. Nobody sees it from the
        first moment on, while its mail may go piece by piece. Raises NoSuchMailbox, Impossible for INBOX. Posts it.
        """
        ...

    def subscriptions(self, account_id: int) -> list[str]:
        """Names, in the order of `mailboxes`; see `subscribe`."""
        ...

    def subscribe(self, account_id: int, name: str, wanted: bool) -> None:
        """Subscribe to a name, or end that. Subscriptions are names and outlive the mailbox (RFC 3501 §6.3.6); doing it
        twice is no error. With `wanted` it raises Impossible for a bad name (`new_mailbox_name`), LimitReached,
        NoSuchAccount.
        """
        ...

    def annotations(self, account_id: int, mailbox: str) -> dict[str, bytes]:
        """Private METADATA entries (RFC 5464) of a mailbox by name, or of the account for "", by the names of the
        entries, which are in lower case.
        """
        ...

    def annotate(self, account_id: int, mailbox: str, entries: Mapping[str, bytes | None]) -> None:
        """Set all of these or none; None removes, also what is not there. Values are any octets, 16384 of which must
        have room; the name of an entry is ASCII of up to LONGEST_NAME octets, compared as it is.
        Raises NoSuchMailbox when values are set for a mailbox that is not there, NoSuchAccount; LimitReached when there
        are too many or one is too long; OverQuota when those of the account take too much, from 100 000 octets on.
        """
        ...
