"""Accounts."""

from __future__ import annotations

import time

from chatgate.api import Account, AccountExists, StoreError, Usage
from chatgate_maildb import mailboxes, models
from chatgate_maildb.mailboxes import Mailboxes
from chatgate_maildb.writer import Transaction

# The mailboxes of a new account, with their SPECIAL-USE attributes (RFC 6154).
_FIRST = {"INBOX": "", "Drafts": "\\Drafts", "Junk": "\\Junk", "Sent": "\\Sent", "Trash": "\\Trash"}

_LONGEST = 320  # octets of an address: RFC 5321 §4.5.3.1 allows 64 and 255, and the @

_SELECT = "SELECT id, address, secret, last_login, created FROM account "


class Accounts(Mailboxes):
    def account(self, address: str) -> Account | None:
        """Addresses are compared in lower case."""
        for row in self.reader.rows(_SELECT + "WHERE address=?", (address.lower(),)):
            return Account(*row)
        return None

    def accounts(self, after: str = "", limit: int = 1000) -> list[Account]:
        sql = _SELECT + "WHERE address>? ORDER BY address LIMIT ?"
        return [Account(*row) for row in self.reader.rows(sql, (after, limit))]

    def create_account(self, address: str, secret: str) -> Account:
        address, created = address.lower(), int(time.time())
        local, _, domain = address.rpartition("@")
        if not local or not domain or len(address.encode()) > _LONGEST:
            raise StoreError("Not an address")

        def work(tx: Transaction) -> Account:
            sql = "INSERT INTO account (address, secret, created, last_login) VALUES (?, ?, ?, 0)"
            cursor = tx.execute(sql + " ON CONFLICT DO NOTHING", (address, secret, created))
            if not cursor.rowcount:
                raise AccountExists("Account already exists")
            uidvalidity = mailboxes.next_uidvalidity(tx)
            for name, special_use in _FIRST.items():
                mailboxes.insert(tx, cursor.lastrowid, name, uidvalidity, special_use)
                tx.execute("INSERT INTO subscription (account_id, name) VALUES (?, ?)", (cursor.lastrowid, name))
            return Account(cursor.lastrowid, address, secret, 0, created)

        return self.writer.run(work)

    def set_secret(self, account_id: int, secret: str) -> None:
        self._update(account_id, secret=secret)

    def set_last_login(self, account_id: int, day: int) -> None:
        self._update(account_id, last_login=day)

    def _update(self, account_id: int, **columns: str | int) -> None:
        query = models.Account.update(columns).where(models.Account.id == account_id)
        self.writer.run(lambda tx: query.execute(tx.database))

    def delete_account(self, account_id: int) -> None:
        """From the first transaction on nobody sees it; then its mail is removed piece by piece."""

        def work(tx: Transaction) -> list[int]:
            sql = "UPDATE mailbox SET account_id=NULL WHERE account_id=? RETURNING id"
            ids = [mailbox_id for (mailbox_id,) in tx.execute(sql, (account_id,)).fetchall()]
            tx.execute("DELETE FROM account WHERE id=?", (account_id,))
            tx.changed.update(ids)
            return ids

        for mailbox_id in self.writer.run(work):
            self.purge(mailbox_id)

    def usage(self, account_id: int) -> Usage:
        sql = "SELECT ifnull(sum(octets), 0), ifnull(sum(messages), 0) FROM mailbox WHERE account_id=?"
        ((octets, messages),) = self.reader.rows(sql, (account_id,))
        return Usage(octets, messages, self.options.quota_bytes)
