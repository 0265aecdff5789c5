"""\\Recent (RFC 3501 §2.3.2): which session was first told of a message. Kept in the memory of the process; after a
restart it is unknown, and then "this message SHOULD be considered recent".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Sequence

from ..syntax import sets

_REMEMBERED = 100_000  # mailboxes; one forgotten shows its messages as recent once more
_MOST_RANGES = 200  # of one session that shares new messages with others; the oldest ranges stop being recent


class Recent:
    """For each mailbox the first UID that no session has claimed yet."""

    def __init__(self, remembered: int = _REMEMBERED) -> None:
        self._first: OrderedDict[int, int] = OrderedDict()
        self._remembered = remembered

    def first(self, mailbox_id: int) -> int:
        """The first UID nobody has claimed."""
        return self._first.get(mailbox_id, 1)

    def claim(self, mailbox_id: int, uidnext: int) -> int:
        """The caller claims all UIDs below `uidnext`; returns the first one that is recent for it."""
        first = self._first.get(mailbox_id, 1)
        if uidnext > first:
            self._first[mailbox_id] = uidnext
            if len(self._first) > self._remembered:
                self._first.popitem(last=False)
        if mailbox_id in self._first:
            self._first.move_to_end(mailbox_id)
        return first


class Own:
    """The UIDs that are \\Recent for one session, as ranges: each claim adds one, up to the UIDNEXT of that moment."""

    __slots__ = ("_ranges",)

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, end: int) -> None:
        """Add the UIDs from `first` up to but excluding `end`, unless they are already covered."""
        if self._ranges:
            first = max(first, self._ranges[-1][1] + 1)
        if first >= end:
            return
        if self._ranges and self._ranges[-1][1] == first - 1:
            first = self._ranges.pop()[0]
        self._ranges.append((first, end - 1))
        if len(self._ranges) > _MOST_RANGES:
            del self._ranges[0]

    def __contains__(self, uid: int) -> bool:
        return sets.holds(self._ranges, uid)

    def count(self, uids: Sequence[int]) -> int:
        """How many of these ascending UIDs are recent."""
        return sum(bisect_right(uids, last) - bisect_left(uids, first) for first, last in self._ranges)
