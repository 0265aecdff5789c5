"""The queue of outgoing mail: rows are claimed, postponed, settled and listed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from chatgate.api import Content, Destination, Queued, Reply, Settled, Skip, kept_reply
from chatgate_maildb import bodies, outgoing, rows
from chatgate_maildb.bodies import Bodies
from chatgate_maildb.contents import Contents
from chatgate_maildb.copies import Copies
from chatgate_maildb.database import Reader
from chatgate_maildb.writer import Transaction, Writer

_LIST = f"SELECT {outgoing.COLUMNS} FROM outgoing WHERE id>? ORDER BY id LIMIT ?"
_BODY = """SELECT body.size, body.header_size, body.file, body.data FROM outgoing JOIN body ON body.id=body_id
    WHERE outgoing.id=?"""


class Queue:
    def __init__(self, reader: Reader, writer: Writer, bodies: Bodies, copies: Copies, contents: Contents) -> None:
        self._reader, self._writer = reader, writer
        self._bodies, self._copies, self._contents = bodies, copies, contents

    def claim(self, limit: int, seconds: float, now: float, skip: Skip | None = None) -> list[Queued]:
        skip = skip or Skip()
        if limit < 1 or not self._reader.rows(outgoing.ANY_DUE, outgoing.wanted(now, skip)):
            return []
        return self._writer.run(lambda tx: outgoing.claim(tx, limit, now + seconds, now, skip))

    def next_due(self, after: float | None = None) -> float | None:
        least = -math.inf if after is None else after
        ((due,),) = self._reader.rows("SELECT min(due) FROM outgoing WHERE due>?", (least,))
        return due

    def open_queued(self, queued_id: int) -> Content | None:
        return self._contents.opened(_BODY, (queued_id,))

    def postpone(self, rows: Sequence[Queued], until: float, reply: Reply | None = None) -> list[int]:
        said = kept_reply(reply) if reply else None
        heard = (said.code, said.enhanced, said.text) if said else (None, None, None)
        mine = sorted(rows, key=lambda row: row.id)

        def work(tx: Transaction) -> list[int]:
            return [row.id for row in mine if outgoing.postpone(tx, row, until, heard)]

        return self._writer.run(work) if rows else []

    def delay(self, domain: str, until: float, now: float) -> int:
        if until <= now or not self._reader.rows(outgoing.ANY_TO_DELAY, (now, domain, now)):
            return 0
        return self._writer.run(lambda tx: outgoing.delay(tx, domain, until, now), patient=True)

    def hold(self, ids: Collection[int]) -> list[Queued]:
        return self._writer.run(lambda tx: outgoing.hold(tx, ids), patient=rows.many(ids))

    def offer(self, ids: Collection[int], now: float) -> list[Queued]:
        return self._writer.run(lambda tx: outgoing.offer(tx, ids, now), patient=rows.many(ids))

    def settle(self, rows: Sequence[Queued], notice: tuple[bytes, Destination] | None = None) -> Settled:
        columns = [] if notice is None else [self._bodies.columns(notice[0])]

        def work(tx: Transaction) -> Settled:
            gone = [row.id for row in outgoing.remove(tx, [row.id for row in rows])]
            if not gone or notice is None or not self._copies.takes(tx, len(notice[0]), notice[1]):
                return Settled(gone)
            body_id = bodies.insert(tx, columns[0])
            whose = outgoing.Whose(trace=rows[0].trace)
            ((told,), _) = self._copies.add(tx, body_id, len(notice[0]), [notice[1]], whose, limited=False)
            return Settled(gone, told)

        settled = self._bodies.written(columns, work, grows=False)
        if settled.notice is None:
            self._bodies.drop(columns)
        return settled

    def queue(self, after: int = 0, limit: int = 1000) -> list[Queued]:
        return [outgoing.queued(row) for row in self._reader.rows(_LIST, (after, limit))]

    def count_queue(self) -> int:
        ((count,),) = self._reader.rows("SELECT value FROM meta WHERE key='queued'")
        return count

    def drop(self, ids: Collection[int]) -> list[Queued]:
        return self._writer.run(lambda tx: outgoing.remove(tx, ids), patient=rows.many(ids))
