"""For the sweeper: which messages are old, what an account keeps, what was fetched. Removal is in removal.py."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from chatgate.api import LEAST_LARGE, Kept, OfDomains, give_turn
from chatgate_maildb.database import Reader
from chatgate_maildb.fetched import Fetched

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
# Whose mailboxes these are. Those that are being deleted are nobody's.
_OWNERS = """SELECT mailbox.id, address FROM json_each(?) list CROSS JOIN mailbox ON mailbox.id=list.value
    CROSS JOIN account ON account.id=account_id"""


class Retention:
    def __init__(self, reader: Reader, fetched: Fetched) -> None:
        self._reader, self._fetched = reader, fetched

    def note_fetched(self, mailbox_id: int, uids: Collection[int]) -> None:
        self._fetched.note(mailbox_id, uids)

    def old(self, before: int, only: OfDomains | None = None) -> Iterator[Kept]:
        """Examines all messages, which takes some 150 ms for a million. An index by date would slow down deliveries."""
        self._fetched.flush()
        behind, end = (0, 0), (1 << 62, 0)
        while behind != end:
            last = next(iter(self._reader.rows(_LAST, behind)), end)
            yield from self._of(only, self._read(_OLD, (*behind, *last, before)))
            behind = last
            give_turn()

    def large(self, larger: int, before: int, only: OfDomains | None = None) -> Iterator[Kept]:
        self._fetched.flush()
        behind = (-(1 << 62), 0, 0)  # APPEND may give dates long before 1970
        while found := self._read(_LARGE, (*behind, before)):
            yield from (kept for kept in self._of(only, found) if kept.size > larger)
            behind = (found[-1].date, found[-1].mailbox_id, found[-1].uid)
            give_turn()

    def kept(self, account_id: int) -> list[Kept]:
        self._fetched.flush()
        kept: list[Kept] = []
        for (mailbox_id,) in self._reader.rows("SELECT id FROM mailbox WHERE account_id=?", (account_id,)):
            uid = 0
            while found := self._read(_OF_MAILBOX, (mailbox_id, uid)):
                kept += found
                uid = found[-1].uid
                give_turn()
        return kept

    def _read(self, sql: str, parameters: tuple[int, ...]) -> list[Kept]:
        return list(map(Kept._make, self._reader.rows(sql, parameters)))

    def _of(self, only: OfDomains | None, found: list[Kept]) -> list[Kept]:
        """Those of these accounts. One query more, whose size is that of the piece that was read."""
        if only is None or not found:
            return found
        boxes = json.dumps(sorted({kept.mailbox_id for kept in found}))
        theirs = {mailbox_id for mailbox_id, address in self._reader.rows(_OWNERS, (boxes,)) if only.has(address)}
        return [kept for kept in found if kept.mailbox_id in theirs]
