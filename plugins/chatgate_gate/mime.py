"""A strict reader of mail headers and MIME fields, on bytes.

It does not try to understand every mail. Anything that two MIME readers could understand differently (a repeated
field, comments, RFC 2231 parameters, bare CR or LF, blanks before the colon) is refused, so that the recipient's
program sees the same mail as the gate.
"""

from __future__ import annotations

import re
from collections.abc import Set
from typing import NamedTuple

_FTEXT = bytes(range(33, 58)) + bytes(range(59, 127))  # RFC 5322 §2.2: field names are printable ASCII but ":"
_CONTROLS = bytes(range(9)) + bytes((11, 12)) + bytes(range(14, 32)) + b"\x7f"  # all but TAB, LF, CR

_TOKEN = rb"[A-Za-z0-9!#$&^_.+-]+"  # RFC 2045 §5.1 without * ' %, which make it an RFC 2231 parameter
_TYPE = re.compile(rb"(" + _TOKEN + rb"/" + _TOKEN + rb")")
_WORD = re.compile(rb"(" + _TOKEN + rb")")
_PARAMETER = re.compile(rb"[ \t]*;[ \t]*(" + _TOKEN + rb')=(?:"([ !#-\[\]-~]*)"|(' + _TOKEN + rb"))")
# Delta Chat ends its Content-Disposition with a trailing semicolon.
_REST = re.compile(rb"[ \t]*(?:;[ \t]*)?")

_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046 §5.1.1

_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = rb"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[A-Za-z0-9.:]+\])"
_ADDR_SPEC = rb"(" + _ATOM + rb"(?:\." + _ATOM + rb")*@" + _DOMAIN + rb")"
_COMMENT = rb'\([^()<>@\\"]*\)'
# The name before <…>: quoted strings, simple comments and words without any character that could begin an address.
_PHRASE = rb'(?:"(?:[^"\\]|\\.)*"|' + _COMMENT + rb'|[^"()<>@,;:\\\[\]])*'
_MAILBOX = re.compile(rb"(?:" + _PHRASE + rb"<" + _ADDR_SPEC + rb">|" + _ADDR_SPEC + rb")[ \t]*(?:" + _COMMENT + rb")?")
_ALONE = re.compile(_ADDR_SPEC)
# A colon ends a group's name, except inside an IPv6 address.
_BETWEEN = re.compile(rb"(?:[ \t,;<>()]|:(?![0-9A-Fa-f:.]{1,60}\]))+")
# Quoted strings and comments. Unclosed ones match up to the end, so that no octet is scanned twice.
_NOISE = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\([^()]*\)', re.S)

# RFC 5322 §3.3, without comments.
DATE = (
    rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), {0,2})?[0-9]{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    rb"[0-9]{4} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? (?:[+-][0-9]{4}|UTC?|GMT|[ECMP][SD]T)"
)


class Malformed(ValueError):
    """Not every program reads the message alike. str() is a fixed text, without anything from the message."""


class Header:
    """The fields of one header section. Fields are checked only when asked for, and must then be unique."""

    __slots__ = ("_raw", "_repeated")

    def __init__(self, section: bytes) -> None:
        """section: all lines, each with its CRLF, without the empty line. Raises Malformed."""
        if len(section.translate(None, _CONTROLS)) != len(section):
            raise Malformed("control character in the header")
        lines = section.split(b"\r\n")
        if lines.pop() or section.count(b"\r") != len(lines) or section.count(b"\n") != len(lines):
            raise Malformed("bare CR or LF in the header")
        self._raw: dict[bytes, list[bytes]] = {}
        self._repeated: set[bytes] = set()
        key = b""
        for line in lines:
            if line[:1] in (b" ", b"\t"):
                # For some programs a folded line that consists of blanks only ends the header.
                if not key or not line.strip(b" \t"):
                    raise Malformed("header line that continues nothing")
                if key not in self._repeated:
                    self._raw[key].append(line)
                continue
            name, colon, value = line.partition(b":")
            if not colon or not name or name.translate(None, _FTEXT):
                raise Malformed("header line that is no field")
            key = name.lower()
            if key in self._raw:
                self._repeated.add(key)
            else:
                self._raw[key] = [value]

    @property
    def names(self) -> Set[bytes]:
        """The lower-case field names."""
        return self._raw.keys()

    def repeated(self, name: bytes) -> bool:
        """Is there more than one field with this lower-case name?"""
        return name in self._repeated

    def get(self, name: bytes) -> bytes | None:
        """The unfolded value of the field with this lower-case name, or None. Raises Malformed if it is repeated."""
        raw = self.unfolded(name)
        return None if raw is None else raw.strip(b" \t")

    def unfolded(self, name: bytes) -> bytes | None:
        """Like `get`, but with the blanks around the value."""
        if name in self._repeated:
            raise Malformed(f"more than one {name.decode()} field")
        lines = self._raw.get(name)
        return None if lines is None else b"".join(lines)

    def parameters(self, name: bytes, default: bytes = b"") -> tuple[bytes, dict[bytes, bytes]]:
        """A field like Content-Type as (lower-case value, parameters by lower-case name). Raises Malformed."""
        value = self.get(name)
        if value is None:
            return default, {}
        match = (_TYPE if name == b"content-type" else _WORD).match(value)
        found: dict[bytes, bytes] = {}
        # Some programs decode encoded words everywhere, in spite of RFC 2047 §5.
        if not match or b"=?" in value:
            raise Malformed(f"unclear {name.decode()} field")
        first = match[1].lower()
        while more := _PARAMETER.match(value, match.end()):
            match = more
            key = more[1].lower()
            if key in found:
                raise Malformed(f"unclear {name.decode()} field")
            found[key] = more[2] if more[3] is None else more[3]
        if not _REST.fullmatch(value, match.end()):
            raise Malformed(f"unclear {name.decode()} field")
        return first, found


def split(content: bytes, limit: int) -> tuple[Header, int]:
    """(the header of a message or body part, where its body begins). limit: octets the header may have.

    Raises Malformed, also when no empty line ends the section.
    """
    end = content.find(b"\r\n\r\n", 0, limit + 4)
    if end < 0:
        raise Malformed("header too long" if len(content) > limit else "no empty line after the header")
    return Header(content[: end + 2]), end + 4


class ContentType(NamedTuple):
    """kind: lower-case, such as b"multipart/mixed". parameters: by lower-case name. boundary: b"" if not multipart."""

    kind: bytes
    parameters: dict[bytes, bytes]
    boundary: bytes


def content_type(header: Header) -> ContentType:
    """The Content-Type of a message, with the boundary if it is a multipart. Raises Malformed."""
    kind, parameters = header.parameters(b"content-type", b"text/plain")
    if not kind.startswith(b"multipart/"):
        return ContentType(kind, parameters, b"")
    boundary = parameters.get(b"boundary", b"")
    if not _BOUNDARY.fullmatch(boundary):
        raise Malformed("unclear boundary")
    # RFC 2045 §6.4: a multipart must not be encoded as a whole, but some programs would decode it anyway.
    check_plain(header)
    return ContentType(kind, parameters, boundary)


def addresses(value: bytes) -> list[bytes]:
    """The unambiguous addresses of a field like To (RFC 5322 §3.4), without names, comments and groups."""
    words = _BETWEEN.split(_NOISE.sub(b"", value))
    return [word for word in words if _ALONE.fullmatch(word)]


def check_plain(header: Header) -> None:
    """Raise Malformed if the body has a content transfer encoding that must be decoded (RFC 2045 §6)."""
    if (header.get(b"content-transfer-encoding") or b"7bit").lower() not in (b"7bit", b"8bit", b"binary"):
        raise Malformed("encoded body part")
    if not (header.get(b"mime-version") or b"1.0").startswith(b"1.0"):  # Apple Mail adds a comment
        raise Malformed("unknown MIME version")


def address(value: bytes) -> str | None:
    """The address of a From field (RFC 5322 §3.4), or None unless there is exactly one unambiguous address.

    Refused: lists, groups, routes, quoted local parts, and an "@" in an unquoted name, as programs then disagree on
    which of the two is the address.
    """
    match = _MAILBOX.fullmatch(value) if len(value) <= 2000 else None
    found = match and (match[1] or match[2])
    return found.decode() if found and len(found) <= 320 else None


def before_blank_lines(text: bytes, limit: int = 8) -> int:
    """Where the text ends without up to `limit` trailing line ends; no program writes more of them."""
    end = len(text)
    while limit and text.endswith(b"\r\n", 0, end):
        end -= 2
        limit -= 1
    return end
