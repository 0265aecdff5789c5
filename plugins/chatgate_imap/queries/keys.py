"""SEARCH (RFC 3501 §6.4.4): the keys become one predicate; cheap ones are tested first, and the body is read last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..message import bodies, words
from ..message.source import Source
from ..syntax import flags, sets
from ..syntax.answers import Bad, No
from ..syntax.parser import MAX_DEPTH, Parser

MAX_KEYS = 500
_DAY = 86400

CHARSETS = {"US-ASCII", "UTF-8"}

# The cost of testing a key: it needs only numbers, the header, or the whole message.
CHEAP, HEADER, BODY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Key:
    """test: does this message (with its sequence number) match? cost: see above."""

    cost: int
    test: Callable[[Source, int], bool]


@dataclass(frozen=True, slots=True)
class Context:
    """What sequence sets refer to: the number of messages, the last UID, and the UIDs of `$` (RFC 5182), ascending."""

    count: int
    last_uid: int
    saved: Sequence[int] = ()


def charset(parser: Parser) -> None:
    """The name of the charset of the strings that follow: all those we accept are read the same way. Raises No."""
    if parser.astring().decode("ascii", "replace").upper() not in CHARSETS:
        raise No("Charset not known", "BADCHARSET (US-ASCII UTF-8)")


class _Keys:
    """Reads search keys. uses_modseq: MODSEQ was among them, which turns CONDSTORE on and changes the answer."""

    def __init__(self, parser: Parser, context: Context) -> None:
        self._parser, self._context = parser, context
        self._count = 0
        self._wanted = bodies.Wanted()
        self.uses_modseq = False

    def program(self) -> Key:
        parser = self._parser
        if parser.rest()[:8].upper() == b"CHARSET ":
            if parser.utf8:
                raise Bad("After ENABLE UTF8=ACCEPT no charset is named")  # RFC 6855 §3
            parser.pos += 8
            charset(parser)
            parser.space()
        key = self._sequence(0)
        parser.end()
        return key

    def _sequence(self, depth: int) -> Key:
        keys = [self._key(depth)]
        while self._parser.skip(b" "):
            if self._parser.at_end():
                break
            keys.append(self._key(depth))
        return _all(keys)

    def _key(self, depth: int) -> Key:
        self._count += 1
        if self._count > MAX_KEYS or depth > MAX_DEPTH:
            raise Bad("Search is too complex")
        parser = self._parser
        if parser.skip(b"("):
            key = self._sequence(depth + 1)
            parser.expect(b")")
            return key
        if parser.peek() in _SET_START:
            return self._numbers(by_uid=False)
        name = parser.keyword()
        if name in _PLAIN:
            return _PLAIN[name]
        if name == "NOT":
            parser.space()
            inner = self._key(depth + 1)
            return Key(inner.cost, lambda source, number: not inner.test(source, number))
        if name == "OR":
            parser.space()
            left = self._key(depth + 1)
            parser.space()
            return _any(left, self._key(depth + 1))
        if name == "UID":
            parser.space()
            return self._numbers(by_uid=True)
        if name == "MODSEQ":
            return self._modseq()
        if name in _WITH_ARGUMENT:
            parser.space()
            return _WITH_ARGUMENT[name](self)
        raise Bad("Unknown search key")

    # ------------------------------------------------------------------------------------------ arguments

    def _string(self) -> str:
        octets = self._parser.astring()
        try:
            # Some clients send 8-bit text without naming a charset; it is taken as UTF-8.
            return words.folded(octets.decode("utf-8"))
        except UnicodeDecodeError:
            raise Bad("Search text is not valid UTF-8") from None

    def _numbers(self, by_uid: bool) -> Key:
        largest = self._context.last_uid if by_uid else self._context.count
        written = self._parser.sequence_set()
        if written == sets.SAVED:
            saved = self._context.saved
            return Key(CHEAP, lambda source, number: sets.place(saved, source.uid) is not None)
        ranges = sets.parse(written)
        if not largest:
            return _NOTHING
        merged = sets.ordered(ranges, largest)
        if by_uid:
            return Key(CHEAP, lambda source, number: sets.holds(merged, source.uid))
        return Key(CHEAP, lambda source, number: sets.holds(merged, number))

    def _modseq(self) -> Key:
        parser = self._parser
        parser.space()
        if parser.peek() == b'"':  # a metadata item, which has no modseq of its own here: valid but without effect
            parser.string()
            parser.space()
            if parser.keyword() not in ("PRIV", "SHARED", "ALL"):
                raise Bad("Expected priv, shared or all")
            parser.space()
        least = parser.number()
        self.uses_modseq = True
        return Key(CHEAP, lambda source, number: source.modseq >= least)

    def keyword(self, wanted: bool) -> Key:
        keyword = self._parser.flag().lower()
        return Key(CHEAP, lambda source, number: any(flag.lower() == keyword for flag in source.flags) is wanted)

    def size(self, larger: bool) -> Key:
        octets = self._parser.number()
        return Key(CHEAP, lambda source, number: source.size > octets if larger else source.size < octets)

    def arrival(self, low: int, high: int) -> Key:
        """INTERNALDATE within [day + low, day + high) days, in UTC, in which we also show it."""
        day = self._parser.date()
        first, last = day + low * _DAY, day + high * _DAY
        return Key(CHEAP, lambda source, number: first <= source.date < last)

    def age(self, younger: bool) -> Key:
        """INTERNALDATE at most or at least so many seconds ago (RFC 5032)."""
        seconds = self._parser.number()
        if not seconds:
            raise Bad("An interval is more than nothing")
        border = time.time() - seconds
        return Key(CHEAP, lambda source, number: source.date >= border if younger else source.date <= border)

    def sent(self, low: int, high: int) -> Key:
        """The day in the Date field as written there, ignoring its time zone."""
        day = self._parser.date()
        first, last = day + low * _DAY, day + high * _DAY

        def test(source: Source, number: int) -> bool:
            sent = bodies.date_of(source.header().get(b"date") or b"")
            return sent is not None and first <= sent < last

        return Key(HEADER, test)

    def field(self, name: bytes) -> Key:
        wanted = self._string()
        return Key(HEADER, lambda source, number: source.field_holds(name, wanted))

    def addresses(self, name: bytes) -> Key:
        wanted = self._string()
        return Key(HEADER, lambda source, number: source.addresses_hold(name, wanted))

    def header(self) -> Key:
        name = self._parser.astring().lower()
        self._parser.space()
        return self.field(name)

    def body(self) -> Key:
        all_wanted = self._wanted
        wanted = all_wanted.add(self._string())
        return Key(BODY, lambda source, number: not wanted or wanted in source.found(all_wanted).body)

    def text(self) -> Key:
        all_wanted = self._wanted
        wanted = all_wanted.add(self._string())

        def test(source: Source, number: int) -> bool:
            if source.header_holds(wanted):
                return True
            found = source.found(all_wanted)
            return wanted in found.body or wanted in found.headers

        return Key(BODY, test)


_SET_START = frozenset((b"%c" % c) for c in b"0123456789*$")
_NOTHING = Key(CHEAP, lambda source, number: False)
_EVER = 4_000_000  # days: longer than any calendar date here


def _has(flag: str) -> Key:
    return Key(CHEAP, lambda source, number: flag in source.flags)


def _lacks(flag: str) -> Key:
    return Key(CHEAP, lambda source, number: flag not in source.flags)


_PLAIN = {
    "ALL": Key(CHEAP, lambda source, number: True),
    "ANSWERED": _has(flags.ANSWERED),
    "DELETED": _has(flags.DELETED),
    "DRAFT": _has(flags.DRAFT),
    "FLAGGED": _has(flags.FLAGGED),
    "SEEN": _has(flags.SEEN),
    "UNANSWERED": _lacks(flags.ANSWERED),
    "UNDELETED": _lacks(flags.DELETED),
    "UNDRAFT": _lacks(flags.DRAFT),
    "UNFLAGGED": _lacks(flags.FLAGGED),
    "UNSEEN": _lacks(flags.SEEN),
    "RECENT": Key(CHEAP, lambda source, number: source.recent),
    "OLD": Key(CHEAP, lambda source, number: not source.recent),
    "NEW": Key(CHEAP, lambda source, number: source.recent and flags.SEEN not in source.flags),
}

_WITH_ARGUMENT: dict[str, Callable[[_Keys], Key]] = {
    "KEYWORD": lambda keys: keys.keyword(True),
    "UNKEYWORD": lambda keys: keys.keyword(False),
    "LARGER": lambda keys: keys.size(True),
    "SMALLER": lambda keys: keys.size(False),
    "BEFORE": lambda keys: keys.arrival(-_EVER, 0),
    "ON": lambda keys: keys.arrival(0, 1),
    "SINCE": lambda keys: keys.arrival(0, _EVER),
    "OLDER": lambda keys: keys.age(False),
    "YOUNGER": lambda keys: keys.age(True),
    "SENTBEFORE": lambda keys: keys.sent(-_EVER, 0),
    "SENTON": lambda keys: keys.sent(0, 1),
    "SENTSINCE": lambda keys: keys.sent(0, _EVER),
    "SUBJECT": lambda keys: keys.field(b"subject"),
    "FROM": lambda keys: keys.addresses(b"from"),
    "TO": lambda keys: keys.addresses(b"to"),
    "CC": lambda keys: keys.addresses(b"cc"),
    "BCC": lambda keys: keys.addresses(b"bcc"),
    "HEADER": _Keys.header,
    "BODY": _Keys.body,
    "TEXT": _Keys.text,
}


def _all(keys: list[Key]) -> Key:
    if len(keys) == 1:
        return keys[0]
    tests = [key.test for key in sorted(keys, key=lambda key: key.cost)]
    return Key(max(key.cost for key in keys), lambda source, number: all(test(source, number) for test in tests))


def _any(left: Key, right: Key) -> Key:
    first, second = sorted((left, right), key=lambda key: key.cost)
    return Key(second.cost, lambda source, number: first.test(source, number) or second.test(source, number))


def parse(parser: Parser, context: Context) -> tuple[Key, bool]:
    """The whole search program, and whether MODSEQ is in it. Raises Bad, No."""
    keys = _Keys(parser, context)
    return keys.program(), keys.uses_modseq
