"""FETCH items (RFC 3501 §6.4.5): parsed once into a plan of small functions, then run for each message."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache

from ..message.envelope import envelope, structure
from ..message.source import Source
from ..syntax import flags
from ..syntax.answers import Bad
from ..syntax.parser import MONTHS, Parser
from . import sections
from .sections import Pieces, Slice

MAX_ITEMS = 100
CACHED_LENGTH = 512  # octets of a FETCH's items up to which the plan is cached; Delta Chat's longest has 190

_MACROS = {
    "ALL": b"(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
    "FAST": b"(FLAGS INTERNALDATE RFC822.SIZE)",
    "FULL": b"(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)",
}
_ITEM = re.compile(rb"[A-Za-z0-9.]+")
_PARTIAL = re.compile(rb"<(\d{1,10})\.(\d{1,10})>")

Render = Callable[[Source], Pieces]


class Plan:
    """items: what to write for a message, in order. sets_seen: an item sets \\Seen, such as BODY[…] without PEEK."""

    __slots__ = ("items", "sets_seen", "uid", "flags", "modseq")

    def __init__(self, items: dict[bytes, Render], sets_seen: bool) -> None:
        self.items = tuple(items.values())
        self.sets_seen = sets_seen
        self.uid = b"UID" in items
        self.flags = b"FLAGS" in items
        self.modseq = b"MODSEQ" in items

    def render(self, source: Source) -> list[bytes | Slice]:
        """The inside of `* n FETCH (…)`. Everything that can fail is done before the first octet is written, as a
        response that has begun must be finished. Raises Gone, TooMuchWork.
        """
        pieces: list[bytes | Slice] = []
        for item in self.items:
            if pieces:
                pieces.append(b" ")
            source.work.step()
            pieces += item(source)
        return pieces


# ------------------------------------------------------------------------------------------ simple items

_FIRST_DAY, _LAST_SECOND = -62135596800, 253402300799  # of the years that fit into four digits


def _date(seconds: int) -> bytes:
    t = time.gmtime(min(max(seconds, _FIRST_DAY), _LAST_SECOND))
    return b'"%2d-%s-%04d %02d:%02d:%02d +0000"' % (
        t.tm_mday, MONTHS[t.tm_mon - 1].encode(), t.tm_year, t.tm_hour, t.tm_min, t.tm_sec,
    )  # fmt: skip


def _literal(name: bytes, octets: Pieces) -> Pieces:
    return (b"%s {%d}\r\n" % (name, sections.length(octets)), *octets)


_SIMPLE: dict[str, Render] = {
    "UID": lambda s: (b"UID %d" % s.uid,),
    "FLAGS": lambda s: (b"FLAGS " + flags.wire(s.flags, s.recent),),
    "INTERNALDATE": lambda s: (b"INTERNALDATE " + _date(s.date),),
    "RFC822.SIZE": lambda s: (b"RFC822.SIZE %d" % s.size,),
    "MODSEQ": lambda s: (b"MODSEQ (%d)" % s.modseq,),
    "ENVELOPE": lambda s: (b"ENVELOPE ", envelope(s.header(), s.work)),
    "BODY": lambda s: (b"BODY ", structure(s.root(), s.content(), s.work, extended=False)),
    "BODYSTRUCTURE": lambda s: (b"BODYSTRUCTURE ", structure(s.root(), s.content(), s.work, extended=True)),
    "RFC822": lambda s: _literal(b"RFC822", sections.whole(s)),
    "RFC822.HEADER": lambda s: _literal(b"RFC822.HEADER", sections.header(s)),
    "RFC822.TEXT": lambda s: _literal(b"RFC822.TEXT", sections.text(s)),
}

# ------------------------------------------------------------------------------------------ parsing


def _body_item(parser: Parser) -> tuple[bytes, Render]:
    """The rest of an item after `BODY[`: (a key that equal items share, what the item writes)."""
    section, label = sections.parse(parser)
    name = b"BODY[%s]" % label
    partial = parser.match(_PARTIAL)
    offset, count = (int(partial[1]), int(partial[2])) if partial else (0, 0)
    if partial:
        if not count:
            raise Bad("Invalid partial fetch")
        name += b"<%d>" % offset

    def render(source: Source) -> Pieces:
        octets = section(source)
        if octets is None:
            return (name, b" NIL")
        return _literal(name, sections.cut(octets, offset, count) if partial else octets)

    return b"%s.%d" % (name, count), render


def _parse_item(parser: Parser, items: dict[bytes, Render]) -> bool:
    """Add one item, unless it is there already: nobody needs the same octets twice. Returns whether it sets \\Seen."""
    found = parser.match(_ITEM)
    if found is None:
        raise Bad("Expected a FETCH item")
    name = found[0].upper()
    if name in (b"BODY", b"BODY.PEEK") and parser.skip(b"["):
        key, render = _body_item(parser)
        items.setdefault(key, render)
        return name == b"BODY"
    simple = _SIMPLE.get(name.decode("ascii"))
    if simple is None:
        raise Bad("Unknown FETCH item")
    items.setdefault(name, simple)
    return name in (b"RFC822", b"RFC822.TEXT")


def parse(parser: Parser) -> Plan:
    """The items of a FETCH, a macro or a list."""
    found = _ITEM.match(parser.line, parser.pos)
    if found is not None and (macro := _MACROS.get(found[0].decode("ascii").upper())):
        parser.pos = found.end()
        parser = Parser([macro])
    items: dict[bytes, Render] = {}
    sets_seen = False
    listed = parser.skip(b"(")
    while True:
        sets_seen |= _parse_item(parser, items)
        if len(items) > MAX_ITEMS:
            raise Bad("Too many FETCH items")
        if not listed:
            break
        if parser.skip(b")"):
            break
        parser.space()
    return Plan(items, sets_seen)


@lru_cache(maxsize=512)
def cached(items: bytes) -> Plan:
    """The plan for the rest of a command line without literals: clients keep asking for the same few things."""
    parser = Parser([items])
    plan = parse(parser)
    parser.end()
    return plan
