"""SORT (RFC 5256 §3): what messages are compared by."""

from __future__ import annotations

import calendar
import email.utils
from collections.abc import Callable
from typing import Any

from . import subjects, words
from .addresses import addresses
from .answers import Bad
from .parser import Parser
from .source import Source

MAX_CRITERIA = 20
_MAX_DATE = 200  # octets of a Date field
_MAX_ADDRESSES = 1 << 12  # octets of a field whose first address is compared
_MAX_LOCAL = 100  # octets of its local part


class _Falling:
    """Turns the order round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Falling) and self.key == other.key

    def __lt__(self, other: _Falling) -> bool:
        return other.key < self.key


def sent(source: Source) -> int:
    """The Date field as Unix seconds; of a message without a proper one, when it arrived (RFC 5256 §2.2)."""
    value = source.header().get(b"date") or b""
    parsed = email.utils.parsedate_tz(value[:_MAX_DATE].decode("ascii", "replace"))
    if parsed is None:
        return source.date
    try:
        return calendar.timegm(parsed[:6] + (0, 0, 0)) - (parsed[9] or 0)
    except (ValueError, OverflowError):
        return source.date


def _subject(source: Source) -> str:
    return subjects.base(source.header().get(b"subject") or b"")[0]


def _mailbox(name: bytes) -> Callable[[Source], str]:
    """The local part of the first address of these fields."""

    def key(source: Source) -> str:
        for value in source.header().all(name)[:1]:
            for _, _, local, _ in addresses([value[:_MAX_ADDRESSES]], source.work)[:1]:
                return words.folded((local or b"")[:_MAX_LOCAL].decode("utf-8", "replace"))
        return ""

    return key


_KEYS: dict[str, Callable[[Source], Any]] = {
    "ARRIVAL": lambda source: source.date,
    "CC": _mailbox(b"cc"),
    "DATE": sent,
    "FROM": _mailbox(b"from"),
    "SIZE": lambda source: source.size,
    "SUBJECT": _subject,
    "TO": _mailbox(b"to"),
}


def parse(parser: Parser) -> Callable[[Source], tuple]:
    """The criteria in parentheses: a function that gives what a message is compared by. Raises Bad."""
    parser.expect(b"(")
    keys: dict[str, Callable[[Source], Any]] = {}
    for _ in range(MAX_CRITERIA):
        word, key = _criterion(parser)
        keys.setdefault(word, key)  # what is equal by a criterion is equal by it again
        if parser.skip(b")"):
            return lambda source: tuple(key(source) for key in keys.values())
        parser.space()
    raise Bad("Too many sort criteria")


def _criterion(parser: Parser) -> tuple[str, Callable[[Source], Any]]:
    word = parser.keyword()
    falling = word == "REVERSE"
    if falling:
        parser.space()
        word = parser.keyword()
    key = _KEYS.get(word)
    if key is None:
        raise Bad("Unknown sort criterion")
    return word, (lambda source: _Falling(key(source))) if falling else key
