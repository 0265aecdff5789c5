"""What a store is asked about accounts."""

from __future__ import annotations

from typing import Protocol

from chatgate.store.records import Account, Usage


class Accounts(Protocol):
    """Who may log in, how much each may keep, and which addresses are gone."""

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
