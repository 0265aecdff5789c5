"""Messages: listed, flagged, removed, copied. How they arrive is in storing.py, their content in contents.py."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from typing import Literal

from chatgate.api import (
    Changes,
    Copied,
    FlagsChanged,
    Message,
    NoSuchMailbox,
    Status,
    Work,
    normal_flags,
)
from chatgate_maildb import rows
from chatgate_maildb.database import Reader
from chatgate_maildb.flags import DELETED, SEEN, has, parsed, text
from chatgate_maildb.rows import Quota, many
from chatgate_maildb.writer import Transaction, Writer

_LIST = "SELECT uid, modseq, flags, size, date FROM message "
_PIECE = _LIST + "WHERE mailbox_id=? AND uid>? AND uid<? ORDER BY uid LIMIT ?"
# The statement names its index: without statistics SQLite would choose to scan the whole mailbox.
_SINCE = _LIST + "INDEXED BY message_modseq WHERE mailbox_id=? AND modseq>? LIMIT ?"
_LARGEST = 1 << 32  # more than any UID
_AT_ONCE = 1000  # rows read before others get a turn
_UIDS = "SELECT uid FROM message WHERE mailbox_id=? AND uid>? AND uid<? ORDER BY uid LIMIT ?"
_GONE = """SELECT modseq, uid FROM expunged WHERE mailbox_id=? AND (modseq, uid)>(?, ?) AND modseq<=?
    ORDER BY modseq, uid LIMIT ?"""

_STEP = """UPDATE mailbox SET modseq=modseq+?, unseen=unseen-? WHERE id=? AND account_id IS NOT NULL
    RETURNING modseq"""
_FLAG = "UPDATE message SET flags=?, modseq=? WHERE mailbox_id=? AND uid IN (SELECT value FROM json_each(?))"


def _message(row: tuple) -> Message:
    uid, modseq, flags, size, date = row
    # Half the cost of Message(…), which counts when a mailbox of thousands is opened.
    return _new(Message, (uid, modseq, parsed(flags), size, date))


_new = tuple.__new__


class Messages:
    def __init__(self, reader: Reader, writer: Writer, quota: Quota) -> None:
        self._reader, self._writer, self._quota = reader, writer, quota

    def status(self, mailbox_id: int) -> Status:
        return Status._make(self._mailbox(mailbox_id, "messages, unseen, uidnext, uidvalidity, modseq, octets"))

    def changes(self, mailbox_id: int, since: int = 0) -> Changes:
        """A large mailbox is read in pieces, with turns for other greenlets between them. Changes made meanwhile may be
        included or not; asking again since the modseq of the answer, which is read first, returns them in any case.
        """
        # Sessions look for changes after each command, and mostly there are none: that takes only this one row.
        modseq, uidnext, history = self._mailbox(mailbox_id, "modseq, uidnext, history")
        if since >= modseq:
            return Changes(modseq, uidnext, [], [])
        if since <= 0 or since < history:
            return Changes(modseq, uidnext, self._window(mailbox_id, -1, uidnext), None)
        gone = self._expunged(mailbox_id, since, modseq)
        found = self._reader.rows(_SINCE, (mailbox_id, since, _AT_ONCE))
        if len(found) < _AT_ONCE:
            messages = [message for message in sorted(map(_message, found)) if message.uid < uidnext]
            return Changes(modseq, uidnext, messages, gone)
        return Changes(modseq, uidnext, self._window(mailbox_id, since, uidnext), gone)

    def pages(self, mailbox_id: int, uidnext: int) -> Iterator[list[Message]]:
        for found in self._rows(_PIECE, (mailbox_id,), (-1,), (uidnext,)):
            # Not by _message(): this line is most of the cost of opening a mailbox with thousands of messages.
            yield [_new(Message, (uid, modseq, parsed(flags), size, date)) for uid, modseq, flags, size, date in found]

    def _window(self, mailbox_id: int, since: int, uidnext: int) -> Iterable[Message]:
        """The messages with a higher modseq, by UID. If there are many, they are read while the caller iterates."""
        pages = self.pages(mailbox_id, uidnext)
        page = next(pages, [])
        if len(page) < _AT_ONCE:
            return [message for message in page if message.modseq > since]
        return (message for page in itertools.chain([page], pages) for message in page if message.modseq > since)

    def _rows(self, sql: str, before: tuple, key: tuple, behind: tuple = ()) -> Iterator[list[tuple]]:
        """The rows of a statement, page by page, with turns for other greenlets between them. Its parameters are
        `before`, the key of the last row read, `behind` and a limit. The key is the first columns of each row.
        """
        work = None
        while found := self._reader.rows(sql, (*before, *key, *behind, _AT_ONCE)):
            yield found
            if len(found) < _AT_ONCE:
                return
            key = found[-1][: len(key)]
            work = work or Work()
            work.turn()

    def _mailbox(self, mailbox_id: int, columns: str) -> tuple:
        found = self._reader.rows(f"SELECT {columns} FROM mailbox WHERE id=? AND account_id IS NOT NULL", (mailbox_id,))
        if not found:
            raise NoSuchMailbox()
        return found[0]

    def _expunged(self, mailbox_id: int, since: int, until: int) -> list[int]:
        pages = self._rows(_GONE, (mailbox_id,), (since, _LARGEST), (until,))
        return sorted(uid for page in pages for _, uid in page)

    def set_flags(
        self,
        mailbox_id: int,
        uids: Collection[int],
        how: Literal["add", "remove", "replace"],
        flags: Iterable[str],
        unchanged_since: int | None = None,
    ) -> FlagsChanged:
        wanted = normal_flags(flags)

        def changed(before: frozenset[str]) -> frozenset[str]:
            return before | wanted if how == "add" else before - wanted if how == "remove" else wanted

        def work(tx: Transaction, piece: Collection[int]) -> FlagsChanged:
            updates: dict[str, list[int]] = {}  # UIDs by the flags that they get
            refused, seen = [], 0
            for uid, _, _, old, modseq in rows.select(tx, mailbox_id, piece):
                tx.breathe()
                before = parsed(old)
                after = changed(before)
                if unchanged_since is not None and modseq > unchanged_since:
                    refused.append(uid)
                elif after != before:
                    updates.setdefault(text(after), []).append(uid)
                    seen += (SEEN in after) - (SEEN in before)
            modseqs = self._set(tx, mailbox_id, updates, seen)
            return FlagsChanged(modseqs, sorted(uid for uids in updates.values() for uid in uids), refused)

        done = [self._writer.run(partial(work, piece=piece), patient=many(uids)) for piece in _split(uids) or [[]]]
        return FlagsChanged(*(list(itertools.chain.from_iterable(each)) for each in zip(*done, strict=True)))

    def _set(self, tx: Transaction, mailbox_id: int, updates: dict[str, list[int]], seen: int) -> list[int]:
        """Write the new flags; returns the modseq they got, if there are any."""
        found = tx.execute(_STEP, (bool(updates), seen, mailbox_id)).fetchall()
        if not found:
            raise NoSuchMailbox()
        if not updates:
            return []
        ((modseq,),) = found
        for flags, uids in updates.items():
            tx.breathe()  # there may be as many sets of flags as messages
            for chunk in rows.chunks(tx, uids):
                tx.execute(_FLAG, (flags, modseq, mailbox_id, json.dumps(chunk)))
        tx.changed.add(mailbox_id)
        return [modseq]

    def expunge(self, mailbox_id: int, uids: Collection[int] | None = None, only_deleted: bool = True) -> list[int]:
        """Many messages are removed in several transactions, so that deliveries need not wait for all of them."""

        def work(tx: Transaction, piece: Collection[int] | None) -> list[int]:
            found = rows.select(tx, mailbox_id, piece)
            if only_deleted:
                found = [row for row in found if has(row[3], DELETED)]
            gone = [row[0] for row in found]
            rows.remove(tx, [(mailbox_id, uid) for uid in gone], rows.drop_bodies)
            return gone

        if uids is None:
            found = self._reader.rows("SELECT messages, uidnext FROM mailbox WHERE id=?", (mailbox_id,))
            if not found or not many(range(found[0][0])):
                return self._writer.run(partial(work, piece=None))
            pages = self._rows(_UIDS, (mailbox_id,), (0,), (found[0][1],))
            uids = [uid for page in pages for (uid,) in page]
        gone: list[int] = []
        for piece in _split(uids):
            gone += self._writer.run(partial(work, piece=piece), patient=many(uids))
        return gone

    def copy(self, mailbox_id: int, uids: Collection[int], target_id: int, move: bool = False) -> Copied:
        work = partial(rows.copy, source_id=mailbox_id, uids=uids, target_id=target_id, move=move, quota=self._quota)
        return self._writer.run(work, patient=many(uids), grows=not move)


def _split(uids: Collection[int]) -> list[list[int]]:
    """The UIDs in order, in a chunk for each transaction: deliveries need not wait for all of them."""
    ordered = sorted(uids)
    return [ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE)]
