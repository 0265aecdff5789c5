"""Mailboxes, subscriptions and annotations."""

from __future__ import annotations

import time
from collections.abc import Mapping

from peewee import fn

from chatgate.api import (
    FIRST_MAILBOXES,
    LONGEST_NAME,
    Impossible,
    LimitReached,
    Mailbox,
    MailboxExists,
    NoSuchAccount,
    NoSuchMailbox,
    OverQuota,
    inside,
    mailbox_name,
    mailbox_order,
    new_mailbox_name,
)
from chatgate_maildb import models, rows
from chatgate_maildb.database import Reader
from chatgate_maildb.options import MailDbOptions
from chatgate_maildb.purging import purge
from chatgate_maildb.rows import Quota
from chatgate_maildb.writer import Transaction, Writer

_COLUMNS = "id, account_id, name, uidvalidity, uidnext, modseq, special_use"
# Not through the model: a new account takes five of these, and hundreds of accounts may be made in a second.
_INSERT = """INSERT INTO mailbox
    (account_id, name, uidvalidity, special_use, uidnext, modseq, history, messages, unseen, octets)
    VALUES (?, ?, ?, ?, 1, 1, 0, 0, 0, 0)"""
_ANNOTATED = "SELECT ifnull(sum(length(entry)+length(value)), 0) FROM annotation WHERE account_id=?"


def next_uidvalidity(tx: Transaction) -> int:
    """A UIDVALIDITY that was never given before, so that a mailbox that is deleted and made again gets a higher one
    (RFC 3501 §2.3.1.1), even if its account was deleted and made again, too. It stays close to the current Unix time.
    """
    sql = "UPDATE meta SET value=max(value+1, ?) WHERE key='uidvalidity' RETURNING value"
    ((value,),) = tx.execute(sql, (int(time.time()),)).fetchall()
    return value


# Values above this one are not the time of day, in which servers begin to count, but random numbers. Numbers that are
# counted on from those would come to an end.
_LIKE_A_TIME = 2**31


def note_uidvalidity(tx: Transaction, value: int) -> None:
    """A mailbox has got this UIDVALIDITY, which another server gave: what is given later is to be higher."""
    if value < _LIKE_A_TIME:
        tx.execute("UPDATE meta SET value=max(value, ?) WHERE key='uidvalidity'", (value,))


def insert(tx: Transaction, account_id: int, name: str, uidvalidity: int, special_use: str = "") -> Mailbox:
    mailbox_id = tx.execute(_INSERT, (account_id, name, uidvalidity, special_use)).lastrowid
    return Mailbox(mailbox_id, account_id, name, uidvalidity, 1, 1, special_use)


class Mailboxes:
    def __init__(self, reader: Reader, writer: Writer, quota: Quota, options: MailDbOptions) -> None:
        self._reader, self._writer, self._quota, self._options = reader, writer, quota, options

    def mailbox(self, account_id: int, name: str) -> Mailbox | None:
        sql = f"SELECT {_COLUMNS} FROM mailbox WHERE account_id=? AND name=?"
        for row in self._reader.rows(sql, (account_id, mailbox_name(name))):
            return Mailbox(*row)
        return None

    def mailboxes(self, account_id: int) -> list[Mailbox]:
        sql = f"SELECT {_COLUMNS} FROM mailbox WHERE account_id=? ORDER BY name<>'INBOX', name"
        return [Mailbox(*row) for row in self._reader.rows(sql, (account_id,))]

    def create_mailbox(self, account_id: int, name: str, special_use: str = "") -> Mailbox:
        name = new_mailbox_name(name)

        def work(tx: Transaction) -> Mailbox:
            known = _names(tx, account_id)
            if name in known:
                raise MailboxExists()
            if not known:
                raise NoSuchAccount()
            if len(known) >= self._options.max_mailboxes:
                raise LimitReached("Too many mailboxes")
            use = special_use or _free_use(tx, account_id, FIRST_MAILBOXES.get(name, ""))
            return insert(tx, account_id, name, next_uidvalidity(tx), use)

        return self._writer.run(work, grows=True)

    def rename_mailbox(self, account_id: int, old: str, new: str) -> None:
        """Raises NoSuchMailbox, MailboxExists, StoreError."""
        old, new = mailbox_name(old), new_mailbox_name(new)

        def work(tx: Transaction) -> None:
            known = _names(tx, account_id)
            if old not in known:
                raise NoSuchMailbox()
            if new in known:
                raise MailboxExists()
            if old == "INBOX":
                if len(known) >= self._options.max_mailboxes:
                    raise LimitReached("Too many mailboxes")
                target = insert(tx, account_id, new, next_uidvalidity(tx))
                rows.copy(tx, known[old], None, target.id, True, self._quota)
                return
            if inside(new, old):
                raise Impossible("A mailbox cannot become its own child")
            for name in known:
                if name == old or inside(name, old):
                    _rename(tx, account_id, known, name, new_mailbox_name(new + name[len(old) :]))

        self._writer.run(work, patient=old == "INBOX")

    def delete_mailbox(self, mailbox_id: int) -> None:
        """The children of the mailbox stay. Raises NoSuchMailbox, and Impossible for INBOX."""

        def work(tx: Transaction) -> None:
            sql = "SELECT account_id, name FROM mailbox WHERE id=? AND account_id IS NOT NULL"
            found = tx.execute(sql, (mailbox_id,)).fetchall()
            if not found:
                raise NoSuchMailbox()
            ((account_id, name),) = found
            if name == "INBOX":
                raise Impossible("INBOX cannot be deleted")
            tx.execute("UPDATE mailbox SET account_id=NULL WHERE id=?", (mailbox_id,))
            tx.execute("DELETE FROM annotation WHERE account_id=? AND mailbox=?", (account_id, name))
            tx.changed.add(mailbox_id)

        self._writer.run(work)
        purge(self._writer, [mailbox_id])

    def subscriptions(self, account_id: int) -> list[str]:
        query = models.Subscription.select(models.Subscription.name).where(models.Subscription.account == account_id)
        return sorted((name for (name,) in self._reader.query(query)), key=mailbox_order)

    def subscribe(self, account_id: int, name: str, wanted: bool) -> None:
        name = new_mailbox_name(name) if wanted else mailbox_name(name)
        table = models.Subscription

        def work(tx: Transaction) -> None:
            if not wanted:
                table.delete().where(table.account == account_id, table.name == name).execute(tx.database)
                return
            if not _names(tx, account_id):
                raise NoSuchAccount()
            others = table.select(fn.COUNT(table.name)).where(table.account == account_id, table.name != name)
            if others.scalar(tx.database) >= self._options.max_mailboxes:
                raise LimitReached("Too many subscriptions")
            table.insert(account=account_id, name=name).on_conflict_ignore().execute(tx.database)

        self._writer.run(work, grows=wanted)

    def annotations(self, account_id: int, mailbox: str) -> dict[str, bytes]:
        sql = "SELECT entry, value FROM annotation WHERE account_id=? AND mailbox=?"
        return dict(self._reader.rows(sql, (account_id, mailbox_name(mailbox))))

    def annotate(self, account_id: int, mailbox: str, entries: Mapping[str, bytes | None]) -> None:
        mailbox, table = mailbox_name(mailbox), models.Annotation
        kept = {entry: value for entry, value in entries.items() if value is not None}
        if any(len(entry) > LONGEST_NAME or len(kept[entry]) > self._options.max_annotation_bytes for entry in kept):
            raise LimitReached("Annotation is too long")
        most = self._options.max_annotations_bytes
        place = (table.account == account_id, table.mailbox == mailbox)

        def work(tx: Transaction) -> None:
            table.delete().where(*place, table.entry.in_(list(entries))).execute(tx.database)
            if not kept:
                return
            names = _names(tx, account_id)
            if not names:
                raise NoSuchAccount()
            if mailbox and mailbox not in names:
                raise NoSuchMailbox()
            others = table.select(fn.COUNT(table.entry)).where(*place).scalar(tx.database)
            if others + len(kept) > self._options.max_annotations:
                raise LimitReached("Too many annotations")
            ((octets,),) = tx.execute(_ANNOTATED, (account_id,)).fetchall()
            if octets + sum(len(entry) + len(value) for entry, value in kept.items()) > most:
                raise OverQuota("The annotations would take too much")
            for entry, value in kept.items():
                table.insert(account=account_id, mailbox=mailbox, entry=entry, value=value).execute(tx.database)

        self._writer.run(work, grows=bool(kept))


def _names(tx: Transaction, account_id: int) -> dict[str, int]:
    return dict(tx.execute("SELECT name, id FROM mailbox WHERE account_id=?", (account_id,)).fetchall())


def _free_use(tx: Transaction, account_id: int, use: str) -> str:
    """This special use, or "" if another mailbox has it: Sent that is deleted and made again gets back its use."""
    taken = tx.execute("SELECT special_use FROM mailbox WHERE account_id=?", (account_id,)).fetchall()
    return use if not any(use in uses.split() for (uses,) in taken) else ""


def _rename(tx: Transaction, account_id: int, known: dict[str, int], name: str, new: str) -> None:
    if new in known:
        raise MailboxExists()
    tx.execute("UPDATE mailbox SET name=? WHERE id=?", (new, known[name]))
    tx.execute("UPDATE annotation SET mailbox=? WHERE account_id=? AND mailbox=?", (new, account_id, name))
