"""Editing a message's header as bytes (RFC 5322 §2.2), which is quick and never touches the body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_LONGEST_LINE = 990

_FIELD_END = re.compile(rb"\n(?![ \t])")  # no folded line follows


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove every field with this name, in upper or lower case."""

    name: str


@dataclass(frozen=True, slots=True)
class Replace:
    """Give the first field with this name this value and remove the others; add the field if there was none.

    value: one line, without the CRLF; long ones are folded at blanks (RFC 5322 §2.1.1). Non-ASCII characters are
    escaped.
    """

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Prepend:
    """Put a field at the top, like a trace field (RFC 5321 §4.4); existing fields with that name stay.

    value: as in `Replace`. Of several, the first one comes out topmost.
    """

    name: str
    value: str


# One change of the header, as `chatgate_receive` answers it.
Edit = Remove | Replace | Prepend


@dataclass(frozen=True, slots=True)
class ReversePath:
    """Not an edit of the header: replaces the envelope's sender, who is told what becomes of the message; "" for
    nobody.
    """

    address: str


def split(content: bytes) -> tuple[bytes, bytes]:
    """(header with the CRLF of its last line, the rest beginning with the empty line). Without an empty line all is
    header.
    """
    if content.startswith(b"\r\n"):
        return b"", content
    end = content.find(b"\r\n\r\n")
    return (content, b"") if end < 0 else (content[: end + 2], content[end + 2 :])


def fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(lower-case name, the whole field as it is, with its folded lines and last CRLF), in order.

    A line that is no field and continues none has the name b"".
    """
    start = 0
    for end in _FIELD_END.finditer(header):
        yield _named(header[start : end.end()])
        start = end.end()
    if start < len(header):
        yield _named(header[start:])


def _named(field: bytes) -> tuple[bytes, bytes]:
    name, colon, _ = field[: field.find(b"\n") + 1 or None].partition(b":")
    return (name.rstrip(b" \t").lower() if colon else b""), field


def edited(content: bytes, edits: Iterable[Edit]) -> bytes:
    """The content with all edits applied. Raises ValueError for an edit that would break the header's lines."""
    edits = list(edits)
    if not edits:
        return content
    _check(edits)
    header, body = split(content)
    gone = {e.name.lower().encode() for e in edits if isinstance(e, Remove)}
    fresh = {e.name.lower().encode(): _line(e) for e in edits if isinstance(e, Replace)}
    kept, done = [_line(e) for e in edits if isinstance(e, Prepend)], set()
    for name, field in fields(header):
        if name in fresh:
            if name not in done:
                done.add(name)
                kept.append(fresh[name])
        elif name not in gone:
            kept.append(field)
    kept += [line for name, line in fresh.items() if name not in done]
    return b"".join(kept) + body


def prepended(content: bytes, fields: Sequence[Prepend]) -> bytes:
    """The content with these fields on top, the first one topmost. Raises ValueError as `edited` does."""
    _check(fields)
    return b"".join(map(_line, fields)) + content


def _check(edits: Iterable[Edit]) -> None:
    """Raises ValueError for an edit that would make more, or less, than one field."""
    for edit in edits:
        text = edit.name + getattr(edit, "value", "")
        if "\r" in text or "\n" in text or not edit.name.isascii() or ":" in edit.name:
            raise ValueError(f"header edit for {edit.name!r} is not one line")


def _line(edit: Replace | Prepend) -> bytes:
    line = f"{edit.name}: {edit.value}".encode("ascii", "backslashreplace")
    if len(line) > _LONGEST_LINE:  # RFC 5322 §2.1.1
        line = b"\r\n ".join(_pieces(line))
    return line + b"\r\n"


def _pieces(line: bytes) -> Iterator[bytes]:
    """The line cut at blanks into pieces short enough to be folded; a word that is too long stays whole."""
    piece, *words = line.split(b" ")
    for word in words:
        if len(piece) + len(word) < _LONGEST_LINE:
            piece += b" " + word
        else:
            yield piece
            piece = word
    yield piece
