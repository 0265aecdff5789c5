"""The messages of a view, kept small: an account may have some 100 000 of them, and 50 sessions that look at them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any

from chatgate.api import Message

from . import sets

_ONE_BY_ONE = 50  # removed one at a time; more of them cost less by making the columns anew


class Messages(Sequence[Message]):
    """By ascending UID, in columns: 36 octets each, where a list of records has 250.

    uids: of all of them, for `sets`.
    """

    __slots__ = ("uids", "_modseqs", "_sizes", "_dates", "_flags")

    def __init__(self) -> None:
        self.uids = array("I")
        self._modseqs, self._sizes, self._dates = array("Q"), array("Q"), array("q")
        self._flags: list[frozenset[str]] = []  # the sets themselves are shared

    def extend(self, messages: Sequence[Message]) -> None:
        """By ascending UID, above all others."""
        if messages:
            uids, modseqs, flags, sizes, dates = zip(*messages, strict=True)
            self.uids.extend(uids)
            self._modseqs.extend(modseqs)
            self._sizes.extend(sizes)
            self._dates.extend(dates)
            self._flags += flags

    def __len__(self) -> int:
        return len(self.uids)

    def __getitem__(self, at: Any) -> Any:
        return Message(self.uids[at], self._modseqs[at], self._flags[at], self._sizes[at], self._dates[at])

    def __setitem__(self, at: int, message: Message) -> None:
        """In place of one with the same UID."""
        _, self._modseqs[at], self._flags[at], self._sizes[at], self._dates[at] = message

    def __iter__(self) -> Iterator[Message]:
        columns = (self.uids, self._modseqs, self._flags, self._sizes, self._dates)
        return map(Message._make, zip(*columns, strict=True))

    def flags(self, at: int) -> frozenset[str]:
        return self._flags[at]

    def modseq(self, at: int) -> int:
        return self._modseqs[at]

    def position(self, uid: int) -> int | None:
        return sets.place(self.uids, uid)

    def remove(self, positions: Iterable[int]) -> None:
        """positions: descending."""
        gone = list(positions)
        if len(gone) <= _ONE_BY_ONE:
            for at in gone:
                del self.uids[at], self._modseqs[at], self._sizes[at], self._dates[at], self._flags[at]
            return
        stay = bytearray(b"\1") * len(self)
        for at in gone:
            stay[at] = 0
        self.uids, self._modseqs = array("I", compress(self.uids, stay)), array("Q", compress(self._modseqs, stay))
        self._sizes, self._dates = array("Q", compress(self._sizes, stay)), array("q", compress(self._dates, stay))
        self._flags = list(compress(self._flags, stay))
