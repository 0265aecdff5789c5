"""ENVELOPE, BODY and BODYSTRUCTURE (RFC 3501 §7.4.2) from the header's bytes."""

from __future__ import annotations

import re

from . import mime
from .mime import Fields, Parameters, Part

_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f-\xff]")
_MAX_QUOTED = 1000

# ------------------------------------------------------------------------------------------ strings


def string(text: bytes) -> bytes:
    """A quoted string, or a literal for what cannot be quoted."""
    if len(text) > _MAX_QUOTED or _UNSAFE.search(text):
        return literal(text)
    if b"\\" in text or b'"' in text:
        text = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%s"' % text


def nstring(text: bytes | None) -> bytes:
    return b"NIL" if text is None else string(text)


def literal(text: bytes) -> bytes:
    """With NUL, which a literal must not hold (RFC 3501 §9, CHAR8), as 0x80."""
    return b"{%d}\r\n%s" % (len(text), text.replace(b"\0", b"\x80"))


# ------------------------------------------------------------------------------------------ addresses

_TOKEN = re.compile(
    rb'(?P<quoted>"(?:[^"\\]|\\.)*"?)|(?P<comment>\()|(?P<literal>\[[^\]]*\]?)|(?P<special>[<>,;:@])'
    rb"|(?P<blank>[ \t\r\n]+)|(?P<word>[^ \t\r\n<>,;:@\"(\[]+)",
    re.S,
)
_IN_COMMENT = re.compile(rb"[()]|\\.|[^()\\]+|\\", re.S)

Address = tuple[bytes | None, bytes | None, bytes | None, bytes | None]


def _comment(value: bytes, pos: int) -> tuple[bytes, int]:
    """The text of the comment that opens at pos, and where it ends. Comments nest."""
    depth, text = 0, []
    for match in _IN_COMMENT.finditer(value, pos):
        piece = match[0]
        if piece == b"(":
            depth += 1
            if depth == 1:
                continue
        elif piece == b")":
            depth -= 1
            if not depth:
                return b"".join(text), match.end()
        text.append(piece[1:] if piece[:1] == b"\\" else piece)
    return b"".join(text), len(value)


def _tokens(value: bytes) -> list[tuple[str, bytes]]:
    tokens: list[tuple[str, bytes]] = []
    pos = 0
    while pos < len(value):
        match = _TOKEN.match(value, pos)
        assert match is not None
        kind = match.lastgroup or ""
        pos = match.end()
        if kind == "comment":
            text, pos = _comment(value, match.start())
            tokens.append(("comment", text.strip()))
        elif kind == "quoted":
            inner = match[0][1:-1] if match[0].endswith(b'"') and len(match[0]) > 1 else match[0][1:]
            tokens.append(("word", re.sub(rb"\\(.)", rb"\1", inner, flags=re.S)))
        elif kind == "special":
            tokens.append((match[0].decode(), match[0]))
        else:
            tokens.append(("blank" if kind == "blank" else "word", b" " if kind == "blank" else match[0]))
    return tokens


class _Mailbox:
    """What has been seen of one address so far."""

    __slots__ = ("words", "comment", "angle", "angled", "route")

    def __init__(self) -> None:
        self.words: list[bytes] = []  # outside < >, blanks kept
        self.angle: list[bytes] = []  # inside < >
        self.angled = False
        self.route: bytes | None = None
        self.comment: bytes | None = None

    def address(self) -> Address | None:
        spec = self.angle if self.angled else self.words
        if b"@" in spec:
            at = len(spec) - 1 - spec[::-1].index(b"@")
            local, host = (b"".join(word for word in half if word != b" ") for half in (spec[:at], spec[at + 1 :]))
        else:
            local, host = _joined(spec), b""
        name = _joined(self.words) if self.angled else b""
        if not local and not host and not name:
            return None
        return (name or self.comment, self.route, local, host)


def _joined(words: list[bytes]) -> bytes:
    return re.sub(rb" +", b" ", b"".join(words)).strip()


def addresses(value: bytes) -> list[Address]:
    """(name, route, local part, domain) of each; a group opens as (None, None, name, None) and closes as four None.
    Anything is taken: what is no address becomes the nearest thing to one.
    """
    found: list[Address] = []
    current, in_group, in_angle = _Mailbox(), False, False

    def finish() -> None:
        nonlocal current, in_angle
        address = current.address()
        if address is not None:
            found.append(address)
        current, in_angle = _Mailbox(), False

    for kind, text in _tokens(value):
        if in_angle:
            if kind == ">":
                in_angle = False
            elif kind == ":":
                current.route, current.angle = b"".join(current.angle), []
            elif kind not in ("blank", "comment"):
                current.angle.append(text)
        elif kind == "<":
            in_angle = current.angled = True
        elif kind == ",":
            finish()
        elif kind == ":" and not in_group:
            found.append((None, None, _joined(current.words), None))
            current, in_group = _Mailbox(), True
        elif kind == ";" and in_group:
            finish()
            found.append((None, None, None, None))
            in_group = False
        elif kind == "comment":
            current.comment = current.comment or text
        elif not current.angled:
            current.words.append(text)
    finish()
    if in_group:
        found.append((None, None, None, None))
    return found


def _address_list(value: bytes | None) -> bytes:
    if not value:
        return b"NIL"
    each = [b"(%s)" % b" ".join(nstring(item) for item in address) for address in addresses(value)]
    return b"(%s)" % b"".join(each) if each else b"NIL"


def envelope(fields: Fields) -> bytes:
    """The ENVELOPE of a header. Sender and Reply-To default to From when missing or empty."""
    sender = _address_list(fields.get(b"from"))
    lists = [_address_list(fields.get(name)) for name in (b"sender", b"reply-to")]
    return b"(%s)" % b" ".join(
        [
            nstring(fields.get(b"date")),
            nstring(fields.get(b"subject")),
            sender,
            *(sender if item == b"NIL" else item for item in lists),
            *(_address_list(fields.get(name)) for name in (b"to", b"cc", b"bcc")),
            nstring(fields.get(b"in-reply-to")),
            nstring(fields.get(b"message-id")),
        ]
    )


# ------------------------------------------------------------------------------------------ structure


def _parameters(pairs: Parameters) -> bytes:
    if not pairs:
        return b"NIL"
    return b"(%s)" % b" ".join(string(text) for pair in pairs for text in pair)


def _disposition(value: bytes | None) -> bytes:
    if not value:
        return b"NIL"
    kind, parameters = mime.value_and_parameters(value)
    return b"(%s %s)" % (string(kind), _parameters(parameters))


def _language(value: bytes | None) -> bytes:
    tags = [tag.strip() for tag in (value or b"").split(b",") if tag.strip()]
    if not tags:
        return b"NIL"
    return string(tags[0]) if len(tags) == 1 else b"(%s)" % b" ".join(map(string, tags))


def structure(part: Part, extended: bool) -> bytes:
    """BODYSTRUCTURE, or BODY without the extension data."""
    fields = part.fields
    tail = [
        _disposition(fields.get(b"content-disposition")),
        _language(fields.get(b"content-language")),
        nstring(fields.get(b"content-location")),
    ]
    if part.multipart:
        children = b"".join(structure(child, extended) for child in part.children)
        items = [children, string(part.subtype)]
        return b"(%s)" % b" ".join([*items, _parameters(part.parameters), *tail] if extended else items)
    text = part.type.lower() == b"text"
    parameters = part.parameters
    if text and part.parameter(b"charset") is None:
        parameters = [*parameters, (b"charset", b"us-ascii")]
    items = [
        string(part.type),
        string(part.subtype),
        _parameters(parameters),
        nstring(fields.get(b"content-id")),
        nstring(fields.get(b"content-description")),
        string(fields.get(b"content-transfer-encoding", b"").split(b";")[0].strip() or b"7bit"),
        b"%d" % (part.end - part.body),
    ]
    if part.message is not None:
        items += [envelope(part.message.fields), structure(part.message, extended)]
    if text or part.message is not None:
        items.append(b"%d" % part.lines)
    if extended:
        items += [nstring(fields.get(b"content-md5")), *tail]
    return b"(%s)" % b" ".join(items)
