"""What a store is asked about accounts. What holds for all methods is in `Store` (contract.py)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from chatgate.store.records import Account, Recipient, Usage


class Accounts(Protocol):
    """Who may log in, how much each may keep, and which addresses are gone. Days are counted from 1970-01-01 (UTC)."""

    def account(self, address: str) -> Account | None:
        """The account of this address, which is compared by its `address_key`; None if there is none (any more). Asked
        at each login, and often meanwhile.
        """
        ...

    def recipients(self, addresses: Collection[str]) -> dict[str, Recipient]:
        """What delivery needs to know of each of these addresses, under the address as it was given; those without an
        account are left out. For a store on a database: one query for all.
        """
        ...

    def accounts(self, after: str = "", limit: int = 1000) -> list[Account]:
        """Ordered by address, beginning behind `after` (an address as it is kept): stable paging, also while accounts
        come and go.
        """
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
        """With the mailboxes of FIRST_MAILBOXES, and subscribed to them. The facts are those of `Account`; created:
        None for today.

        returning: its owner comes back to an address that has a tombstone, which then goes. Without a tombstone it
        makes no difference.

        Raises Impossible for what is no address (see `new_address`); AddressGone for one that has a tombstone, unless
        its owner is returning and the deletion was not final; AccountExists, also when two come at the same instant:
        then one of them gets it.
        """
        ...

    # Each of these two, and `delete_account`, also posts the account (`account_key`): its sessions are ended.
    def set_secret(self, account_id: int, secret: str) -> None:
        """secret: what the plugin that checks passwords compares them with, such as a hash; never a password. Any text
        of up to 1000 characters.
        """
        ...

    def set_disabled(self, account_id: int, reason: str) -> None:
        """reason: one line of ASCII that its owner is told; "" enables the account again. The store itself goes on
        working for a disabled account.
        """
        ...

    def set_last_login(self, account_id: int, day: int) -> None:
        """Unless a later day is known: clocks go back, and the account would seem idle."""
        ...

    def note_present(self, account_ids: Collection[int], day: int) -> None:
        """`set_last_login` of several, some hundred at once, in one transaction."""
        ...

    def set_quota(self, account_id: int, octets: int | None) -> None:
        """How much the account may keep. 0: no limit. None: what holds for everybody. What it keeps already stays."""
        ...

    def delete_account(self, account_id: int, tombstone: bool = True, final: bool = False) -> None:
        """With everything it has; nobody sees it from the first moment on, while its mail may go piece by piece.

        tombstone: keep a keyed hash of the address with the secret, so that nobody but the owner can have it again (see
        `create_account`); the address itself is nowhere any more. final: without the secret, so that nobody can.
        Posts its mailboxes, too.
        """
        ...

    def tombstone(self, address: str) -> str | None:
        """The secret of the removed account whose address this was, "" if its deletion was final; None if there is no
        tombstone.
        """
        ...

    def forget_tombstone(self, address: str) -> None:
        """Let anybody have the address. Nothing happens where there is no tombstone."""
        ...

    def idle_accounts(self, before: int, limit: int = 100) -> list[Account]:
        """Accounts that are not disabled and whose last login (never: creation), the later of both, lies before this
        day; those that are idle for longest first. before: may lie far before 1970, then there are none.
        """
        ...

    def count_accounts(self, idle_before: int | None = None) -> int:
        """How many there are; with a day, how many of them `idle_accounts` would find."""
        ...

    def crowded_accounts(self, share: float, after: int = 0, limit: int = 100) -> list[Account]:
        """Accounts that use at least this share (0.8 is 80 %) of their quota, of octets or of messages, by ascending
        id, beginning behind the id `after`. An account without limits is not among them.
        """
        ...

    def usage(self, account_id: int) -> Usage:
        """What the account keeps, and how much it may. A message in two of its mailboxes counts twice. An account that
        is not there keeps nothing, and may what everybody may.
        """
        ...
