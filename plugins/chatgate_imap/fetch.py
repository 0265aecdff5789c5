"""FETCH items (RFC 3501 §6.4.5): parsed once into a plan of small functions, then run for each message."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache

from . import flags, mime
from .answers import Bad
from .envelope import envelope, structure
from .parser import MONTHS, Parser
from .source import Source

MAX_ITEMS = 100
CACHED_LENGTH = 512  # octets of a FETCH's items up to which the plan is kept; Delta Chat's longest has 190
_MAX_FIELD_NAMES = 4096  # octets of all names in one HEADER.FIELDS

_MACROS = {
    "ALL": b"(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
    "FAST": b"(FLAGS INTERNALDATE RFC822.SIZE)",
    "FULL": b"(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)",
}
_ITEM = re.compile(rb"[A-Za-z0-9.]+")
_PART = re.compile(rb"\d{1,6}(?:\.\d{1,6})*(?=[\].])")
_SECTION_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.I)
_PARTIAL = re.compile(rb"<(\d{1,10})\.(\d{1,10})>")
_FIELD_NAME = re.compile(rb"[!-9;-~]+")


# Pieces, so that a message of 30 MB is not copied once for each bracket around it.
Render = Callable[[Source], tuple[bytes, ...]]


class Plan:
    """items: what to write for a message, in order. sets_seen: some item is BODY[…] without PEEK or its like."""

    __slots__ = ("items", "sets_seen", "uid", "flags", "modseq")

    def __init__(self, items: list[Render], names: set[str], sets_seen: bool) -> None:
        self.items = tuple(items)
        self.sets_seen = sets_seen
        self.uid = "UID" in names
        self.flags = "FLAGS" in names
        self.modseq = "MODSEQ" in names

    def render(self, source: Source) -> list[bytes]:
        """The inside of `* n FETCH (…)` in pieces. Raises Gone."""
        pieces: list[bytes] = []
        for item in self.items:
            if pieces:
                pieces.append(b" ")
            pieces += item(source)
        return pieces


# ------------------------------------------------------------------------------------------ simple items


def _date(seconds: int) -> bytes:
    t = time.gmtime(seconds)
    return b'"%2d-%s-%04d %02d:%02d:%02d +0000"' % (
        t.tm_mday, MONTHS[t.tm_mon - 1].encode(), t.tm_year, t.tm_hour, t.tm_min, t.tm_sec,
    )  # fmt: skip


def _text_of(source: Source) -> bytes:
    content = source.content()
    return content[mime.body_start(content, 0, len(content)) :]


def _literal(name: bytes, octets: bytes) -> tuple[bytes, bytes]:
    """Literals must not hold NUL (RFC 3501 §9, CHAR8); Dovecot sends 0x80 in its place, so sizes stay true."""
    if b"\0" in octets:
        octets = octets.replace(b"\0", b"\x80")
    return b"%s {%d}\r\n" % (name, len(octets)), octets


_SIMPLE: dict[str, Render] = {
    "UID": lambda s: (b"UID %d" % s.uid,),
    "FLAGS": lambda s: (b"FLAGS " + flags.wire(s.flags, s.recent),),
    "INTERNALDATE": lambda s: (b"INTERNALDATE " + _date(s.date),),
    "RFC822.SIZE": lambda s: (b"RFC822.SIZE %d" % s.size,),
    "MODSEQ": lambda s: (b"MODSEQ (%d)" % s.modseq,),
    "ENVELOPE": lambda s: (b"ENVELOPE ", envelope(s.fields())),
    "BODY": lambda s: (b"BODY ", structure(s.root(), extended=False)),
    "BODYSTRUCTURE": lambda s: (b"BODYSTRUCTURE ", structure(s.root(), extended=True)),
    "RFC822": lambda s: _literal(b"RFC822", s.content()),
    "RFC822.HEADER": lambda s: _literal(b"RFC822.HEADER", s.header()),
    "RFC822.TEXT": lambda s: _literal(b"RFC822.TEXT", _text_of(s)),
}

# ------------------------------------------------------------------------------------------ sections


_VALUE = rb"[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*(?:\n|\Z)"


def _picker(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Finds the whole fields of these names, folded lines and all: one pass in C."""
    return re.compile(rb"^(?:%s)%s" % (b"|".join(map(re.escape, names)), _VALUE), re.M | re.I)


def _dropper(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Finds every field but these."""
    return re.compile(rb"^(?!(?:%s)[ \t]*:)[!-9;-~]+%s" % (b"|".join(map(re.escape, names)), _VALUE), re.M | re.I)


Section = Callable[[Source], bytes | None]


def _section(path: tuple[int, ...], text: str, names: tuple[bytes, ...]) -> Section:
    """A function that gives the octets of a section, or None where the message has no such section."""
    if text.startswith("HEADER.FIELDS"):
        find = (_dropper if text.endswith("NOT") else _picker)(names).findall

        def pick(header: bytes) -> bytes:
            # The empty line belongs to the answer also when no field matched (RFC 3501 §6.4.5).
            return b"".join(find(header[: mime.MAX_HEADER])) + b"\r\n"
    else:

        def pick(header: bytes) -> bytes:
            return header

    if not path:
        if text == "":
            return Source.content
        if text == "TEXT":
            return _text_of
        return lambda source: pick(source.header())

    def numbered(source: Source) -> bytes | None:
        part = mime.find(source.root(), path)
        if part is None:
            return None
        content = source.content()
        if text == "":
            return content[part.body : part.end]
        if text == "MIME":
            return content[part.start : part.body]
        if part.message is None:
            return None
        inner = part.message
        if text == "TEXT":
            return content[inner.body : inner.end]
        return pick(content[inner.start : inner.body])

    return numbered


def _parse_section(parser: Parser) -> tuple[Section, bytes]:
    """Behind `BODY[`: the function, and the section as the answer names it."""
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
    text = ""
    names: tuple[bytes, ...] = ()
    if parser.peek() != b"]":
        found = parser.match(_SECTION_TEXT)
        if found is None:
            raise Bad("Invalid section")
        text = found[0].decode("ascii").upper()
        label += text.encode()
        if text == "MIME" and not path:
            raise Bad("MIME needs a part number")
        if text.startswith("HEADER.FIELDS"):
            parser.space()
            fields = parser.astrings()
            if sum(map(len, fields)) > _MAX_FIELD_NAMES or not all(_FIELD_NAME.fullmatch(name) for name in fields):
                raise Bad("Invalid header field name")
            names = tuple(fields)
            label += b" (%s)" % b" ".join(fields)
    parser.expect(b"]")
    return _section(path, text, names), label


def _body_item(parser: Parser) -> Render:
    section, label = _parse_section(parser)
    partial = parser.match(_PARTIAL)
    if partial is None:
        name = b"BODY[%s]" % label

        def whole(source: Source) -> tuple[bytes, ...]:
            octets = section(source)
            return (name, b" NIL") if octets is None else _literal(name, octets)

        return whole
    offset, length = int(partial[1]), int(partial[2])
    if not length:
        raise Bad("Invalid partial fetch")
    name = b"BODY[%s]<%d>" % (label, offset)

    def cut(source: Source) -> tuple[bytes, ...]:
        octets = section(source)
        return (name, b" NIL") if octets is None else _literal(name, octets[offset : offset + length])

    return cut


# ------------------------------------------------------------------------------------------ plans


def _parse_item(parser: Parser, names: set[str]) -> tuple[Render, bool]:
    """One item, and whether it sets \\Seen."""
    found = parser.match(_ITEM)
    if found is None:
        raise Bad("Expected a FETCH item")
    name = found[0].decode("ascii").upper()
    if name in ("BODY", "BODY.PEEK") and parser.skip(b"["):
        return _body_item(parser), name == "BODY"
    render = _SIMPLE.get(name)
    if render is None:
        raise Bad("Unknown FETCH item")
    names.add(name)
    return render, name in ("RFC822", "RFC822.TEXT")


def parse(parser: Parser) -> Plan:
    """The items of a FETCH, a macro or a list."""
    found = _ITEM.match(parser.line, parser.pos)
    if found is not None and (macro := _MACROS.get(found[0].decode("ascii").upper())):
        parser.pos = found.end()
        parser = Parser([macro])
    names: set[str] = set()
    items, sets_seen = [], False
    listed = parser.skip(b"(")
    while True:
        item, seen = _parse_item(parser, names)
        items.append(item)
        sets_seen |= seen
        if len(items) > MAX_ITEMS:
            raise Bad("Too many FETCH items")
        if not listed:
            break
        if parser.skip(b")"):
            break
        parser.space()
    return Plan(items, names, sets_seen)


@lru_cache(maxsize=512)
def cached(items: bytes) -> Plan:
    """The plan for the rest of a command line without literals: clients ask for the same few things all day."""
    parser = Parser([items])
    plan = parse(parser)
    parser.end()
    return plan
