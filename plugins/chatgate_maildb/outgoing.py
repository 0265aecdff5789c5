"""Parts of transactions that work on rows of the queue.

A lease has no column: a row that is claimed becomes due again when the lease is over. Like a message, a row is a copy
of its body, and is counted with the messages.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from chatgate.api import QUEUE, Outgoing, Queued, QueueFull, Reply
from chatgate_maildb import rows
from chatgate_maildb.writer import Transaction

COLUMNS = """id, body_id, account_id, sender, recipient, domain, size, came, expires, due, attempts, code, enhanced,
    said"""
_INSERT = """INSERT INTO outgoing (body_id, account_id, sender, recipient, domain, size, came, expires, due, attempts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"""
# The totals are kept in `meta`: counting all rows for each message would take longer than everything else.
_COUNT = "UPDATE meta SET value=value+? WHERE key=? RETURNING value"
_OF_ACCOUNT = "SELECT count(*), ifnull(sum(size), 0) FROM outgoing WHERE account_id=?"
_DUE = f"SELECT {COLUMNS} FROM outgoing WHERE due<=? ORDER BY due, id LIMIT ?"
_CLAIM = "UPDATE outgoing SET due=?, attempts=attempts+1 WHERE id IN (SELECT value FROM json_each(?))"
_DELETE = f"DELETE FROM outgoing WHERE id IN (SELECT value FROM json_each(?)) RETURNING {COLUMNS}"


class Room(NamedTuple):
    """How much may be queued, in all and by one account."""

    rows: int
    octets: int
    rows_per_account: int
    octets_per_account: int


class Times(NamedTuple):
    """When new rows arrived, and until when delivery is tried."""

    now: float
    expires: float


def queued(row: Sequence[Any]) -> Queued:
    """A row of COLUMNS as a record."""
    *columns, code, enhanced, said = row
    return Queued._make([*columns, None if code is None else Reply(code, enhanced, said), False])


def admit(tx: Transaction, count: int, size: int, account_id: int | None, room: Room | None) -> None:
    """Add new rows to the totals. size: octets of each. room: None if there is no limit. Raises QueueFull."""
    kept, octets = _counted(tx, count, count * size)
    if room is None:
        return
    full = kept > room.rows or octets > room.octets
    if not full and account_id is not None:
        ((kept, octets),) = tx.execute(_OF_ACCOUNT, (account_id,)).fetchall()
        full = kept + count > room.rows_per_account or octets + count * size > room.octets_per_account
    if full:
        raise QueueFull()


def put(
    tx: Transaction, body_id: int, size: int, goes: Outgoing, sender: str, account_id: int | None, times: Times
) -> Queued:
    """Insert a row that `admit` has counted."""
    columns = (body_id, account_id, sender, goes.recipient, goes.domain, size, times.now, times.expires, times.now)
    tx.changed.add(QUEUE)
    return Queued(tx.execute(_INSERT, columns).lastrowid, *columns)


def claim(tx: Transaction, limit: int, until: float, now: float) -> list[Queued]:
    found = [queued(row) for row in tx.execute(_DUE, (now, limit)).fetchall()]
    tx.execute(_CLAIM, (until, json.dumps([row.id for row in found])))
    return [row._replace(due=until, attempts=row.attempts + 1, expired=row.expires <= now) for row in found]


def remove(tx: Transaction, ids: Collection[int]) -> list[Queued]:
    """Remove rows. Returns those that existed, by ascending id."""
    gone: list[Queued] = []
    for chunk in rows.chunks(tx, sorted(set(ids))):
        found = [queued(row) for row in tx.execute(_DELETE, (json.dumps(chunk),)).fetchall()]
        rows.drop_bodies(tx, [row.message for row in found])
        gone += found
    if gone:
        _counted(tx, -len(gone), -sum(row.size for row in gone))
    return sorted(gone, key=lambda row: row.id)


def _counted(tx: Transaction, rows: int, octets: int) -> tuple[int, int]:
    ((count,),) = tx.execute(_COUNT, (rows, "queued")).fetchall()
    ((total,),) = tx.execute(_COUNT, (octets, "queued_octets")).fetchall()
    return count, total
