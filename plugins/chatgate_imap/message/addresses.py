"""Addresses in header fields (RFC 5322 §3.4) in the form of ENVELOPE; malformed fields never yield invented ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from chatgate.api import Work

from . import words

MAX_ADDRESSES = 5000  # of the fields of one name
MAX_TOKENS = 500  # of one address; anything with more is not an address

_TOKEN = re.compile(
    rb'(?P<quoted>"[^"\\]*(?:\\.[^"\\]*)*"?)|(?P<comment>\()|(?P<literal>\[[^\]]*\]?)|(?P<special>[<>,;:@])'
    rb"|(?P<blank>[ \t\r\n]+)|(?P<word>[^ \t\r\n<>,;:@\"(\[]+)",
    re.S,
)
_IN_COMMENT = re.compile(rb"[()]|\\.|[^()\\]+|\\", re.S)
_BLANKS = re.compile(rb" +")
_TOKENS_A_STEP = 256
_MAX_COMMENT = 1000  # pieces of a comment that are kept

# Display name, route, local part, domain.
Address = tuple[bytes | None, bytes | None, bytes | None, bytes | None]
Token = tuple[str, bytes]

_GROUP_ENDS: Address = (None, None, None, None)


def addresses(values: list[bytes], work: Work) -> list[Address]:
    """The addresses in all fields of a name. A group opens as (None, None, name, None) and closes as four None.
    Anything that is not an address becomes a display name with an empty local part and domain.
    """
    return list(islice((address for value in values for address in _read(value, work)), MAX_ADDRESSES))


def _tokens(value: bytes, work: Work) -> Iterator[Token]:
    """(kind, text): a kind is "word", "quoted", "literal", "comment", "blank", or the special itself."""
    pos = count = 0
    while pos < len(value):
        match = _TOKEN.match(value, pos)
        assert match is not None
        kind, text, pos = match.lastgroup or "", match[0], match.end()
        count += 1
        if not count % _TOKENS_A_STEP:
            work.step()
        if kind == "comment":
            text, pos = _comment(value, pos, work)
        elif kind == "quoted":
            inner = text[1:-1] if text.endswith(b'"') and len(text) > 1 else text[1:]
            text = words.unquoted(inner)
        elif kind == "special":
            kind = text.decode()
        elif kind == "blank":
            text = b" "
        yield kind, text


def _comment(value: bytes, pos: int, work: Work) -> tuple[bytes, int]:
    """The text of the comment that opened before pos, and where it ends. Comments nest."""
    depth, text, end = 1, list[bytes](), len(value)
    for count, match in enumerate(_IN_COMMENT.finditer(value, pos)):
        if not count % _TOKENS_A_STEP:
            work.step()
        piece = match[0]
        depth += (piece == b"(") - (piece == b")")
        if not depth:
            end = match.end()
            break
        if len(text) < _MAX_COMMENT:
            text.append(piece[1:] if piece[:1] == b"\\" else piece)
    return b"".join(text).strip(), end


class _Mailbox:
    """The parts read so far of one address. angle: the part inside < >, None before it; `closed` after it.
    broken: it has too many tokens.
    """

    __slots__ = ("words", "angle", "closed", "comment", "broken")

    def __init__(self) -> None:
        self.words: list[Token] = []
        self.angle: list[Token] | None = None
        self.closed = self.broken = False
        self.comment: bytes | None = None

    @property
    def in_angle(self) -> bool:
        return self.angle is not None and not self.closed

    @property
    def may_be_group(self) -> bool:
        if self.broken or self.angle is not None or not any(kind != "blank" for kind, _ in self.words):
            return False
        return all(kind in ("word", "quoted", "blank") for kind, _ in self.words)

    def take(self, kind: str, text: bytes) -> None:
        if kind == "comment":
            self.comment = self.comment or text
            kind, text = "blank", b" "
        self.broken |= len(self.words) + len(self.angle or ()) >= MAX_TOKENS
        if self.broken:
            return
        if self.angle is None:
            if kind == "<":
                self.angle = []
            else:
                self.words.append((kind, text))
        elif not self.closed:
            if kind == ">":
                self.closed = True
            else:
                self.angle.append((kind, text))
        # Nothing after the > belongs to the address.

    def address(self) -> Address | None:
        name, route = b"", None
        spec = self.words
        if self.angle is not None:
            name, spec = _phrase(self.words), self.angle
            if spec and spec[0][0] == "@" and (":", b":") in spec:
                colon = spec.index((":", b":"))
                route, spec = b"".join(text for _, text in spec[:colon]), spec[colon + 1 :]
        found = None if self.broken else _parts(spec)
        if found is not None:
            return (name or self.comment, route, *found)
        name = name or _phrase(spec)
        return (name, None, b"", b"") if name else None


def _phrase(tokens: list[Token]) -> bytes:
    return _BLANKS.sub(b" ", b"".join(text for _, text in tokens)).strip()


def _parts(spec: list[Token]) -> tuple[bytes, bytes] | None:
    """Local part and domain; the domain is empty if there is only one word. None if it is not an address."""
    kinds = [kind for kind, _ in spec]
    if kinds.count("@") > 1:
        return None
    at = kinds.index("@") if "@" in kinds else len(spec)
    local, host = _glued(spec[:at]), _glued(spec[at + 1 :])
    return (local, host) if local and host is not None else None


def _glued(tokens: list[Token]) -> bytes | None:
    """Words joined by dots, with optional blanks around the dots. None if two words would become one."""
    said: list[bytes] = []
    apart = False  # is the last word separated from the next one?
    for kind, text in tokens:
        if kind == "blank":
            apart = bool(said)
            continue
        if kind not in ("word", "quoted", "literal"):
            return None
        apart = apart or kind != "word"
        if said and apart and not (said[-1].endswith(b".") or text.startswith(b".")):
            return None
        said.append(text)
        apart = kind != "word"
    return b"".join(said)


def _read(value: bytes, work: Work) -> Iterator[Address]:
    current, in_group = _Mailbox(), False
    for kind, text in _tokens(value, work):
        if kind == "," and current.in_angle and current.angle and current.angle[0][0] == "@":
            current.take(kind, text)  # <@a,@b:c@d>
        elif kind in (",", ";"):  # some programs write ; instead of , outside a group
            if (address := current.address()) is not None:
                yield address
            if kind == ";" and in_group:
                yield _GROUP_ENDS
                in_group = False
            current = _Mailbox()
        elif kind == ":" and not in_group and current.may_be_group:
            yield (None, None, _phrase(current.words), None)
            current, in_group = _Mailbox(), True
        else:
            current.take(kind, text)
    if (address := current.address()) is not None:
        yield address
    if in_group:
        yield _GROUP_ENDS
