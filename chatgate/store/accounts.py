"""The store's methods for accounts. `Store` (contract.py) says what holds for all methods."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from chatgate.store.records import Account, OfDomains, Recipient, Usage


class Accounts(Protocol):
    """Who may log in, how much each may keep, and which addresses are gone. Days are counted from 1970-01-01 (UTC)."""

    def account(self, address: str) -> Account | None:
        """The account with this address, compared by its `address_key`; None if there is none (any more). Called at
        each login, and often in between.
        """
        ...

    def recipients(self, addresses: Collection[str]) -> dict[str, Recipient]:
        """What delivery needs to know about each of these addresses. The keys are the addresses as they were given;
        those without an account are left out. A store on a database should need one query for all.
        """
        ...

    def accounts(self, after: str = "", limit: int = 1000) -> list[Account]:
        """Up to `limit` accounts ordered by address, beginning after `after` (an address as it is kept): paging that
        stays stable while accounts come and go.
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
        """Make an account with the mailboxes of FIRST_MAILBOXES, subscribed to each. The arguments are the fields of
        `Account`; created: None for today.

        returning: the former owner comes back to an address that has a tombstone, which is then removed. Without a
        tombstone it makes no difference.

        Raises Impossible for something that is not an address (see `new_address`); AddressGone for one that has a
        tombstone, unless its owner is returning and the deletion was not final; AccountExists, also when two callers
        ask at the same instant: then one of them gets the account.
        """
        ...

    def set_secret(self, account_id: int, secret: str, was: str | None = None) -> bool:
        """secret: the text that the plugin which checks passwords compares them with, such as a hash; never a password.
        Any text of up to 1000 characters. was: change it only if it is still this one; None: whatever it is. Looking
        and changing are one step, for other processes, too.

        True if it was changed, and then the account is posted (`account_key`): its sessions are ended. False if the
        account had this secret already, has another one than `was`, or does not exist.
        """
        ...

    def set_disabled(self, account_id: int, reason: str) -> None:
        """reason: one line of ASCII that the owner is told; "" enables the account again. The store itself goes on
        serving a disabled account. Posts the account (`account_key`) if its reason was another one: its sessions are
        ended.
        """
        ...

    def set_last_login(self, account_id: int, day: int) -> None:
        """Note the day, unless a later one is known: a clock that was set back must not make the account seem idle."""
        ...

    def note_present(self, account_ids: Collection[int], day: int) -> None:
        """`set_last_login` for several accounts, a few hundred at once, in one transaction."""
        ...

    def set_quota(self, account_id: int, octets: int | None) -> None:
        """Set how much the account may keep. 0: no limit. None: the default of its domain. Mail it keeps already
        stays.
        """
        ...

    def delete_account(self, account_id: int, tombstone: bool = True, final: bool = False) -> None:
        """Delete the account with everything it has. It is invisible at once, though its mail may be removed piece by
        piece. Its rows of the queue stay, and are handed on: what it sent was accepted.

        tombstone: keep a keyed hash of the address with the secret, so that nobody but the owner can have it again (see
        `create_account`); the address itself is kept nowhere. final: keep the hash without the secret, so that not even
        the owner can. Posts the account's mailboxes, too.
        """
        ...

    def tombstone(self, address: str) -> str | None:
        """The secret of the deleted account that had this address, "" if its deletion was final; None if there is no
        tombstone.
        """
        ...

    def forget_tombstone(self, address: str) -> None:
        """Let anybody have the address. Nothing happens where there is no tombstone."""
        ...

    def idle_accounts(self, before: int, limit: int = 100, only: OfDomains | None = None) -> list[Account]:
        """Accounts that are not disabled and whose last login and creation (whichever is later) both lie before this
        day; the longest idle first. before: may lie far before 1970, in which case there are none. only: accounts to
        search; None: all.
        """
        ...

    def count_accounts(self, idle_before: int | None = None, only: OfDomains | None = None) -> int:
        """How many accounts there are; with a day, how many of them `idle_accounts` would find. only: accounts to
        count; None: all.
        """
        ...

    def crowded_accounts(self, share: float, after: int = 0, limit: int = 100) -> list[Account]:
        """Accounts that use at least this share (0.8 is 80 %) of their quota in octets or in messages, by ascending id,
        beginning after the id `after`. An account without limits is not among them.
        """
        ...

    def usage(self, account_id: int) -> Usage:
        """How much the account keeps, and how much it may keep. A message in two of its mailboxes counts twice. For an
        account that does not exist: nothing, and the default limits.
        """
        ...
