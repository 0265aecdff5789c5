"""For the sweeper: which messages are old, what an account keeps, what was fetched. Removal is in removal.py."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from chatgate.api import LEAST_LARGE, Kept, give_turn
from chatgate_maildb.part import Part

# Rows read before other greenlets get a turn. Each row may be on a different page, still to be read from the disk.
_WINDOW = 250

# Rows whose age is checked before other greenlets get a turn.
_SCANNED = 1000

_KEPT = "mailbox_id, uid, size, date, max(fetched, instr(' '||flags||' ', ' \\Seen ')>0)"
_LAST = f"""SELECT mailbox_id, uid FROM message WHERE (mailbox_id, uid)>(?, ?)
    ORDER BY mailbox_id, uid LIMIT 1 OFFSET {_SCANNED}"""
_OLD = f"""SELECT {_KEPT} FROM message WHERE (mailbox_id, uid)>(?1, ?2) AND (mailbox_id, uid)<=(?3, ?4) AND date<?5
    ORDER BY mailbox_id, uid"""
_LARGE = f"""SELECT {_KEPT} FROM message INDEXED BY message_large
    WHERE (date, mailbox_id, uid)>(?, ?, ?) AND date<? AND size>{LEAST_LARGE}
    ORDER BY date, mailbox_id, uid LIMIT {_WINDOW}"""
_OF_MAILBOX = f"SELECT {_KEPT} FROM message WHERE mailbox_id=? AND uid>? ORDER BY uid LIMIT {_WINDOW}"


class Retention(Part):
    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        self.fetched.note(mailbox_id, uids)

    def old(self, before: int) -> Iterator[Kept]:
        """Examines all messages, which takes some 150 ms for a million. An index by date would slow down deliveries."""
        self.fetched.flush()
        behind, end = (0, 0), (1 << 62, 0)
        while behind != end:
            last = next(iter(self.reader.rows(_LAST, behind)), end)
            yield from map(Kept._make, self.reader.rows(_OLD, (*behind, *last, before)))
            behind = last
            give_turn()

    def large(self, larger: int, before: int) -> Iterator[Kept]:
        self.fetched.flush()
        behind = (-(1 << 62), 0, 0)  # APPEND may give dates long before 1970
        while found := self.reader.rows(_LARGE, (*behind, before)):
            yield from (kept for kept in map(Kept._make, found) if kept.size > larger)
            behind = (found[-1][3], found[-1][0], found[-1][1])
            give_turn()

    def kept(self, account_id: int) -> list[Kept]:
        self.fetched.flush()
        kept: list[Kept] = []
        for (mailbox_id,) in self.reader.rows("SELECT id FROM mailbox WHERE account_id=?", (account_id,)):
            uid = 0
            while found := self.reader.rows(_OF_MAILBOX, (mailbox_id, uid)):
                kept += map(Kept._make, found)
                uid = found[-1][1]
                give_turn()
        return kept
