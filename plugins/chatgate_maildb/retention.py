"""For the sweeper: which messages are due, what an account keeps, removing by the hundred, what was fetched."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from operator import attrgetter

import gevent

from chatgate.api import Kept, give_turn
from chatgate_maildb import rows
from chatgate_maildb.models import LARGE
from chatgate_maildb.part import Part
from chatgate_maildb.writer import Transaction

# Rows read before other greenlets get a turn. A few hundred may each lie on a page of their own, still on the disk.
_WINDOW = 250

# Notes of fetched messages in memory before they get a transaction of their own: some hundred KB.
_NOTES = 5000

_KEPT = "mailbox_id, uid, size, date, fetched OR instr(' '||flags||' ', ' \\Seen ')>0"
_DUE = f"""SELECT {_KEPT} FROM message INDEXED BY %s WHERE (date, mailbox_id, uid)>(?, ?, ?) AND date<? AND %s
    ORDER BY date, mailbox_id, uid LIMIT {_WINDOW}"""
_DUE_OF_ALL = _DUE % ("message_date", "true")
_DUE_LARGE = _DUE % ("message_large", f"size>{LARGE}")
_OF_MAILBOX = f"SELECT {_KEPT} FROM message WHERE mailbox_id=? AND uid>? ORDER BY uid LIMIT {_WINDOW}"
_FETCHED = """UPDATE message SET fetched=1
    WHERE mailbox_id=? AND uid IN (SELECT value FROM json_each(?)) AND fetched=0"""


class Retention(Part):
    def __init__(self) -> None:
        self._fetched: dict[int, set[int]] = {}  # UIDs by mailbox that wait to be written
        self._notes = 0

    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        if not self._fetched:
            self.writer.later(self._write_fetched)
        self._fetched.setdefault(mailbox_id, set()).update(uids)
        self._notes += len(uids)
        if self._notes > _NOTES:
            self._notes = 0
            gevent.spawn(self._flush)

    def _write_fetched(self, tx: Transaction) -> None:
        fetched, self._fetched, self._notes = self._fetched, {}, 0
        for mailbox_id, uids in fetched.items():
            for chunk in rows.chunks(tx, list(uids)):
                tx.execute(_FETCHED, (mailbox_id, json.dumps(chunk)))

    def _flush(self) -> None:
        """Have written what was noted: with a transaction, for which it waits."""
        if self._fetched:
            self.writer.run(lambda tx: None)

    def due(self, before: int, larger: int = 0, fetched: bool = False, account_id: int | None = None) -> Iterator[Kept]:
        """By date, the oldest first."""
        self._flush()
        if account_id is not None:
            of_account = sorted(self.kept(account_id), key=attrgetter("date", "mailbox_id", "uid"))
            found = (kept for kept in of_account if kept.date < before)
        else:
            found = self._due(before, _DUE_LARGE if larger >= LARGE else _DUE_OF_ALL)
        return (kept for kept in found if kept.size > larger and (kept.fetched or not fetched))

    def _due(self, before: int, sql: str) -> Iterator[Kept]:
        behind = (-(1 << 62), 0, 0)  # APPEND may give dates long before 1970
        while found := self.reader.rows(sql, (*behind, before)):
            yield from map(_kept, found)
            behind = (found[-1][3], found[-1][0], found[-1][1])
            give_turn()

    def kept(self, account_id: int) -> list[Kept]:
        self._flush()
        kept: list[Kept] = []
        for (mailbox_id,) in self.reader.rows("SELECT id FROM mailbox WHERE account_id=?", (account_id,)):
            uid = 0
            while found := self.reader.rows(_OF_MAILBOX, (mailbox_id, uid)):
                kept += map(_kept, found)
                uid = found[-1][1]
                give_turn()
        return kept

    def remove(self, messages: Collection[tuple[int, int]]) -> int:
        pairs = list(messages)
        return self.writer.run(lambda tx: rows.remove(tx, rows.select_pairs(tx, pairs)))


def _kept(row: tuple[int, int, int, int, int]) -> Kept:
    mailbox_id, uid, size, date, fetched = row
    return Kept(mailbox_id, uid, size, date, bool(fetched))
