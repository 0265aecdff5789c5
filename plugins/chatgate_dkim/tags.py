"""Tag lists (RFC 6376 §3.2), and the names of domains in them."""

from __future__ import annotations

import re

_MOST_TAGS = 50
_MOST_OCTETS = 16_384
_FWS = b" \t\r\n"

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]{0,50}")
# Printable ASCII without ";", blanks and the CRLF of folded lines between; UTF-8 in domains (RFC 8616).
_VALUE = re.compile(rb"(?:[!-:<-~\x80-\xff \t]+|\r\n[ \t])*")
_DIGITS = re.compile(rb"[0-9]{1,12}")  # RFC 6376 §3.5: times beyond 12 digits mean nothing

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\Z")


class Malformed(ValueError):
    """str() says in a few plain words what is wrong, without anything that a stranger wrote."""


def tags(text: bytes) -> dict[str, bytes]:
    """The values by name, without the blanks around them, in the order in which they come. Raises Malformed."""
    if len(text) > _MOST_OCTETS:
        raise Malformed("it is too long")
    parts = text.split(b";", _MOST_TAGS)
    if not parts[-1].strip(_FWS):
        parts.pop()
    found: dict[str, bytes] = {}
    for part in parts:
        name, equals, value = part.partition(b"=")
        name, value = name.strip(_FWS), value.strip(_FWS)
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Malformed("it is no list of tags")
        key = name.decode()
        if key in found:
            raise Malformed(f"it says {key}= twice")
        found[key] = value
    return found


def plain(value: bytes) -> bytes:
    """The value without any blanks, as is due for base64 and lists."""
    return value.translate(None, _FWS)


def items(value: bytes) -> list[bytes]:
    """The items of a list with colons between, in lower case."""
    return plain(value).lower().split(b":")


def number(found: dict[str, bytes], name: str) -> int | None:
    """The value of a tag that is a number; None if it is not there. Raises Malformed."""
    value = found.get(name)
    if value is None:
        return None
    if not _DIGITS.fullmatch(value):
        raise Malformed(f"{name}= is no number")
    return int(value)


def domain(value: bytes) -> str | None:
    """A domain or selector in lower case, with international labels as A-labels (RFC 8616 §3); None if it is none."""
    try:
        name = value.decode()
        if not name.isascii():
            # The codec takes time that grows with the square of a label's length.
            name = name.encode("idna").decode() if len(name) <= 253 else ""
    except UnicodeError:
        return None
    name = name.lower()
    return name if _DOMAIN.match(name) else None
