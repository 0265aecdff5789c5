"""Accounts, and the tombstones of those that were removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from functools import cached_property

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
    give_turn,
    new_address,
)
from chatgate_maildb import mailboxes
from chatgate_maildb.clock import Clock
from chatgate_maildb.database import Reader
from chatgate_maildb.purging import purge
from chatgate_maildb.rows import Quota
from chatgate_maildb.writer import Transaction, Writer

_COLUMNS = "id, address, secret, last_login, created, disabled, quota"
_OF_ACCOUNT = ", ".join(f"account.{column}" for column in _COLUMNS.split(", "))
_SELECT = f"SELECT {_COLUMNS} FROM account "
_INSERT = f"INSERT INTO account ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"

_RECIPIENTS = f"""SELECT address, box.id, (SELECT sum(octets) FROM mailbox WHERE account_id=account.id),
    (SELECT sum(messages) FROM mailbox WHERE account_id=account.id), {_OF_ACCOUNT}
    FROM json_each(?) list CROSS JOIN account ON address=list.value
    JOIN mailbox box ON box.account_id=account.id AND name='INBOX'"""

_PRESENT = """UPDATE account SET last_login=?1
    WHERE id IN (SELECT value FROM json_each(?2)) AND last_login<?1"""
_IDLE = "max(last_login, created)<? AND disabled=''"  # the same expression as in the index account_idle

_OF_DOMAINS = "EXISTS (SELECT 1 FROM json_each(?) WHERE substr(address, -length(value)-1)='@'||value)<>?"

# Accounts examined before other greenlets get a turn.
_WINDOW = 500
_WITH_USAGE = f"""SELECT {_COLUMNS},
    (SELECT ifnull(sum(octets), 0) FROM mailbox WHERE account_id=account.id),
    (SELECT ifnull(sum(messages), 0) FROM mailbox WHERE account_id=account.id)
    FROM account WHERE id>? ORDER BY id LIMIT {_WINDOW}"""


class Accounts:
    def __init__(self, reader: Reader, writer: Writer, clock: Clock, quota: Quota) -> None:
        self._reader, self._writer, self._clock, self._quota = reader, writer, clock, quota

    def account(self, address: str) -> Account | None:
        """Addresses are compared in lower case, with IP addresses in normalised form."""
        for row in self._reader.rows(_SELECT + "WHERE address=?", (address_key(address),)):
            return Account(*row)
        return None

    def recipients(self, addresses: Collection[str]) -> dict[str, Recipient]:
        """Called with the possible addresses of one recipient, mostly one or two: with its tag and without."""
        keys = {address: address_key(address) for address in addresses}
        found, general = {}, self._quota
        wanted = json.dumps(list(keys.values()))
        for key, inbox, octets, messages, *columns in self._reader.rows(_RECIPIENTS, (wanted,)):
            account = Account(*columns)
            quota = general.at(account.address)
            usage = Usage(octets, messages, quota.of(account.quota), quota.messages)
            found[key] = Recipient(account, inbox, usage)
        return {address: found[key] for address, key in keys.items() if key in found}

    def accounts(self, after: str = "", limit: int = 1000) -> list[Account]:
        sql = _SELECT + "WHERE address>? ORDER BY address LIMIT ?"
        return [Account(*row) for row in self._reader.rows(sql, (after, limit))]

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
        address, day = new_address(address, returning), self._clock.today() if created is None else created

        def work(tx: Transaction) -> Account:
            hashed = (self._hash(address),)
            for (kept,) in tx.execute("SELECT secret FROM tombstone WHERE hash=?", hashed).fetchall():
                if not returning or not kept:
                    raise AddressGone()
                tx.execute("DELETE FROM tombstone WHERE hash=?", hashed)
            columns = (address, secret, last_login, day, disabled, quota)
            cursor = tx.execute(_INSERT, columns)
            if not cursor.rowcount:
                raise AccountExists()
            uidvalidity = mailboxes.next_uidvalidity(tx)
            for name, special_use in FIRST_MAILBOXES.items():
                mailboxes.insert(tx, cursor.lastrowid, name, uidvalidity, special_use)
                tx.execute("INSERT INTO subscription (account_id, name) VALUES (?, ?)", (cursor.lastrowid, name))
            return Account(cursor.lastrowid, *columns)

        return self._writer.run(work, grows=True)

    def set_secret(self, account_id: int, secret: str, was: str | None = None) -> bool:
        return self._update(account_id, "secret", secret, tell=True, was=was)

    def set_last_login(self, account_id: int, day: int) -> None:
        self.note_present([account_id], day)

    def note_present(self, account_ids: Collection[int], day: int) -> None:
        self._writer.run(lambda tx: tx.execute(_PRESENT, (day, json.dumps(list(account_ids)))).rowcount)

    def set_disabled(self, account_id: int, reason: str) -> None:
        self._update(account_id, "disabled", reason, tell=True)

    def set_quota(self, account_id: int, octets: int | None) -> None:
        self._update(account_id, "quota", octets)

    def _update(
        self, account_id: int, column: str, value: str | int | None, tell: bool = False, was: str | None = None
    ) -> bool:
        """tell: the account's sessions may have to end, if it is a change. was: what must be there now; None: anything.
        Is it a change?
        """
        sql = f"UPDATE account SET {column}=?1 WHERE id=?2 AND {column} IS NOT ?1 AND (?3 IS NULL OR {column}=?3)"

        def work(tx: Transaction) -> bool:
            changed = bool(tx.execute(sql, (value, account_id, was)).rowcount)
            if changed and tell:
                tx.changed.add(account_key(account_id))
            return changed

        return self._writer.run(work)

    def delete_account(self, account_id: int, tombstone: bool = True, final: bool = False) -> None:
        """The first transaction makes the account disappear; then its mail is removed piece by piece."""

        def work(tx: Transaction) -> list[int]:
            sql = "UPDATE mailbox SET account_id=NULL WHERE account_id=? RETURNING id"
            ids = [mailbox_id for (mailbox_id,) in tx.execute(sql, (account_id,)).fetchall()]
            sql = "DELETE FROM account WHERE id=? RETURNING address, secret"
            for address, secret in tx.execute(sql, (account_id,)).fetchall():
                if tombstone:
                    sql = "INSERT OR REPLACE INTO tombstone (hash, secret, day) VALUES (?, ?, ?)"
                    tx.execute(sql, (self._hash(address), "" if final else secret, self._clock.today()))
                tx.changed.update(ids, [account_key(account_id)])
            return ids

        purge(self._writer, self._writer.run(work))

    def tombstone(self, address: str) -> str | None:
        hashed = (self._hash(address_key(address)),)
        for (secret,) in self._reader.rows("SELECT secret FROM tombstone WHERE hash=?", hashed):
            return secret
        return None

    def forget_tombstone(self, address: str) -> None:
        hashed = (self._hash(address_key(address)),)
        self._writer.run(lambda tx: tx.execute("DELETE FROM tombstone WHERE hash=?", hashed).rowcount)

    @cached_property
    def _key(self) -> bytes:
        ((key,),) = self._reader.rows("SELECT value FROM hashkey WHERE name='tombstone'")
        return key

    def _hash(self, address: str) -> bytes:
        """A keyed hash: without the key nobody can test addresses, say from a stolen list, against the tombstones."""
        return hashlib.blake2b(address.encode(), key=self._key, digest_size=20).digest()

    def idle_accounts(self, before: int, limit: int = 100, only: OfDomains | None = None) -> list[Account]:
        # The last_login of an account is 0 until the first login.
        where, parameters = _where(before, only)
        sql = f"{_SELECT}{where} ORDER BY max(last_login, created) LIMIT ?"
        return [Account(*row) for row in self._reader.rows(sql, (*parameters, limit))]

    def count_accounts(self, idle_before: int | None = None, only: OfDomains | None = None) -> int:
        where, parameters = _where(idle_before, only)
        ((count,),) = self._reader.rows(f"SELECT count(*) FROM account {where}", parameters)
        return count

    def crowded_accounts(self, share: float, after: int = 0, limit: int = 100) -> list[Account]:
        found: list[Account] = []
        for *columns, octets, messages in self._with_usage(after):
            account = Account(*columns)
            quota = self._quota.at(account.address)
            room, most = quota.of(account.quota), quota.messages
            if (room and octets >= share * room) or (most and messages >= share * most):
                found.append(account)
                if len(found) == limit:
                    break
        return found

    def _with_usage(self, after: int) -> Iterator[tuple]:
        while rows := self._reader.rows(_WITH_USAGE, (after,)):
            yield from rows
            after = rows[-1][0]
            give_turn()

    def usage(self, account_id: int) -> Usage:
        sql = """SELECT ifnull(sum(octets), 0), ifnull(sum(messages), 0), (SELECT quota FROM account WHERE id=?1),
            (SELECT address FROM account WHERE id=?1) FROM mailbox WHERE account_id=?1"""
        ((octets, messages, own, address),) = self._reader.rows(sql, (account_id,))
        quota = self._quota.at(address or "")
        return Usage(octets, messages, quota.of(own), quota.messages)


def _where(idle_before: int | None, only: OfDomains | None) -> tuple[str, list[int | str]]:
    """Which accounts, as SQL with its parameters."""
    conditions: list[str] = []
    parameters: list[int | str] = []
    if idle_before is not None:
        conditions, parameters = [_IDLE], [idle_before]
    if only is not None:
        conditions.append(_OF_DOMAINS)
        parameters += [json.dumps(sorted(only.names)), only.others]
    return f"WHERE {' AND '.join(conditions)}" if conditions else "", parameters
