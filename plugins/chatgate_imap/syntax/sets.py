"""Sequence sets (RFC 3501 §9, sequence-set): parsing, resolving against the messages there are, writing compactly."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from .answers import Bad

SAVED = b"$"  # stands for what a SEARCH has saved (RFC 5182)
STAR = 0  # stands for "*"; no message has number 0
MAX_RANGES = 20_000

_NUMBER = rb"(?:[1-9]\d{0,9}|\*)"
_SET = re.compile(rb"%b(?::%b)?(?:,%b(?::%b)?)*" % ((_NUMBER,) * 4))
_LARGEST = 0xFFFFFFFF

Ranges = list[tuple[int, int]]


def parse(text: bytes) -> Ranges:
    """`1:3,7,*` as pairs in the order given, STAR for `*`. Raises Bad."""
    if not _SET.fullmatch(text):
        raise Bad("Invalid message set")
    if text.count(b",") >= MAX_RANGES:
        raise Bad("Message set has too many ranges")
    parts = text.replace(b"*", b"%d" % STAR).split(b",")
    if b":" not in text:  # this way 10 000 single UIDs take a millisecond
        numbers = list(map(int, parts))
        ranges = list(zip(numbers, numbers, strict=True))
    else:
        pairs = (part.partition(b":") for part in parts)
        ranges = [(int(low), int(high or low)) for low, _, high in pairs]
    if any(last > _LARGEST or first > _LARGEST for first, last in ranges):
        raise Bad("Invalid message number")
    return ranges


def ordered(ranges: Ranges, largest: int) -> Ranges:
    """The same set with `*` replaced, each range and all of them ascending, without overlap."""
    pairs = []
    for first, last in ranges:
        first, last = first or largest, last or largest
        pairs.append((first, last) if first <= last else (last, first))
    if len(pairs) == 1:
        return pairs
    pairs.sort()
    merged = [pairs[0]]
    for first, last in pairs[1:]:
        if first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def by_number(ranges: Ranges, count: int) -> Sequence[int]:
    """Positions (from 0) of the messages numbered in the set, ascending. Raises Bad for a number that no message has,
    as RFC 3501 §9 (seq-number) asks: `*` too in an empty mailbox.
    """
    if not count or any(first > count or last > count for first, last in ranges):
        raise Bad("Invalid message number")
    return _all((first - 1, last) for first, last in ordered(ranges, count))


def by_uid(ranges: Ranges, uids: Sequence[int]) -> Sequence[int]:
    """Positions (from 0) of the messages whose UID is in the set, ascending; UIDs that no message has are skipped.
    uids: ascending. `*` is the last UID, so `n:*` always includes the last message, unless the mailbox is empty.
    """
    if not uids:
        return array("I")
    return _all((bisect_left(uids, first), bisect_right(uids, last)) for first, last in ordered(ranges, uids[-1]))


def _all(spans: Iterable[tuple[int, int]]) -> Sequence[int]:
    """The numbers from the first up to but excluding the second one of each span: 4 octets each, 36 in a list."""
    found = array("I")
    for begin, end in spans:
        found.extend(range(begin, end))
    return found


def place(numbers: Sequence[int], number: int) -> int | None:
    """The index of the number among these ascending ones, None if it is not there."""
    at = bisect_left(numbers, number)
    return at if at < len(numbers) and numbers[at] == number else None


def holds(ranges: Ranges, number: int) -> bool:
    """Is the number in these ordered ranges?"""
    at = bisect_right(ranges, (number, _LARGEST + 1)) - 1
    return at >= 0 and ranges[at][0] <= number <= ranges[at][1]


def spans(numbers: Iterable[int]) -> Ranges:
    """The fewest ranges that contain exactly these ascending numbers."""
    found: Ranges = []
    first = last = 0
    for number in numbers:
        if last and number <= last + 1:
            last = number
            continue
        if last:
            found.append((first, last))
        first = last = number
    if last:
        found.append((first, last))
    return found


def gaps(numbers: Iterable[int], end: int) -> Ranges:
    """The gaps between these ascending numbers, from 1 up to but excluding `end`."""
    found, following = [], 1
    for number in numbers:
        if number > following:
            found.append((following, number - 1))
        following = number + 1
    if end > following:
        found.append((following, end - 1))
    return found


def common(one: Ranges, other: Ranges) -> Ranges:
    """The intersection of two ordered sets of ranges."""
    found, left, right = [], 0, 0
    while left < len(one) and right < len(other):
        first, last = max(one[left][0], other[right][0]), min(one[left][1], other[right][1])
        if first <= last:
            found.append((first, last))
        if one[left][1] < other[right][1]:
            left += 1
        else:
            right += 1
    return found


def text(ranges: Ranges) -> bytes:
    """The ranges as written in a response."""
    return b",".join(b"%d" % first if first == last else b"%d:%d" % (first, last) for first, last in ranges)


def compact(numbers: Iterable[int]) -> bytes:
    """`1:3,7` for numbers in any order."""
    return text(spans(sorted(numbers)))
