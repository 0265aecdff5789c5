"""ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 §7.4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from chatgate.api import Content, Work

from .addresses import addresses
from .header import Header, Parameters, uncommented, value_and_parameters
from .mime import Part

_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f-\xff]")
_MAX_QUOTED = 1000
_PIECE = 1 << 17  # octets that are scanned at a time

# ------------------------------------------------------------------------------------------ strings


def string(text: bytes) -> bytes:
    """A quoted string, or a literal if it cannot be quoted."""
    if len(text) > _MAX_QUOTED or _UNSAFE.search(text):
        return literal(text)
    if b"\\" in text or b'"' in text:
        text = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%s"' % text


def nstring(text: bytes | None) -> bytes:
    return b"NIL" if text is None else string(text)


def literal(text: bytes) -> bytes:
    """A literal, with 0x80 in place of NUL, which it must not contain (RFC 3501 §9, CHAR8)."""
    return b"{%d}\r\n%s" % (len(text), text.replace(b"\0", b"\x80"))


# ------------------------------------------------------------------------------------------ envelope


def _address_list(values: list[bytes], work: Work) -> bytes:
    each = [b"(%s)" % b" ".join(map(nstring, address)) for address in work.each(addresses(values, work))]
    return b"(%s)" % b"".join(each) if each else b"NIL"


def envelope(header: Header, work: Work) -> bytes:
    """The ENVELOPE of a header. Sender and Reply-To default to From when missing or empty. The addresses of repeated
    fields are combined, though RFC 5322 §3.6 allows only one field of each name. Raises TooMuchWork.
    """
    sender, *lists = (_address_list(header.all(name), work) for name in (b"from", b"sender", b"reply-to"))
    return b"(%s)" % b" ".join(
        [
            nstring(header.get(b"date")),
            nstring(header.get(b"subject")),
            sender,
            *(sender if item == b"NIL" else item for item in lists),
            *(_address_list(header.all(name), work) for name in (b"to", b"cc", b"bcc")),
            nstring(header.get(b"in-reply-to")),
            nstring(header.get(b"message-id")),
        ]
    )


# ------------------------------------------------------------------------------------------ structure


def structure(root: Part, content: Content, work: Work, extended: bool) -> bytes:
    """BODYSTRUCTURE, or BODY without the extension data. Raises TooMuchWork."""
    pieces: list[bytes] = []
    _Structure(_line_ends(root, content, work), work, extended, pieces.append).part(root)
    return b"".join(pieces)


def _parts(root: Part) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += part.children if part.message is None else [part.message]


def _has_lines(part: Part) -> bool:
    return part.message is not None or part.type.lower() == b"text"


def _line_ends(root: Part, content: Content, work: Work) -> dict[int, int]:
    """The number of line ends before each offset at which a part with a line count begins or ends."""
    places = sorted({place for part in work.each(_parts(root)) if _has_lines(part) for place in (part.body, part.end)})
    count, at, found = 0, places[0] if places else 0, {}
    for place in places:
        while at < place:
            piece = content.read(at, min(place - at, _PIECE))
            count, at = count + piece.count(b"\n"), at + len(piece)
            work.step()
        found[place] = count
    return found


class _Structure:
    def __init__(self, line_ends: dict[int, int], work: Work, extended: bool, write: Callable[[bytes], object]) -> None:
        self._line_ends, self._work, self._extended, self._write = line_ends, work, extended, write

    def part(self, part: Part) -> None:
        self._work.step()
        if part.multipart:
            self._write(b"(")
            for child in part.children:
                self.part(child)
            self._write(b" " + string(part.subtype))
            if self._extended:
                self._write(b" %s" % _parameters(part.parameters) + _tail(part.header))
            self._write(b")")
            return
        header, parameters = part.header, part.parameters
        if part.type.lower() == b"text" and part.parameter(b"charset") is None:
            parameters = [*parameters, (b"charset", b"us-ascii")]
        items = [
            string(part.type),
            string(part.subtype),
            _parameters(parameters),
            nstring(header.get(b"content-id")),
            nstring(header.get(b"content-description")),
            string(part.encoding or b"7bit"),
            b"%d" % (part.end - part.body),
        ]
        self._write(b"(" + b" ".join(items))
        if part.message is not None:
            self._write(b" %s " % envelope(part.message.header, self._work))
            self.part(part.message)
        if _has_lines(part):
            self._write(b" %d" % (self._line_ends[part.end] - self._line_ends[part.body]))
        if self._extended:
            self._write(b" %s" % nstring(header.get(b"content-md5")) + _tail(header))
        self._write(b")")


def _tail(header: Header) -> bytes:
    """Disposition, language and location."""
    return b" %s %s %s" % (
        _disposition(header.get(b"content-disposition"), header.work),
        _language(header.get(b"content-language"), header.work),
        nstring(header.get(b"content-location")),
    )


def _parameters(pairs: Parameters) -> bytes:
    return b"(%s)" % b" ".join(string(text) for pair in pairs for text in pair) if pairs else b"NIL"


def _disposition(value: bytes | None, work: Work) -> bytes:
    if not value:
        return b"NIL"
    kind, parameters = value_and_parameters(value, work)
    return b"(%s %s)" % (string(kind), _parameters(parameters))


def _language(value: bytes | None, work: Work) -> bytes:
    tags = [tag.strip() for tag in uncommented(value or b"", work).split(b",") if tag.strip()]
    if not tags:
        return b"NIL"
    return string(tags[0]) if len(tags) == 1 else b"(%s)" % b" ".join(map(string, tags))
