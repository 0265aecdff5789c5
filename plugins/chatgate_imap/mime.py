"""The MIME tree of a message as offsets into its bytes (RFC 2045, 2046): nothing is copied or decoded.

It is built only for BODYSTRUCTURE, numbered sections and text search; Delta Chat asks for none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_DEPTH = 30
MAX_PARTS = 2000
MAX_HEADER = 1 << 18  # octets of a header that are looked at: 2 MB of it keep the hub busy for 150 ms

_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.M)
_TYPE = re.compile(rb"[ \t]*([!#-'*+\-.0-9A-Z^-z|~]+)[ \t]*/[ \t]*([!#-'*+\-.0-9A-Z^-z|~]+)")
_PARAMETER = re.compile(rb';[ \t]*([^ \t=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"?|([^; \t]*))')
_COMMENT = re.compile(rb"\((?:[^()\\]|\\.)*\)")
_QUOTED_OR_COMMENT = re.compile(rb'"(?:[^"\\]|\\.)*"?|\((?:[^()\\]|\\.)*\)')

Fields = dict[bytes, bytes]
Parameters = list[tuple[bytes, bytes]]


def body_start(data: bytes, start: int, end: int) -> int:
    """Where the body begins: behind the first empty line. `end` when there is none. Bare LF counts as a line end."""
    if data.startswith((b"\n", b"\r\n"), start, end):
        return data.index(b"\n", start) + 1
    crlf = data.find(b"\n\r\n", start, end)
    lf = data.find(b"\n\n", start, end if crlf < 0 else crlf)
    if lf >= 0:
        return lf + 2
    return crlf + 3 if crlf >= 0 else end


def fields(data: bytes, start: int, end: int) -> Fields:
    """Unfolded values by lower-case name; the first of a name counts."""
    end = min(end, start + MAX_HEADER)
    found: Fields = {}
    for match in _FIELD.finditer(data, start, end):
        name = match[1].lower()
        if name not in found:
            found[name] = unfold(match[2])
    return found


def all_fields(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """(lower-case name, unfolded value) of every field."""
    for match in _FIELD.finditer(data, start, min(end, start + MAX_HEADER)):
        yield match[1].lower(), unfold(match[2])


def unfold(value: bytes) -> bytes:
    return value.replace(b"\r", b"").replace(b"\n", b"").strip(b" \t")


def _uncommented(value: bytes) -> bytes:
    if b"(" not in value:
        return value
    for _ in range(8):  # from the inside out; deeper nesting stays and is then no valid value
        bare = _QUOTED_OR_COMMENT.sub(lambda m: m[0] if m[0][:1] == b'"' else b" ", value)
        if bare == value:
            break
        value = bare
    return value


def parameters(value: bytes) -> Parameters:
    """The `; name=value` pairs in order, quotes removed."""
    found = []
    for match in _PARAMETER.finditer(value):
        quoted, plain = match[2], match[3]
        found.append((match[1], re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else plain))
    return found[:100]


def value_and_parameters(value: bytes) -> tuple[bytes, Parameters]:
    """For Content-Disposition and its like."""
    value = _uncommented(value)
    return value.partition(b";")[0].strip(), parameters(value)


class Part:
    """start..body: the header with its empty line; body..end: the content. `message` is the whole message inside a
    message/rfc822 part.
    """

    __slots__ = ("start", "body", "end", "fields", "type", "subtype", "parameters", "children", "message", "lines")

    def __init__(self, data: bytes, start: int, end: int, in_digest: bool) -> None:
        self.start = start
        self.body = body_start(data, start, end)
        self.end = end
        self.fields = fields(data, start, self.body)
        self.children: list[Part] = []
        self.message: Part | None = None
        self.lines = 0
        value = _uncommented(self.fields.get(b"content-type", b""))
        match = _TYPE.match(value)
        if match is not None:
            self.type, self.subtype = match[1], match[2]
            self.parameters = parameters(value)
        elif in_digest:
            self.type, self.subtype, self.parameters = b"message", b"rfc822", []
        else:
            self.type, self.subtype, self.parameters = b"text", b"plain", []

    def parameter(self, name: bytes) -> bytes | None:
        """The first of this (lower-case) name."""
        return next((value for key, value in self.parameters if key.lower() == name), None)

    @property
    def multipart(self) -> bool:
        return self.type.lower() == b"multipart"

    @property
    def attached_message(self) -> bool:
        return self.type.lower() == b"message" and self.subtype.lower() == b"rfc822"


def parse(data: bytes) -> Part:
    """The tree of a message. Any bytes give one; what is nested or split beyond the limits is left an opaque part."""
    return _parse(data, 0, len(data), False, 0, [0])


def _parse(data: bytes, start: int, end: int, in_digest: bool, depth: int, count: list[int]) -> Part:
    part = Part(data, start, end, in_digest)
    count[0] += 1
    if part.multipart or part.attached_message:
        if depth >= MAX_DEPTH or count[0] >= MAX_PARTS:
            part.type, part.subtype, part.parameters = b"application", b"octet-stream", []
        elif part.multipart:
            digest = part.subtype.lower() == b"digest"
            for low, high in _split(data, part):
                part.children.append(_parse(data, low, high, digest, depth + 1, count))
                if count[0] >= MAX_PARTS:
                    break
            if not part.children:  # the grammar of BODYSTRUCTURE wants one at least
                part.children.append(Part(data, part.end, part.end, False))
        else:
            part.message = _parse(data, part.body, end, False, depth + 1, count)
    if not part.multipart:
        part.lines = data.count(b"\n", part.body, end)
    return part


def _split(data: bytes, part: Part) -> Iterator[tuple[int, int]]:
    """Where the children are: between the delimiter lines, without the line end that belongs to the delimiter."""
    boundary = part.parameter(b"boundary")
    if not boundary:
        return
    delimiter = b"--" + boundary
    low = -1
    at = data.find(delimiter, part.body, part.end)
    while at >= 0:
        line_end = data.find(b"\n", at, part.end)
        line_end = part.end if line_end < 0 else line_end
        tail = data[at + len(delimiter) : min(line_end, at + len(delimiter) + 1000)].rstrip()
        starts_line = at == part.body or data[at - 1 : at] == b"\n"
        if starts_line and tail in (b"", b"--"):
            if low >= 0:
                high = at - (2 if data[at - 2 : at] == b"\r\n" else 1)
                yield low, max(low, high)
            if tail:
                return
            low = min(line_end + 1, part.end)
        at = data.find(delimiter, line_end, part.end)
    if low >= 0:
        yield low, part.end


def find(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part of a section number such as 2.1 (RFC 3501 §6.4.5): a message that is not multipart has itself as part 1,
    and numbers below a message/rfc822 part count inside the message it holds.
    """
    part, inside = root, root  # inside: the message whose parts are being counted, or a multipart
    for depth, number in enumerate(path):
        if depth:
            if part.message is not None:
                inside = part.message
            elif part.multipart:
                inside = part
            else:
                return None
        if inside.multipart:
            if number > len(inside.children):
                return None
            part = inside.children[number - 1]
        elif number == 1:
            part = inside
        else:
            return None
    return part
