"""Accounts and their tombstones."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator
from dataclasses import replace

from chatgate.api import (
    FIRST_MAILBOXES,
    Account,
    AccountExists,
    AddressGone,
    OfDomains,
    Recipient,
    Usage,
    account_key,
    address_key,
    new_address,
)
from chatgate_memorystore.data import Box, Data, Person

DAY = 86400


class Accounts:
    def __init__(self, data: Data) -> None:
        self._data = data
        self._tombstones: dict[bytes, str] = {}
        self._key = secrets.token_bytes(32)

    def account(self, address: str) -> Account | None:
        found = self._data.by_address.get(address_key(address))
        return None if found is None else self._data.people[found].account

    def recipients(self, addresses: Collection[str]) -> dict[str, Recipient]:
        found = {address: self.account(address) for address in addresses}
        return {
            address: Recipient(account, self._data.people[account.id].boxes["INBOX"].id, self.usage(account.id))
            for address, account in found.items()
            if account is not None
        }

    def accounts(self, after: str = "", limit: int = 1000) -> list[Account]:
        addresses = sorted(address for address in self._data.by_address if address > after)
        return [self._data.people[self._data.by_address[address]].account for address in addresses[:limit]]

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
        key = new_address(address, returning)
        kept = self.tombstone(key)
        if kept is not None and not (returning and kept):
            raise AddressGone()
        if key in self._data.by_address:
            raise AccountExists()
        self.forget_tombstone(key)
        today = self._data.now() // DAY
        account = Account(
            next(self._data.account_ids),
            key,
            secret,
            last_login,
            today if created is None else created,
            disabled,
            quota,
        )
        person = Person(account, subscriptions=set(FIRST_MAILBOXES))
        for name, use in FIRST_MAILBOXES.items():
            box = Box(next(self._data.box_ids), account.id, name, self._data.uidvalidity(), use)
            person.boxes[name] = self._data.boxes[box.id] = box
        self._data.people[account.id], self._data.by_address[key] = person, account.id
        return account

    def set_secret(self, account_id: int, secret: str, was: str | None = None) -> bool:
        person = self._data.people.get(account_id)
        if person is None or (was is not None and person.account.secret != was):
            return False
        changed = self._change(account_id, secret=secret)
        if changed:
            self._data.post(account_key(account_id))
        return changed

    def set_disabled(self, account_id: int, reason: str) -> None:
        if self._change(account_id, disabled=reason):
            self._data.post(account_key(account_id))

    def set_last_login(self, account_id: int, day: int) -> None:
        if account_id in self._data.people:
            self._change(account_id, last_login=max(day, self._data.people[account_id].account.last_login))

    def note_present(self, account_ids: Collection[int], day: int) -> None:
        for account_id in account_ids:
            self.set_last_login(account_id, day)

    def set_quota(self, account_id: int, octets: int | None) -> None:
        self._change(account_id, quota=octets)

    def _change(self, account_id: int, **facts: str | int | None) -> bool:
        """Is it a change?"""
        person = self._data.people.get(account_id)
        if person is None:
            return False
        before, person.account = person.account, replace(person.account, **facts)  # type: ignore[arg-type]
        return person.account != before

    def delete_account(self, account_id: int, tombstone: bool = True, final: bool = False) -> None:
        person = self._data.people.pop(account_id, None)
        if person is None:
            return
        del self._data.by_address[person.account.address]
        if tombstone:
            self._tombstones[self._hash(person.account.address)] = "" if final else person.account.secret
        ids = [box.id for box in person.boxes.values()]
        for mailbox_id in ids:
            del self._data.boxes[mailbox_id]
        for key in (*ids, account_key(account_id)):
            self._data.post(key)

    def _hash(self, address: str) -> bytes:
        """With a key, so that nobody can try addresses against the tombstones."""
        return hashlib.blake2b(address_key(address).encode("utf-8", "replace"), key=self._key).digest()

    def tombstone(self, address: str) -> str | None:
        return self._tombstones.get(self._hash(address))

    def forget_tombstone(self, address: str) -> None:
        self._tombstones.pop(self._hash(address), None)

    def _of(self, only: OfDomains | None) -> list[Account]:
        accounts = [person.account for person in self._data.people.values()]
        return accounts if only is None else [account for account in accounts if only.has(account.address)]

    def _idle(self, before: int, only: OfDomains | None) -> list[Account]:
        """For longest first."""
        accounts = [account for account in self._of(only) if not account.disabled]
        last = {account.id: max(account.last_login, account.created) for account in accounts}
        return sorted((one for one in accounts if last[one.id] < before), key=lambda account: last[account.id])

    def idle_accounts(self, before: int, limit: int = 100, only: OfDomains | None = None) -> list[Account]:
        return self._idle(before, only)[:limit]

    def count_accounts(self, idle_before: int | None = None, only: OfDomains | None = None) -> int:
        return len(self._of(only) if idle_before is None else self._idle(idle_before, only))

    def crowded_accounts(self, share: float, after: int = 0, limit: int = 100) -> list[Account]:
        return list(self._crowded(share, after))[:limit]

    def _crowded(self, share: float, after: int) -> Iterator[Account]:
        for account_id in sorted(one for one in self._data.people if one > after):
            usage = self.usage(account_id)
            if (usage.limit and usage.octets >= share * usage.limit) or (
                usage.message_limit and usage.messages >= share * usage.message_limit
            ):
                yield self._data.people[account_id].account

    def usage(self, account_id: int) -> Usage:
        return self._data.usage_of(account_id)
