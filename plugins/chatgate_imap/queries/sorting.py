"""SORT (RFC 5256 §3): the keys by which messages are compared."""

from __future__ import annotations

import calendar
import email.utils
from collections.abc import Callable

from ..message import subjects, words
from ..message.addresses import addresses
from ..message.source import Source
from ..syntax.answers import Bad
from ..syntax.parser import Parser

MAX_CRITERIA = 20
_MAX_DATE = 200  # octets of a Date field
_MAX_ADDRESSES = 1 << 12  # octets of a field whose first address is compared
_MAX_LOCAL = 100  # octets of its local part
_MAX_TEXT = 200  # octets of a text that are compared
_ZERO = 1 << 63
_TURNED_ROUND = bytes(range(255, -1, -1))


def sent(source: Source) -> int:
    """The Date field as Unix seconds; the time of arrival if there is no valid one (RFC 5256 §2.2)."""
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


_KEYS: dict[str, Callable[[Source], int | str]] = {
    "ARRIVAL": lambda source: source.date,
    "CC": _mailbox(b"cc"),
    "DATE": sent,
    "FROM": _mailbox(b"from"),
    "SIZE": lambda source: source.size,
    "SUBJECT": _subject,
    "TO": _mailbox(b"to"),
}


def _octets(value: int | str) -> bytes:
    """Octets that compare like the values, even with further ones appended: numbers have a fixed length, and a text is
    followed by an octet that is less than all octets in it.
    """
    if isinstance(value, int):
        return (value + _ZERO).to_bytes(8, "big")
    return value.encode("utf-8", "replace")[:_MAX_TEXT].replace(b"\0", b"\1") + b"\0"


def parse(parser: Parser) -> Callable[[Source], bytes]:
    """Parse the criteria in parentheses into a function that returns the sort key of a message. The keys of all
    messages are in memory, where a single string of octets takes a fraction of a tuple. Raises Bad.
    """
    parser.expect(b"(")
    keys: dict[str, Callable[[Source], bytes]] = {}
    for _ in range(MAX_CRITERIA):
        word, key = _criterion(parser)
        keys.setdefault(word, key)  # repeating a criterion has no effect
        if parser.skip(b")"):
            return lambda source: b"".join([key(source) for key in keys.values()])
        parser.space()
    raise Bad("Too many sort criteria")


def _criterion(parser: Parser) -> tuple[str, Callable[[Source], bytes]]:
    word = parser.keyword()
    falling = word == "REVERSE"
    if falling:
        parser.space()
        word = parser.keyword()
    value = _KEYS.get(word)
    if value is None:
        raise Bad("Unknown sort criterion")
    if falling:
        return word, lambda source: _octets(value(source)).translate(_TURNED_ROUND)
    return word, lambda source: _octets(value(source))
