"""Sections, the BODY[…] of FETCH (RFC 3501 §6.4.5): where their octets are in a message, or the chosen fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, cast

from ..message import mime
from ..message.header import Header
from ..message.source import Source
from ..syntax.answers import Bad
from ..syntax.parser import Parser

_MAX_FIELD_NAMES = 4096  # octets of all names in one HEADER.FIELDS

_PART = re.compile(rb"\d{1,6}(?:\.\d{1,6})*(?=[\].])")
_SECTION_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.I)
_FIELD_NAME = re.compile(rb"[!-9;-~]+")
_NO_ATOM = re.compile(rb'[(){%*"\\]')


class Slice(NamedTuple):
    """Octets of a message's content that are read when they are written: from `start` to before `end`."""

    start: int
    end: int


# Computed octets, and slices of the message for the rest; NUL is not replaced yet.
Pieces = tuple["bytes | Slice", ...]
# None: the message has no such section. Raises Gone, TooMuchWork.
Section = Callable[[Source], "Pieces | None"]


def length(pieces: Pieces) -> int:
    return sum(piece.end - piece.start if isinstance(piece, Slice) else len(piece) for piece in pieces)


def cut(pieces: Pieces, offset: int, count: int) -> Pieces:
    """`count` octets from `offset` on. A section is either one slice or only octets."""
    if len(pieces) == 1 and isinstance(pieces[0], Slice):
        start, end = pieces[0]
        start = min(start + offset, end)
        return (Slice(start, min(start + count, end)),)
    return (b"".join(cast("tuple[bytes, ...]", pieces))[offset : offset + count],)


def whole(source: Source) -> Pieces:
    return (Slice(0, source.content().size),)


def header(source: Source) -> Pieces:
    octets, end = source.header().octets, source.body()
    return (octets,) if len(octets) == end else (Slice(0, end),)


def text(source: Source) -> Pieces:
    return (Slice(source.body(), source.content().size),)


def _section(path: tuple[int, ...], kind: str, names: frozenset[bytes]) -> Section:
    def fields(header: Header) -> Pieces:
        # The response includes the empty line even if no field matched.
        kept = [whole for whole, name, _ in header.fields if (name.lower() in names) is not without]
        return (*kept, b"\r\n")

    without = kind == "HEADER.FIELDS.NOT"
    if not path:
        if kind.startswith("HEADER.FIELDS"):
            return lambda source: fields(source.header())
        return {"": whole, "TEXT": text, "HEADER": header}[kind]

    def numbered(source: Source) -> Pieces | None:
        part = mime.find(source.root(), path)
        if part is None:
            return None
        if kind == "":
            return (Slice(part.body, part.end),)
        if kind == "MIME":
            return (Slice(part.start, part.body),)
        inner = part.message
        if inner is None:
            return None
        if kind == "TEXT":
            return (Slice(inner.body, inner.end),)
        return (Slice(inner.start, inner.body),) if kind == "HEADER" else fields(inner.header)

    return numbered


def parse(parser: Parser) -> tuple[Section, bytes]:
    """The rest of an item after `BODY[`: the section, and its name in the response. Raises Bad."""
    path: tuple[int, ...] = ()
    label = b""
    if (found := parser.match(_PART)) is not None:
        path = tuple(int(number) for number in found[0].split(b"."))
        if len(path) > mime.MAX_DEPTH * 2 or 0 in path:
            raise Bad("Invalid section")
        label = found[0]
        if parser.peek() == b".":
            parser.pos += 1
            label += b"."
            if parser.peek() == b"]":
                raise Bad("Invalid section")
    kind = ""
    names: list[bytes] = []
    if parser.peek() != b"]":
        found = parser.match(_SECTION_TEXT)
        if found is None:
            raise Bad("Invalid section")
        kind = found[0].decode("ascii").upper()
        label += kind.encode()
        if kind == "MIME" and not path:
            raise Bad("MIME needs a part number")
        if kind.startswith("HEADER.FIELDS"):
            parser.space()
            names = parser.astrings()
            if sum(map(len, names)) > _MAX_FIELD_NAMES or not all(map(_FIELD_NAME.fullmatch, names)):
                raise Bad("Invalid header field name")
            label += b" (%s)" % b" ".join(map(_astring, names))
    parser.expect(b"]")
    return _section(path, kind, frozenset(name.lower() for name in names)), label


def _astring(name: bytes) -> bytes:
    """A field name as written in the response: some of its characters are special in IMAP."""
    if not _NO_ATOM.search(name):
        return name
    return b'"%s"' % name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
