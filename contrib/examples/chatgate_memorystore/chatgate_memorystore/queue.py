"""What is on its way elsewhere; but for `settle`, which may store something."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Sequence

from chatgate.api import QUEUE, Destination, Outgoing, Queued, Reply, Skip, kept_reply
from chatgate_memorystore.data import Data

DAYS = 2 * 86400.0  # seconds for which it is tried


class Opened:
    """A content that is read in pieces."""

    def __init__(self, content: bytes) -> None:
        self.size, self._content = len(content), content

    def read(self, start: int, length: int) -> bytes:
        return self._content[start : start + length]

    def close(self) -> None:
        pass


class Queue:
    def __init__(self, data: Data) -> None:
        self._data = data
        self._rows: dict[int, Queued] = {}
        self._contents: dict[int, bytes] = {}  # by row
        self._row_ids = itertools.count(1)

    def enqueue(
        self, content: bytes, destinations: Sequence[Destination], sender: str, account_id: int | None, trace: str
    ) -> list[Queued]:
        now = time.time()
        rows: list[Queued] = []
        for one in destinations:
            if isinstance(one, Outgoing):
                number = next(self._row_ids)
                message = rows[0].message if rows else number
                whose = (message, account_id, sender, one.recipient, one.domain, len(content))
                rows.append(Queued(number, *whose, came=now, expires=now + DAYS, due=now, trace=trace))
        self._rows |= {row.id: row for row in rows}
        self._contents |= {row.id: content for row in rows}
        if rows:
            self._data.post(QUEUE)
        return rows

    def claim(self, limit: int, seconds: float, now: float, skip: Skip | None = None) -> list[Queued]:
        skip = skip or Skip()
        wanted = [row for row in self._rows.values() if row.due <= now and row.domain not in skip.domains]
        wanted = [row for row in wanted if row.account_id not in skip.accounts]
        due = sorted(wanted, key=lambda row: (row.due, row.id))
        claimed = [row._replace(due=now + seconds, attempts=row.attempts + 1) for row in due[:limit]]
        self._rows |= {row.id: row for row in claimed}
        return [row._replace(expired=row.expires <= now) for row in claimed]

    def next_due(self, after: float | None = None) -> float | None:
        return min((row.due for row in self._rows.values() if after is None or row.due > after), default=None)

    def open_queued(self, queued_id: int) -> Opened | None:
        content = self._contents.get(queued_id)
        return None if content is None else Opened(content)

    def postpone(self, rows: Sequence[Queued], until: float, reply: Reply | None = None) -> list[int]:
        done = []
        for row in sorted(rows, key=lambda row: row.id):
            kept = self._rows.get(row.id)
            if kept is None or kept.attempts != row.attempts:
                continue
            due = kept.due if kept.held else until if row.expired else min(until, row.expires)
            self._rows[row.id] = kept._replace(due=due, reply=kept_reply(reply) if reply else kept.reply)
            done.append(row.id)
        return done

    def delay(self, domain: str, until: float, now: float) -> int:
        mine = [row for row in self._rows.values() if row.domain == domain and row.due <= now < row.expires]
        if until <= now:
            return 0
        self._rows |= {row.id: row._replace(due=min(until, row.expires)) for row in mine}
        return len(mine)

    def hold(self, ids: Collection[int]) -> list[Queued]:
        return self._rows_as(ids, lambda row: row._replace(held=True, due=row.expires))

    def offer(self, ids: Collection[int], now: float) -> list[Queued]:
        found = self._rows_as(ids, lambda row: row._replace(held=False, due=now))
        if found:
            self._data.post(QUEUE)
        return found

    def _rows_as(self, ids: Collection[int], how: Callable[[Queued], Queued]) -> list[Queued]:
        found = [how(self._rows[number]) for number in sorted(set(ids) & self._rows.keys())]
        self._rows |= {row.id: row for row in found}
        return found

    def queue(self, after: int = 0, limit: int = 1000) -> list[Queued]:
        return [self._rows[number] for number in sorted(one for one in self._rows if one > after)[:limit]]

    def count_queue(self) -> int:
        return len(self._rows)

    def drop(self, ids: Collection[int]) -> list[Queued]:
        found = [self._rows.pop(number) for number in sorted(set(ids) & self._rows.keys())]
        for row in found:
            del self._contents[row.id]
        return found
