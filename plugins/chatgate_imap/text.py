"""Text in messages for SEARCH: decoded, and compared without case. Slow next to the rest, and rarely asked for."""

from __future__ import annotations

import binascii
import calendar
import email.errors
import email.header
import email.utils
import quopri
import re
from collections.abc import Iterator

from . import mime
from .envelope import addresses

_ENCODED_WORD = re.compile(r"=\?[^?]*\?[bBqQ]\?[^?]*\?=")
_MAX_TEXT = 4 << 20  # octets of one part that are looked through
# Codecs that are no charset of mail; some take time in the square of the length.
_NO_CHARSET = {"punycode", "idna", "unicode-escape", "unicode_escape", "raw-unicode-escape", "raw_unicode_escape"}


def folded(text: str) -> str:
    return text.casefold()


def _decoded(octets: bytes, charset: str) -> str:
    try:
        return octets.decode("utf-8" if charset.lower() in _NO_CHARSET else charset)
    except (LookupError, ValueError):
        return octets.decode("utf-8", "replace")


def _field_text(value: bytes) -> str:
    """Encoded words (RFC 2047) decoded."""
    text = value.decode("utf-8", "replace")
    if not _ENCODED_WORD.search(text):
        return text
    # Between two encoded words white space is no part of the text (RFC 2047 §6.2); decode_header() knows.
    try:
        pairs = email.header.decode_header(text)
    except (email.errors.HeaderParseError, ValueError, binascii.Error):
        return text
    return "".join(_decoded(part, charset or "latin-1") if isinstance(part, bytes) else part for part, charset in pairs)


def field_holds(header: bytes, name: bytes, wanted: str) -> bool:
    """Has some field of this lower-case name the wanted (folded) text in it? "" asks whether the field is there."""
    return any(
        not wanted or wanted in folded(_field_text(value))
        for key, value in mime.all_fields(header, 0, len(header))
        if key == name
    )


def addresses_hold(header: bytes, name: bytes, wanted: str) -> bool:
    """As `field_holds`, and also in the addresses as ENVELOPE gives them: without comments and quotes."""
    if field_holds(header, name, wanted):
        return True
    for key, value in mime.all_fields(header, 0, len(header)):
        if key == name:
            for _, _, local, host in addresses(value):
                address = (local or b"") + b"@" + (host or b"")
                if wanted in folded(address.decode("utf-8", "replace")):
                    return True
    return False


def header_holds(header: bytes, wanted: str) -> bool:
    """Anywhere in the header, names included."""
    found = mime.all_fields(header, 0, len(header))
    return not wanted or any(wanted in folded(f"{key.decode('ascii')}: {_field_text(value)}") for key, value in found)


def _parts(root: mime.Part) -> Iterator[mime.Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += part.children
        if part.message is not None:
            waiting.append(part.message)


def _part_text(data: bytes, part: mime.Part) -> str:
    octets = data[part.body : min(part.end, part.body + _MAX_TEXT)]
    encoding = part.fields.get(b"content-transfer-encoding", b"").lower()
    if encoding == b"base64":
        try:
            octets = binascii.a2b_base64(octets)
        except binascii.Error:
            pass
    elif encoding == b"quoted-printable":
        octets = quopri.decodestring(octets)
    return _decoded(octets, (part.parameter(b"charset") or b"utf-8").decode("ascii", "replace"))


def body_holds(data: bytes, root: mime.Part, wanted: str) -> bool:
    """In the text of any text part, and in the header of messages inside the message."""
    if not wanted:
        return True
    for part in _parts(root):
        if part.message is not None:
            inner = part.message
            if header_holds(data[inner.start : inner.body], wanted):
                return True
        elif part.type.lower() == b"text" and wanted in folded(_part_text(data, part)):
            return True
    return False


def message_holds(data: bytes, root: mime.Part, wanted: str) -> bool:
    """In the body, or in the header of any of its parts."""
    return body_holds(data, root, wanted) or any(
        header_holds(data[part.start : part.body], wanted) for part in _parts(root) if part is not root
    )


def date_of(value: bytes) -> int | None:
    """The day of a Date field as Unix seconds of its 00:00, or None."""
    parsed = email.utils.parsedate(value.decode("ascii", "replace"))
    if parsed is None:
        return None
    try:
        return calendar.timegm((parsed[0], parsed[1], parsed[2], 0, 0, 0))
    except (ValueError, OverflowError):
        return None
