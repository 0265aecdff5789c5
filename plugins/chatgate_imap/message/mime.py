"""The MIME tree of a message (RFC 2045, 2046), as offsets into its octets, which are read only once, in pieces.

It is built only for BODYSTRUCTURE, numbered sections and text search; Delta Chat asks for none of them.
"""

from __future__ import annotations

import re

from chatgate.api import Content, Work

from .header import MAX_HEADER, Header, Parameters, body_start, parameter, uncommented, value_and_parameters

MAX_DEPTH = 30
MAX_PARTS = 2000
MAX_PART_HEADER = 1 << 16  # octets of a part's header that are examined
MAX_HEADERS = 1 << 20  # octets of all of them together
MAX_DASHES = 100_000  # lines that begin like a delimiter but are not one
MAX_BOUNDARY = 200  # octets; RFC 2046 §5.1.1 allows 70

_LINE = MAX_BOUNDARY + 10
_PIECE = 1 << 17  # octets that are read and searched at a time: a fraction of a millisecond
_TYPE = re.compile(rb"[ \t]*([!#-'*+\-.0-9A-Z^-z|~]+)[ \t]*/[ \t]*([!#-'*+\-.0-9A-Z^-z|~]+)")
_DASHES = re.compile(rb"\n--")
_DASHES_OR_EMPTY_LINE = re.compile(rb"\n(?:--|\r?\n)")

_OPAQUE = (b"application", b"octet-stream")
_PLAIN = (b"text", b"plain")
_MESSAGE = (b"message", b"rfc822")


class Part:
    """start..body: the header with its empty line; body..end: the content. `message` is the whole message inside a
    message/rfc822 part.
    """

    __slots__ = ("start", "body", "end", "header", "type", "subtype", "parameters", "children", "message")

    def __init__(self, start: int, header: Header) -> None:
        self.start = self.body = self.end = start
        self.header = header
        self.type, self.subtype = _PLAIN
        self.parameters: Parameters = []
        self.children: list[Part] = []
        self.message: Part | None = None

    def understand(self, header: Header, in_digest: bool) -> None:
        """Set the attributes of this part from its header."""
        self.header = header
        value, parameters = value_and_parameters(header.get(b"content-type") or b"", header.work)
        match = _TYPE.match(value)
        if match is not None:
            self.type, self.subtype, self.parameters = match[1], match[2], parameters
        elif in_digest:
            self.type, self.subtype = _MESSAGE

    def be_opaque(self) -> None:
        self.type, self.subtype = _OPAQUE
        self.parameters = []

    def parameter(self, name: bytes) -> bytes | None:
        """The first parameter of this lower-case name."""
        return parameter(self.parameters, name)

    @property
    def encoding(self) -> bytes:
        """The Content-Transfer-Encoding, without comments and (invalid) parameters; b"" if there is none."""
        value = self.header.get(b"content-transfer-encoding") or b""
        return uncommented(value, self.header.work).partition(b";")[0].strip(b" \t\r\n")

    @property
    def multipart(self) -> bool:
        return self.type.lower() == b"multipart"

    @property
    def attached_message(self) -> bool:
        return self.type.lower() == b"message" and self.subtype.lower() == b"rfc822"

    @property
    def textual(self) -> bool:
        """Is it text that people may search for? Includes reports, and messages that are not parsed into parts."""
        return self.type.lower() in (b"text", b"message") and self.message is None


def parse(content: Content, work: Work) -> Part:
    """The tree of a message. Any octets give one; parts beyond the limits of depth and number stay unparsed.
    Raises TooMuchWork.
    """
    return _Scan(content, work).run()


class _Scan:
    """Scans the content once. stack: the open parts, beginning with the message itself; the header or body of the last
    one is being read. boundaries: those of its multiparts, by index in the stack; of equal ones the outermost counts.
    """

    def __init__(self, content: Content, work: Work) -> None:
        self._content, self._work, self._no_header = content, work, Header(b"", work)
        self._piece, self._base = b"", 0
        self._stack: list[Part] = []
        self._boundaries: dict[bytes, int] = {}
        self._in_header = True
        self._digest = False
        self._parts, self._dashes, self._headers = 0, 0, MAX_HEADER + MAX_HEADERS

    def run(self) -> Part:
        root = self._open(0)
        pos = body_start(self._get(0, 2)) or 0  # an empty header has no line end before its empty line
        if pos:
            self._header_ends(pos)
        while self._dashes < MAX_DASHES:
            pattern = _DASHES_OR_EMPTY_LINE if self._in_header else _DASHES
            found = self._find(pattern, max(0, pos - 1)) if self._in_header or self._boundaries else None
            if found is None:
                break
            at, end, dashes = found
            if not dashes:
                pos = end
                self._header_ends(end)
            else:
                pos = self._dashed_line(at)
        self._close(0, self._content.size)
        return root

    # ------------------------------------------------------------------------------------------ octets

    def _load(self, pos: int) -> None:
        """Load the octets at pos, at least enough for a line of the usual length."""
        end = self._base + len(self._piece)
        if pos < self._base or (pos > end - _LINE and end < self._content.size):
            self._base, self._piece = pos, self._content.read(pos, _PIECE)
            self._work.step()

    def _get(self, start: int, end: int) -> bytes:
        low, high = start - self._base, end - self._base
        if 0 <= low and high <= len(self._piece):
            return self._piece[low:high]
        return self._content.read(start, end - start)

    def _find(self, pattern: re.Pattern[bytes], pos: int) -> tuple[int, int, bool] | None:
        """(where the line begins, where the match ends, whether it is a line that begins with dashes)."""
        while pos < self._content.size:
            self._load(pos)
            match = pattern.search(self._piece, pos - self._base)
            if match is not None:
                return self._base + match.start() + 1, self._base + match.end(), match[0][-1:] == b"-"
            end = self._base + len(self._piece)
            pos = end if end >= self._content.size else end - 2
        return None

    # ------------------------------------------------------------------------------------------ events

    def _dashed_line(self, at: int) -> int:
        """Handle a line that begins with two dashes at `at`. Returns where to go on."""
        self._work.step()
        line, newline, _ = self._get(at, min(at + _LINE, self._content.size)).partition(b"\n")
        after = at + len(line) + len(newline)
        text = line[2:].rstrip(b" \t\r") if newline or after == self._content.size else b""
        level = self._boundaries.get(text)
        closing = level is None and text.endswith(b"--")
        if closing:
            level = self._boundaries.get(text[:-2])
        if level is None:
            self._dashes += 1
            return at + 2
        crlf = self._get(max(0, at - 2), at) == b"\r\n"
        self._close(level + 1, at - (2 if crlf else 1))
        multipart = self._stack[level]
        if closing or self._parts >= MAX_PARTS:  # what follows belongs to no part, until an outer delimiter
            self._boundaries = {key: at_level for key, at_level in self._boundaries.items() if at_level < level}
            self._in_header = False
        else:
            self._digest = multipart.subtype.lower() == b"digest"
            multipart.children.append(self._open(after))
        return after

    def _open(self, start: int) -> Part:
        part = Part(start, self._no_header)
        self._stack.append(part)
        self._parts += 1
        self._in_header = True
        return part

    def _header_ends(self, body: int) -> None:
        """Called when the header of the last part ends: its body begins here."""
        self._in_header = False
        part = self._stack[-1]
        part.body = body
        if not self._understand(part):
            return
        if part.multipart:
            boundary = (part.parameter(b"boundary") or b"").rstrip(b" \t\r")
            if 0 < len(boundary) <= MAX_BOUNDARY:
                self._boundaries.setdefault(boundary, len(self._stack) - 1)
        else:
            self._digest = False
            part.message = self._open(body)

    def _understand(self, part: Part) -> bool:
        """Read the header. Returns whether the part may have parts inside."""
        length = min(part.body - part.start, MAX_HEADER if part.start == 0 else MAX_PART_HEADER, self._headers)
        self._headers -= length
        part.understand(Header(self._get(part.start, part.start + length), self._work), self._digest)
        self._digest = False
        if not (part.multipart or part.attached_message):
            return False
        if len(self._stack) > MAX_DEPTH or self._parts >= MAX_PARTS:
            part.be_opaque()
            return False
        return True

    def _close(self, level: int, end: int) -> None:
        """Close the parts from this index in the stack on: they end here."""
        closed = self._stack[level:]
        if self._in_header and closed:  # there was no empty line
            last = closed[-1]
            last.body = max(last.start, end)
            if self._understand(last) and last.attached_message:
                last.message = Part(last.body, self._no_header)
        if closed:
            end = max(end, closed[0].start)
        for part in closed:
            part.end = end
            part.start, part.body = min(part.start, end), min(part.body, end)
            if part.multipart and not part.children:  # the grammar of BODYSTRUCTURE requires at least one
                part.children.append(Part(end, self._no_header))
            if part.message is not None and part.message.start > end:
                part.message.start = part.message.body = part.message.end = end
        del self._stack[level:]
        self._boundaries = {key: place for key, place in self._boundaries.items() if place < level}


def find(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part with a section number such as 2.1 (RFC 3501 §6.4.5): a message that is not a multipart is its own part
    1, and numbers below a message/rfc822 part count the parts of the message inside.
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
