"""The messages of a view, stored compactly: an account may have 50 000 of them, and 50 sessions that show them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import compress
from typing import Any

from chatgate.api import Message

from ..syntax import flags, sets

_ONE_BY_ONE = 50  # up to so many are removed one at a time; for more it is cheaper to rebuild the columns
_ROW = 37  # octets of a message in the columns
_FEW = 4  # flags that are kept as a set; a larger set takes up to ten times the memory of its text

# The marks of a message, a bit each: the client has read its content; its flags must still be told; they must be told
# with the current command; they are not told, as the client set them itself; it was expunged, EXPUNGE not yet sent.
FETCHED, UNTOLD, WANTED, UNSAID, GONE = 1, 2, 4, 8, 16

Flags = frozenset[str]

_SYSTEM = frozenset(flags.SYSTEM)


class Messages(Sequence[Message]):
    """By ascending UID, in columns: 37 octets each, while records in a list would take 250. A message with many flags
    also has their text; small sets of flags are mostly shared by many messages.

    uids: of all messages, for `sets`. marks: the marks of each message. These are not sets of UIDs: with all messages
    marked in all sessions, such sets took twice as much memory as the messages.
    """

    __slots__ = ("uids", "marks", "_modseqs", "_sizes", "_dates", "_flags", "_keywords")

    def __init__(self) -> None:
        self.uids, self.marks = array("I"), bytearray()
        self._modseqs, self._sizes, self._dates = array("Q"), array("Q"), array("q")
        self._flags: list[Flags | str] = []
        self._keywords = 0  # octets, about

    @property
    def octets(self) -> int:
        """Approximate octets in memory, rather too many: the old flags of changed messages are not subtracted, as they
        may have been shared.
        """
        return _ROW * len(self.uids) + self._keywords

    def extend(self, messages: Sequence[Message]) -> set[Flags]:
        """Append messages, by ascending UID above all others. Returns the different sets of flags that they have."""
        if not messages:
            return set()
        uids, modseqs, column, sizes, dates = zip(*messages, strict=True)
        self.uids.extend(uids)
        self.marks.extend(bytes(len(uids)))
        self._modseqs.extend(modseqs)
        self._sizes.extend(sizes)
        self._dates.extend(dates)
        kinds: set[Flags] = set(column)
        self._keywords += sum(map(_octets, kinds))
        self._flags += column if max(map(len, kinds)) <= _FEW else map(_kept, column)
        return kinds

    def join(self, others: Messages) -> None:
        """Append messages whose UIDs are higher than all here."""
        self.uids.extend(others.uids)
        self.marks.extend(others.marks)
        self._modseqs.extend(others._modseqs)
        self._sizes.extend(others._sizes)
        self._dates.extend(others._dates)
        self._flags += others._flags
        self._keywords += others._keywords

    def __len__(self) -> int:
        return len(self.uids)

    def __getitem__(self, at: Any) -> Any:
        return Message(self.uids[at], self._modseqs[at], self.flags(at), self._sizes[at], self._dates[at])

    def change(self, changed: Sequence[tuple[int, Message]]) -> None:
        """Replace messages, given as (position, new message with the same UID)."""
        for at, (_, modseq, kind, size, date) in changed:
            self._modseqs[at], self._flags[at], self._sizes[at], self._dates[at] = modseq, _kept(kind), size, date
        self._keywords += sum(map(_octets, {message.flags for _, message in changed}))

    def __iter__(self) -> Iterator[Message]:
        columns = (self.uids, self._modseqs, map(_whole, self._flags), self._sizes, self._dates)
        return map(Message._make, zip(*columns, strict=True))

    def flags(self, at: int) -> Flags:
        return _whole(self._flags[at])

    def modseq(self, at: int) -> int:
        return self._modseqs[at]

    def position(self, uid: int) -> int | None:
        return sets.place(self.uids, uid)

    def mark(self, at: int, mark: int) -> bool:
        """Set a mark. Returns whether it was not set before."""
        new = not self.marks[at] & mark
        self.marks[at] |= mark
        return new

    def unmark(self, at: int, marks: int) -> None:
        self.marks[at] &= ~marks

    def mark_all(self, mark: int) -> None:
        self.marks = self.marks.translate(bytes(value | mark for value in range(256)))

    def marked(self, marks: int) -> Iterator[int]:
        """Positions of the messages with any of these marks, ascending. Each is searched for only when it is needed."""
        search, at = _any_of(marks).search, -1
        while found := search(self.marks, at + 1):
            at = found.start()
            del found  # while it exists, `marks` cannot be resized
            yield at

    def remove(self, gone: Sequence[int]) -> None:
        """gone: positions, descending."""
        self._keywords -= self._keywords * len(gone) // max(1, len(self))
        if len(gone) <= _ONE_BY_ONE:
            for at in gone:
                del self.uids[at], self.marks[at], self._flags[at]
                del self._modseqs[at], self._sizes[at], self._dates[at]
            return
        stay = bytearray(b"\1") * len(self)
        for at in gone:
            stay[at] = 0
        self.uids, self._modseqs = array("I", compress(self.uids, stay)), array("Q", compress(self._modseqs, stay))
        self._sizes, self._dates = array("Q", compress(self._sizes, stay)), array("q", compress(self._dates, stay))
        self._flags, self.marks = list(compress(self._flags, stay)), bytearray(compress(self.marks, stay))


@cache
def _any_of(marks: int) -> re.Pattern[bytes]:
    values = bytes(value for value in range(256) if value & marks)
    return re.compile(b"[%s]" % re.escape(values), re.S)


def _kept(kind: Flags) -> Flags | str:
    return kind if len(kind) <= _FEW else flags.packed(kind)


def _whole(kept: Flags | str) -> Flags:
    return flags.unpacked(kept) if isinstance(kept, str) else kept


def _octets(kind: Flags) -> int:
    """Approximate octets of a set of flags that no other message has; 0 without keywords, as such sets are few."""
    if kind <= _SYSTEM:
        return 0
    own, each = (50, 1) if len(kind) > _FEW else (220, 50)
    return own + sum(map(len, kind)) + each * len(kind)
