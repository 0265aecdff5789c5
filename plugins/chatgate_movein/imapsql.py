"""Mailboxes in the schema of go-imap-sql, of maddy and madmail 1: rows in SQL, the content of messages in files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from chatgate_movein import names, unpacking
from chatgate_movein.places import Place
from chatgate_movein.records import LARGEST_UID, Folder, Letter, Unreadable
from chatgate_movein.sql import Database, number, text

_PAGE = 500
_LATEST = 4_102_444_800  # 2100-01-01

_BOXES = "SELECT id, name, sub, uidnext, uidvalidity, specialuse FROM mboxes WHERE uid=? ORDER BY id"
_MESSAGES = f"""SELECT msgId, date, bodyLen, extBodyKey, seen, compressAlgo FROM msgs WHERE mboxId=? AND msgId>?
    ORDER BY msgId LIMIT {_PAGE}"""
_HIGHEST = "SELECT max(msgId) FROM msgs WHERE mboxId=? AND msgId<=?"
_BEYOND = "SELECT count(*) FROM msgs WHERE mboxId=? AND (msgId<1 OR msgId>?)"
_FLAGS = "SELECT msgId, flag FROM flags WHERE mboxId=? AND msgId>=? AND msgId<=?"


class Mailboxes:
    """messages: the folder with the contents. most: octets of a message."""

    def __init__(self, database: Database, messages: Path, most: int) -> None:
        self._database, self._messages, self._most = database, messages, most

    def users(self) -> dict[str, int]:
        """The ids of those who have mailboxes, by name."""
        rows = self._database.rows("SELECT username, id FROM users ORDER BY id")
        return {name: id for name, id in rows if text(name) and number(id, 0, 1 << 62) is not None}

    def folders(self, user: int) -> Iterator[Folder]:
        for id, name, subscribed, uidnext, uidvalidity, use in self._database.rows(_BOXES, (user,)):
            faults = []
            if (validity := number(uidvalidity, 1, (1 << 32) - 1)) is None:
                faults.append("it has no UIDVALIDITY: apps will fetch its messages anew")
            following = number(uidnext, 1, LARGEST_UID) or 1
            ((highest,),) = self._database.rows(_HIGHEST, (id, LARGEST_UID))
            following = max(following, (number(highest, 1, LARGEST_UID) or 0) + 1)
            ((beyond,),) = self._database.rows(_BEYOND, (id, LARGEST_UID))
            if beyond:
                faults.append(f"{beyond} messages have no UID that there can be")
            letters = partial(self._letters, id)
            there = names.levels(text(name))
            yield Folder(there, validity or 0, following, letters, text(use), bool(subscribed), faults)

    def _letters(self, box: int, above: int) -> Iterator[Letter]:
        last: Any = above
        while rows := self._database.rows(_MESSAGES, (box, last)):
            if number(rows[-1][0], 1, 1 << 62) is None:
                raise Unreadable("it has a message without a UID")
            flags: dict[Any, set[str]] = {}
            for uid, flag in self._database.rows(_FLAGS, (box, rows[0][0], rows[-1][0])):
                flags.setdefault(uid, set()).add(text(flag))
            for uid, date, size, key, seen, algorithm in rows:
                if number(uid, 1, LARGEST_UID) is None:
                    continue
                marked = flags.get(uid, set()) | ({"\\Seen"} if seen else set())
                read = partial(self._read, key, size, text(algorithm))
                yield Letter(uid, number(date, 0, _LATEST) or 0, sorted(marked - {""}), read)
            last = rows[-1][0]

    def _read(self, key: Any, size: Any, algorithm: str) -> bytes:
        with Place(self._messages) as place:
            content = unpacking.named(algorithm, place.read(text(key), self._most), self._most)
        if number(size, 0, 1 << 62) is not None and len(content) != size:
            raise Unreadable(f"damaged: it has {len(content)} octets, {size} are noted")
        return content
