"""Parts of transactions on message rows that several operations share.

Lists of ids are passed as one JSON parameter, read by json_each: one statement for a whole chunk. A statement for each
row costs ten times as much, as SQLite then saves the pages it touches anew for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

from chatgate.api import Copied, NoSuchMailbox, OverQuota
from chatgate_maildb.flags import SEEN, has
from chatgate_maildb.writer import Transaction

# (uid, body_id, size, flags, modseq) of a message
Row = tuple[int, int, int, str, int]


@dataclass(slots=True)
class Quota:
    """What an account may keep; 0 for no limit. octets: for accounts without a quota of their own. domains: quotas of
    domains, by name, where they differ.
    """

    octets: int
    messages: int
    domains: Mapping[str, Quota] = field(default_factory=dict)

    def at(self, address: str) -> Quota:
        """The quota for accounts of this address's domain."""
        return self.domains.get(address.rpartition("@")[2], self) if self.domains else self

    def of(self, own: int | None) -> int:
        """Octets that an account with this quota of its own may keep; None: it has none."""
        return self.octets if own is None else own

    def allows(self, own: int | None, octets: int, messages: int) -> bool:
        limit = self.of(own)
        return (not limit or octets <= limit) and (not self.messages or messages <= self.messages)


# Rows handled before other greenlets get a turn: a copy of so many takes some 2 ms.
_CHUNK = 200

# A job with more messages than this lets others go first.
_MANY = 100

# Rows of a deleted mailbox in one transaction.
_DELETED_AT_ONCE = 100

# What to do with the bodies of removed messages.
Bodies = Callable[[Transaction, list[int]], None]

_COLUMNS = "mailbox_id, uid, body_id, modseq, flags, size, date"
_GROW = """UPDATE mailbox SET uidnext=uidnext+?1, modseq=modseq+min(?1, 1), messages=messages+?1, unseen=unseen+?2,
    octets=octets+?3 WHERE id=?4 AND account_id IS NOT NULL RETURNING account_id, uidnext-?1, modseq, uidvalidity"""
_SHRINK = """UPDATE mailbox SET modseq=modseq+1, messages=mailbox.messages-gone.messages,
    unseen=mailbox.unseen-gone.unseen, octets=mailbox.octets-gone.octets
    FROM (SELECT json_extract(value, '$[0]') id, json_extract(value, '$[1]') messages,
          json_extract(value, '$[2]') unseen, json_extract(value, '$[3]') octets FROM json_each(?)) gone
    WHERE mailbox.id=gone.id AND account_id IS NOT NULL RETURNING mailbox.id"""
_SELECT = "SELECT uid, body_id, size, flags, modseq FROM message WHERE mailbox_id=?"
_NEXT = f"{_SELECT} AND uid>? ORDER BY uid LIMIT {_CHUNK}"
_THESE = _SELECT + " AND uid IN (SELECT value FROM json_each(?)) ORDER BY uid"
# A pair of mailbox and UID is passed as one number, which takes SQLite half the time of a pair in JSON.
_PAIR = "list.value>>32, list.value&4294967295"
_ROOM = """SELECT ifnull(sum(octets), 0), ifnull(sum(messages), 0), (SELECT quota FROM account WHERE id=?1)
    FROM mailbox WHERE account_id=?1"""
_ADDRESS = "SELECT address FROM account WHERE id=?"
INSERT = f"INSERT INTO message ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
# CROSS JOIN: SQLite keeps this order, and looks up each UID instead of comparing each message with the list.
_COPY = f"""INSERT INTO message ({_COLUMNS}, fetched)
    SELECT ?, ?+list.key, body_id, ?, flags, size, date, fetched FROM json_each(?) list
    CROSS JOIN message ON mailbox_id=? AND uid=list.value"""
_DELETE = f"""DELETE FROM message WHERE (mailbox_id, uid) IN (SELECT {_PAIR} FROM json_each(?) list)
    RETURNING mailbox_id, uid, body_id, size, flags"""
_REMEMBER = """INSERT INTO expunged (mailbox_id, modseq, uid)
    SELECT mailbox.id, modseq, list.value&4294967295 FROM json_each(?) list
    CROSS JOIN mailbox ON mailbox.id=list.value>>32 AND account_id IS NOT NULL"""
# A body without a row in `shared` has one message.
_SHARED = "INSERT INTO shared (body_id, copies) VALUES (?, ?)"
_MORE_COPIES = """INSERT INTO shared (body_id, copies)
    SELECT value, 1+count(*) FROM json_each(?) WHERE true GROUP BY value
    ON CONFLICT DO UPDATE SET copies=copies+excluded.copies-1"""
_FEWER_COPIES = """UPDATE shared SET copies=copies-gone.n
    FROM (SELECT value id, count(*) n FROM json_each(?) GROUP BY value) gone WHERE body_id=gone.id"""
_LAST_COPIES = """DELETE FROM body WHERE id IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM shared WHERE body_id=body.id AND copies>0) RETURNING file"""

_RELEASE = "INSERT INTO released (body_id) SELECT value FROM json_each(?)"
_WORKED_OFF = "DELETE FROM released WHERE id IN (SELECT value FROM json_each(?)) RETURNING body_id"


def many(items: Sized) -> bool:
    """Are these so many messages that the job should let others go first? An account may have some 10 000, and 50
    sessions that keep copying or flagging them; a delivery then waits for one of these jobs at most.
    """
    return len(items) > _MANY


def chunks(tx: Transaction, items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Parts of a long list, with a turn for other greenlets after each."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
        if len(items) > _CHUNK:
            tx.breathe()


def select(tx: Transaction, mailbox_id: int, uids: Collection[int] | None) -> list[Row]:
    """The rows of these UIDs (None: all) by ascending UID; unknown ones are skipped."""
    found: list[Row] = []
    if uids is None:
        while rows := tx.execute(_NEXT, (mailbox_id, found[-1][0] if found else 0)).fetchall():
            found += rows
            tx.breathe()
        return found
    for chunk in chunks(tx, sorted(uids)):
        found += tx.execute(_THESE, (mailbox_id, json.dumps(chunk))).fetchall()
    return found


def _numbers(pairs: Iterable[tuple[int, int]]) -> str:
    return json.dumps([mailbox_id << 32 | uid for mailbox_id, uid in pairs])


def unseen(rows: Iterable[Row]) -> int:
    return sum(not has(row[3], SEEN) for row in rows)


def has_room(tx: Transaction, account_id: int, messages: int, octets: int, quota: Quota) -> bool:
    """May an account keep this in addition to what it has?"""
    ((kept, count, own),) = tx.execute(_ROOM, (account_id,)).fetchall()
    if quota.domains:
        for (address,) in tx.execute(_ADDRESS, (account_id,)).fetchall():
            quota = quota.at(address)
    return quota.allows(own, kept + octets, count + messages)


def grow(
    tx: Transaction, mailbox_id: int, messages: int, unseen: int, octets: int, quota: Quota | None
) -> tuple[int, int, int]:
    """Allocate UIDs for new messages: (first UID, modseq, UIDVALIDITY). quota: None: the quota is not checked.
    Raises NoSuchMailbox, OverQuota.
    """
    found = tx.execute(_GROW, (messages, unseen, octets, mailbox_id)).fetchall()
    if not found:
        raise NoSuchMailbox()
    ((account_id, uid, modseq, uidvalidity),) = found
    if quota is not None and not has_room(tx, account_id, 0, 0, quota):
        raise OverQuota()
    if messages:
        tx.changed.add(mailbox_id)
    return uid, modseq, uidvalidity


def remove(tx: Transaction, pairs: Sequence[tuple[int, int]], bodies: Bodies | None) -> int:
    """Remove messages, as (mailbox id, UID), from mailboxes and remember that they are gone, except in mailboxes that
    are deleted themselves, as nobody will ask for those. Returns how many messages there were.
    bodies: what to do with their bodies; None if these belong to other messages now.
    """
    removed = 0
    for chunk in chunks(tx, pairs):
        gone = tx.execute(_DELETE, (_numbers(chunk),)).fetchall()
        counts: dict[int, list[int]] = {}
        for mailbox_id, _, _, size, flags in gone:
            count = counts.setdefault(mailbox_id, [mailbox_id, 0, 0, 0])
            count[1] += 1
            count[2] += not has(flags, SEEN)
            count[3] += size
        shrunk = tx.execute(_SHRINK, (json.dumps(list(counts.values())),)).fetchall()
        tx.changed.update(mailbox_id for (mailbox_id,) in shrunk)
        tx.execute(_REMEMBER, (_numbers((mailbox_id, uid) for mailbox_id, uid, *_ in gone),))
        if bodies is not None:
            bodies(tx, [body_id for _, _, body_id, _, _ in gone])
        removed += len(gone)
    return removed


def delete_some(tx: Transaction, mailbox_id: int) -> int:
    """Remove some messages of a deleted mailbox; returns how many."""
    uids = tx.execute("SELECT uid FROM message WHERE mailbox_id=? LIMIT ?", (mailbox_id, _DELETED_AT_ONCE)).fetchall()
    return remove(tx, [(mailbox_id, uid) for (uid,) in uids], drop_bodies)


def share(tx: Transaction, body_id: int, copies: int) -> None:
    """Record how many messages have a new body."""
    if copies > 1:
        tx.execute(_SHARED, (body_id, copies))


def drop_bodies(tx: Transaction, body_ids: list[int]) -> None:
    """Each of these bodies has lost a message. Remove the bodies without messages, and their files after the commit."""
    numbers = json.dumps(body_ids)
    tx.execute(_FEWER_COPIES, (numbers,))
    for (file,) in tx.execute(_LAST_COPIES, (numbers,)).fetchall():
        if file is not None:
            tx.dropped.append(file)


def release_bodies(tx: Transaction, body_ids: list[int]) -> None:
    """Note the bodies in `released`; `drop_released` does later what `drop_bodies` does at once."""
    tx.execute(_RELEASE, (json.dumps(body_ids),))


def drop_released(tx: Transaction, notes: list[int]) -> int:
    """Process notes by their ids; returns how many still existed: another process may have been faster."""
    body_ids = [body_id for (body_id,) in tx.execute(_WORKED_OFF, (json.dumps(notes),)).fetchall()]
    drop_bodies(tx, body_ids)
    return len(body_ids)


def copy(
    tx: Transaction, source_id: int, uids: Collection[int] | None, target_id: int, move: bool, quota: Quota
) -> Copied:
    """Copy or move messages (uids None: all), or none if one of them is gone; the bodies are shared, not copied.
    Raises NoSuchMailbox, OverQuota.
    """
    rows = select(tx, source_id, uids)
    if uids is not None and len(rows) < len(set(uids)):
        rows = []
    octets = unread = 0
    for chunk in chunks(tx, rows):
        octets += sum(row[2] for row in chunk)
        unread += unseen(chunk)
    # A move inside the account needs no room, but the originals are counted until they are removed below.
    first, modseq, uidvalidity = grow(tx, target_id, len(rows), unread, octets, None if move else quota)
    following = first
    for chunk in chunks(tx, rows):
        tx.execute(_COPY, (target_id, following, modseq, json.dumps([row[0] for row in chunk]), source_id))
        following += len(chunk)
    if move:
        remove(tx, [(source_id, row[0]) for row in rows], None)
    else:
        for chunk in chunks(tx, rows):
            tx.execute(_MORE_COPIES, (json.dumps([row[1] for row in chunk]),))
    return Copied(uidvalidity, [row[0] for row in rows], range(first, following))
