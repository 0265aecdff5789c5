"""For the sweeper: which messages are due, what an account keeps, what was fetched. Removing is in removal.py."""

from __future__ import annotations

import collections
import json
from collections.abc import Collection, Iterator

import gevent

from chatgate.api import LEAST_LARGE, Kept, give_turn
from chatgate_maildb import rows
from chatgate_maildb.part import Part
from chatgate_maildb.writer import Transaction

# Rows read before other greenlets get a turn. A few hundred may each lie on a page of their own, still on the disk.
_WINDOW = 250

# Rows whose age is looked at before other greenlets get a turn.
_SCANNED = 1000

# Notes of fetched messages in memory before they get a transaction of their own: some hundred KB.
_NOTES = 5000

_KEPT = "mailbox_id, uid, size, date, max(fetched, instr(' '||flags||' ', ' \\Seen ')>0)"
_LAST = f"""SELECT mailbox_id, uid FROM message WHERE (mailbox_id, uid)>(?, ?)
    ORDER BY mailbox_id, uid LIMIT 1 OFFSET {_SCANNED}"""
_OLD = f"""SELECT {_KEPT} FROM message WHERE (mailbox_id, uid)>(?1, ?2) AND (mailbox_id, uid)<=(?3, ?4) AND date<?5
    ORDER BY mailbox_id, uid"""
_LARGE = f"""SELECT {_KEPT} FROM message INDEXED BY message_large
    WHERE (date, mailbox_id, uid)>(?, ?, ?) AND date<? AND size>{LEAST_LARGE}
    ORDER BY date, mailbox_id, uid LIMIT {_WINDOW}"""
_OF_MAILBOX = f"SELECT {_KEPT} FROM message WHERE mailbox_id=? AND uid>? ORDER BY uid LIMIT {_WINDOW}"
_FETCHED = """UPDATE message SET fetched=fetched+?
    WHERE mailbox_id=? AND uid IN (SELECT value FROM json_each(?))"""


class Retention(Part):
    def __init__(self) -> None:
        self._fetched: dict[int, collections.Counter[int]] = {}  # UIDs by mailbox that wait to be written
        self._notes = 0

    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        if not self._fetched:
            self.writer.later(self._write_fetched)
        self._fetched.setdefault(mailbox_id, collections.Counter()).update(uids)
        self._notes += len(uids)
        if self._notes > _NOTES:
            self._notes = 0
            gevent.spawn(self._flush)

    def _write_fetched(self, tx: Transaction) -> None:
        fetched, self._fetched, self._notes = self._fetched, {}, 0
        for mailbox_id, counted in fetched.items():
            for times in set(counted.values()):
                uids = [uid for uid, count in counted.items() if count == times]
                for chunk in rows.chunks(tx, uids):
                    tx.execute(_FETCHED, (times, mailbox_id, json.dumps(chunk)))

    def _flush(self) -> None:
        """Have written what was noted: with a transaction, for which it waits."""
        if self._fetched:
            self.writer.run(lambda tx: None)

    def old(self, before: int) -> Iterator[Kept]:
        """All messages are looked at, some 150 ms for a million. An index by date would cost each delivery more."""
        self._flush()
        behind, end = (0, 0), (1 << 62, 0)
        while behind != end:
            last = next(iter(self.reader.rows(_LAST, behind)), end)
            yield from map(Kept._make, self.reader.rows(_OLD, (*behind, *last, before)))
            behind = last
            give_turn()

    def large(self, larger: int, before: int) -> Iterator[Kept]:
        self._flush()
        behind = (-(1 << 62), 0, 0)  # APPEND may give dates long before 1970
        while found := self.reader.rows(_LARGE, (*behind, before)):
            yield from (kept for kept in map(Kept._make, found) if kept.size > larger)
            behind = (found[-1][3], found[-1][0], found[-1][1])
            give_turn()

    def kept(self, account_id: int) -> list[Kept]:
        self._flush()
        kept: list[Kept] = []
        for (mailbox_id,) in self.reader.rows("SELECT id FROM mailbox WHERE account_id=?", (account_id,)):
            uid = 0
            while found := self.reader.rows(_OF_MAILBOX, (mailbox_id, uid)):
                kept += map(Kept._make, found)
                uid = found[-1][1]
                give_turn()
        return kept
