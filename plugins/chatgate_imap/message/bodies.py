"""Searching for strings in messages: each body is read and decoded once for all strings of a command, in pieces."""

from __future__ import annotations

import calendar
import email.utils
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import mime, words
from .addresses import addresses
from .header import Header

if TYPE_CHECKING:
    from .source import Source

_PIECE = 1 << 16  # octets that are decoded at once: some milliseconds in the slowest charset
_MAX_DATE = 200  # octets of a Date field


def date_of(value: bytes) -> int | None:
    """The day of a Date field as Unix seconds of its 00:00, or None."""
    parsed = email.utils.parsedate(value[:_MAX_DATE].decode("ascii", "replace"))
    if parsed is None:
        return None
    try:
        return calendar.timegm((parsed[0], parsed[1], parsed[2], 0, 0, 0))
    except (ValueError, OverflowError):
        return None


class Found:
    """The strings that were found: those in text parts or in headers of messages inside the message, and those in
    headers of other parts.
    """

    __slots__ = ("body", "headers")

    def __init__(self) -> None:
        self.body: set[str] = set()
        self.headers: set[str] = set()


class Wanted:
    """The (folded) strings that a SEARCH looks for in bodies."""

    def __init__(self) -> None:
        self._strings: set[str] = set()

    def add(self, wanted: str) -> str:
        self._strings.add(wanted)
        return wanted

    def find(self, source: Source) -> Found:
        """Raises Gone, TooMuchWork."""
        found = Found()
        root = source.root()
        for part, is_message in _parts(root):
            source.work.step()
            if part is not root:
                self._look(found.body if is_message else found.headers, self._header(source, part), source)
            if part.textual:
                self._read(found.body, source, part)
        return found

    @staticmethod
    def _header(source: Source, part: mime.Part) -> str:
        length = min(part.body - part.start, mime.MAX_PART_HEADER)
        return Header(source.content().read(part.start, length), source.work).whole_text()

    def _look(self, found: set[str], text: str, source: Source) -> None:
        for wanted in source.work.each(self._strings - found):
            if wanted in text:
                found.add(wanted)

    def _read(self, found: set[str], source: Source, part: mime.Part) -> None:
        content = source.content()
        decoder = words.Decoder(part.encoding.lower(), part.parameter(b"charset"))
        overlap, before = max(map(len, self._strings), default=0) - 1, ""
        for start in range(part.body, part.end, _PIECE):
            if found >= self._strings:
                return
            length = min(_PIECE, part.end - start)
            piece = decoder.decode(content.read(start, length), final=start + length >= part.end)
            source.work.step()
            text = before + piece
            self._look(found, text, source)
            before = text[-overlap:] if overlap > 0 else ""


def _parts(root: mime.Part) -> Iterator[tuple[mime.Part, bool]]:
    """All parts, and whether it is the message inside a message/rfc822 part."""
    waiting = [(root, True)]
    while waiting:
        part, is_message = waiting.pop()
        yield part, is_message
        waiting += [(child, False) for child in part.children]
        if part.message is not None:
            waiting.append((part.message, True))


def address_text(header: Header, name: bytes, source: Source) -> str:
    """The addresses of a header for searching: as in ENVELOPE, without comments and quotes, a line each."""
    found = source.work.each(addresses(header.all(name), source.work))
    lines = [b"%s@%s" % (local, host) for _, _, local, host in found if local and host]
    return words.folded(b"\n".join(lines).decode("utf-8", "replace"))
