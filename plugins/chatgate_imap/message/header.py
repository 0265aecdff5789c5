"""The header of a message or part (RFC 5322 §2.2, RFC 2045 §5, RFC 2231): its fields, unfolded and decoded once."""

from __future__ import annotations

import itertools
import re
from itertools import islice
from urllib.parse import quote_from_bytes, unquote_to_bytes

from chatgate.api import Work

from . import words

MAX_HEADER = 1 << 18  # octets of a header that are examined
MAX_FIELDS = 5000  # of a header
MAX_VALUE = 1 << 14  # octets of a Content-Type and its like
MAX_PARAMETERS = 100

_PIECES_A_STEP = 256
_SHORT = 1 << 14  # octets of a header that cannot have too many fields

_FIELD = re.compile(rb"^(([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z))", re.M)
_PARAMETER = re.compile(
    rb';[ \t]*([^ \t=;"]+)[ \t]*=[ \t]*(?:"([^"\\]*(?:\\.[^"\\]*)*)"?|([^; \t]*))', re.S
)  # begins at a semicolon and never crosses one outside quotes: linear
_CONTINUED = re.compile(rb"([^*]+)\*(\d{1,3})(\*?)")
_PIECE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[^"(\\]+|\\.|.', re.S)
_IN_COMMENT = re.compile(rb"[^()\\]+|\\.|.", re.S)

Parameters = list[tuple[bytes, bytes]]


def body_start(octets: bytes) -> int | None:
    """Where the body begins: after the first empty line; None if there is none. A bare LF ends a line, too."""
    if octets.startswith((b"\n", b"\r\n")):
        return octets.index(b"\n") + 1
    crlf = octets.find(b"\n\r\n")
    lf = octets.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(octets))
    return lf + 2 if lf >= 0 else crlf + 3 if crlf >= 0 else None


def unfold(value: bytes) -> bytes:
    """Remove the line ends; the blanks that follow them stay (RFC 5322 §2.2.3)."""
    return value.replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t\r")


class Header:
    """octets: the header; of a very long one only the beginning is examined. work: counts the steps of long jobs."""

    __slots__ = ("octets", "work", "_fields", "_values", "_texts")

    def __init__(self, octets: bytes, work: Work) -> None:
        self.octets = octets
        self.work = work
        self._fields: list[tuple[bytes, bytes, bytes]] | None = None
        self._values: dict[bytes, list[bytes]] | None = None
        self._texts: dict[bytes, str] = {}

    @property
    def fields(self) -> list[tuple[bytes, bytes, bytes]]:
        """(the whole field including line ends, its name, its value including inner line ends) for each field."""
        if self._fields is None:
            if len(self.octets) <= _SHORT:
                self._fields = _FIELD.findall(self.octets)
            else:
                found = islice(_FIELD.finditer(self.octets, 0, MAX_HEADER), MAX_FIELDS)
                self._fields = [(match[1], match[2], match[3]) for match in found]
        return self._fields

    def get(self, name: bytes) -> bytes | None:
        """The unfolded value of the first field of this lower-case name."""
        values = self._named().get(name)
        return unfold(values[0]) if values else None

    def all(self, name: bytes) -> list[bytes]:
        """The unfolded values of all fields of this lower-case name."""
        return [unfold(value) for value in self._named().get(name, ())]

    def _named(self) -> dict[bytes, list[bytes]]:
        if self._values is None:
            self._values = {}
            for _, name, value in self.fields:
                self._values.setdefault(name.lower(), []).append(value)
        return self._values

    def text(self, name: bytes) -> str | None:
        """All fields of a name for searching: decoded and case-folded, a line each. None if there are none."""
        if name not in self._texts:
            values = self.all(name)
            if not values:
                return None
            texts = (words.text(value, self.work) for value in self.work.each(values))
            self._texts[name] = "\n".join(map(words.folded, texts))
        return self._texts[name]

    def whole_text(self) -> str:
        """The whole header for searching, including field names."""
        if b"" not in self._texts:  # no field has this name
            lines = [
                words.folded(f"{name.decode('ascii')}: {words.text(unfold(value), self.work)}")
                for _, name, value in self.work.each(self.fields)
            ]
            self._texts[b""] = "\n".join(lines)
        return self._texts[b""]


# ------------------------------------------------------------------------------------------ structured values


def uncommented(value: bytes, work: Work) -> bytes:
    """The value with a blank in place of each comment; comments nest (RFC 5322 §3.2.2). Raises TooMuchWork."""
    value = value[:MAX_VALUE]
    if b"(" not in value:
        return value
    kept, depth, pos = [], 0, 0
    for count in itertools.count():
        if pos >= len(value):
            break
        if not count % _PIECES_A_STEP:
            work.step()
        match = (_IN_COMMENT if depth else _PIECE).match(value, pos)
        assert match is not None
        piece, pos = match[0], match.end()
        if piece == b"(":
            depth += 1
            kept.append(b" ")
        elif not depth:
            kept.append(piece)
        elif piece == b")":
            depth -= 1
    return b"".join(kept)


def value_and_parameters(value: bytes, work: Work) -> tuple[bytes, Parameters]:
    """The value and parameters of a field like Content-Type or Content-Disposition: parameters in order, without
    quotes, continuations (RFC 2231 §3) joined, as its §6 requires for BODYSTRUCTURE. Raises TooMuchWork.
    """
    value = uncommented(value, work)
    found: Parameters = []
    for match in islice(_PARAMETER.finditer(value), MAX_PARAMETERS):
        quoted, plain = match[2], match[3]
        found.append((match[1], words.unquoted(quoted) if quoted is not None else plain))
    return value.partition(b";")[0].strip(b" \t\r\n"), _joined(found)


def _joined(found: Parameters) -> Parameters:
    sections: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    for name, value in found:
        if (match := _CONTINUED.fullmatch(name)) is not None:
            sections.setdefault(match[1].lower(), {}).setdefault(int(match[2]), (bool(match[3]), value))
    if not sections:
        return found
    joined, done = [], set()
    for name, value in found:
        match = _CONTINUED.fullmatch(name)
        key = match[1].lower() if match else b""
        if match is None or 0 not in sections[key]:
            joined.append((name, value))
        elif key not in done:
            done.add(key)
            joined.append(_join(match[1], sections[key]))
    return joined


def _join(name: bytes, sections: dict[int, tuple[bool, bytes]]) -> tuple[bytes, bytes]:
    parts: list[tuple[bool, bytes]] = []
    while len(parts) in sections:
        parts.append(sections[len(parts)])
    if not any(extended for extended, _ in parts):
        return name, b"".join(value for _, value in parts)
    # If one section is extended, the whole value becomes so. The charset precedes the first section.
    octets = b"".join(value if extended else _percented(value) for extended, value in parts)
    return name + b"*", octets if parts[0][0] else b"''" + octets


def _percented(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="!#$&+^`|}").encode()


def parameter(parameters: Parameters, name: bytes) -> bytes | None:
    """The first parameter of this lower-case name, percent-decoded if it is extended (RFC 2231 §4)."""
    for key, value in parameters:
        if key.lower() == name:
            return value
        if key.lower() == name + b"*":
            return unquote_to_bytes(value.split(b"'", 2)[-1])
    return None
