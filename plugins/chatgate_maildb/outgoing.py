"""Parts of transactions that work on rows of the queue.

A lease has no column: a row that is claimed becomes due again when the lease is over. Like a message, a row is a copy
of its body, and is counted with the messages.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from chatgate.api import QUEUE, Outgoing, Queued, QueueFull, Reply, Skip
from chatgate_maildb import rows
from chatgate_maildb.writer import Transaction

COLUMNS = """id, body_id, account_id, sender, recipient, domain, size, came, expires, due, attempts, code, enhanced,
    said, trace, held"""
_INSERT = """INSERT INTO outgoing
    (body_id, account_id, sender, recipient, domain, size, came, expires, due, attempts, trace)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"""
# The totals are kept in `meta`: counting all rows for each message would take longer than everything else.
_COUNT = "UPDATE meta SET value=value+? WHERE key=? RETURNING value"
_OF_ACCOUNT = "SELECT count(*), ifnull(sum(size), 0) FROM outgoing WHERE account_id=?"
# IN of a list of SQLite's own: the index has all that is asked of a row before it is read.
_WANTED = """due<=? AND domain NOT IN (SELECT value FROM json_each(?))
    AND ifnull(account_id, 0) NOT IN (SELECT value FROM json_each(?))"""
ANY_DUE = f"SELECT 1 FROM outgoing WHERE {_WANTED} LIMIT 1"
_DUE = f"SELECT {COLUMNS} FROM outgoing WHERE {_WANTED} ORDER BY due, id LIMIT ?"
_CLAIM = "UPDATE outgoing SET due=?, attempts=attempts+1 WHERE id IN (SELECT value FROM json_each(?))"
_TO_DELAY = "FROM outgoing WHERE due<=? AND domain=? AND expires>?"
ANY_TO_DELAY = f"SELECT 1 {_TO_DELAY} LIMIT 1"
_DELAY = f"""UPDATE outgoing SET due=min(?, expires) WHERE id IN (SELECT id {_TO_DELAY} ORDER BY due, id LIMIT ?)"""
_POSTPONE = """UPDATE outgoing SET due=CASE WHEN held THEN due WHEN ? THEN ? ELSE min(?, expires) END,
    code=ifnull(?, code), enhanced=ifnull(?, enhanced), said=ifnull(?, said) WHERE id=? AND attempts=?"""
_GIVEN = "WHERE id IN (SELECT value FROM json_each(?)) RETURNING"
_HOLD = f"UPDATE outgoing SET held=1, due=expires {_GIVEN} {COLUMNS}"
_OFFER = f"UPDATE outgoing SET held=0, due=? {_GIVEN} {COLUMNS}"
_DELETE = f"DELETE FROM outgoing WHERE id IN (SELECT value FROM json_each(?)) RETURNING {COLUMNS}"

_AT_ONCE = 500  # rows that one statement delays


class Room(NamedTuple):
    """How much may be queued, in all and by one account."""

    rows: int
    octets: int
    rows_per_account: int
    octets_per_account: int


class Whose(NamedTuple):
    """Who sends a message, and its name in logs."""

    sender: str = ""
    account_id: int | None = None
    trace: str = ""


class Times(NamedTuple):
    """When new rows arrived, and until when delivery is tried."""

    now: float
    expires: float


def queued(row: Sequence[Any]) -> Queued:
    """A row of COLUMNS as a record."""
    *columns, code, enhanced, said, trace, held = row
    return Queued._make([*columns, None if code is None else Reply(code, enhanced, said), trace, bool(held), False])


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


def put(tx: Transaction, body_id: int, size: int, goes: Outgoing, whose: Whose, times: Times) -> Queued:
    """Insert a row that `admit` has counted."""
    sent = (body_id, whose.account_id, whose.sender, goes.recipient, goes.domain, size)
    columns = (*sent, times.now, times.expires, times.now)
    tx.changed.add(QUEUE)
    return Queued(tx.execute(_INSERT, (*columns, whose.trace)).lastrowid, *columns, trace=whose.trace)


def wanted(now: float, skip: Skip) -> tuple[Any, ...]:
    """What stands for the rows that a claim may take."""
    return now, json.dumps([*skip.domains]), json.dumps([*skip.accounts])


def claim(tx: Transaction, limit: int, until: float, now: float, skip: Skip) -> list[Queued]:
    found = [queued(row) for row in tx.execute(_DUE, (*wanted(now, skip), limit)).fetchall()]
    tx.execute(_CLAIM, (until, json.dumps([row.id for row in found])))
    return [row._replace(due=until, attempts=row.attempts + 1, expired=row.expires <= now) for row in found]


def postpone(tx: Transaction, row: Queued, until: float, heard: tuple[Any, ...]) -> bool:
    return tx.execute(_POSTPONE, (row.expired, until, until, *heard, row.id, row.attempts)).rowcount > 0


def delay(tx: Transaction, domain: str, until: float, now: float) -> int:
    count = 0
    while moved := tx.execute(_DELAY, (until, now, domain, now, _AT_ONCE)).rowcount:
        count += moved
        tx.breathe()
    return count


def hold(tx: Transaction, ids: Collection[int]) -> list[Queued]:
    return _changed(tx, _HOLD, (), ids)


def offer(tx: Transaction, ids: Collection[int], now: float) -> list[Queued]:
    found = _changed(tx, _OFFER, (now,), ids)
    if found:
        tx.changed.add(QUEUE)
    return found


def _changed(tx: Transaction, statement: str, values: tuple[Any, ...], ids: Collection[int]) -> list[Queued]:
    found: list[Queued] = []
    for chunk in rows.chunks(tx, sorted(set(ids))):
        found += [queued(row) for row in tx.execute(statement, (*values, json.dumps(chunk))).fetchall()]
    return sorted(found, key=lambda row: row.id)


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
