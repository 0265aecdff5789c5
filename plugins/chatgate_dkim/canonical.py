"""Canonicalisation (RFC 6376 §3.4): the form of header and body that signer and verifier compute over, so that small
changes on the way do no harm.

All heavy work is done by methods of bytes, which run in C; nothing here looks at single lines or characters in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

Algorithm = Literal["simple", "relaxed"]

# Octets of a body that are worked on at once: half a millisecond.
PIECE = 1 << 18

_BLANKS = b" \t"
_RUNS = (b" " * 64, b" " * 8, b" " * 2)  # long ones first: they become short in few steps
_MOST_EMPTY = 1 << 16


class Unclear(ValueError):
    """The body ends with a CR or LF alone, or with more empty lines than any mail: where it ends is not clear."""


def field(raw: bytes, algorithm: Algorithm) -> bytes:
    """A header field, with its CRLF (§3.4.1, §3.4.2)."""
    if algorithm == "simple":
        return raw
    name, _, value = raw.partition(b":")
    words = value.replace(b"\r\n", b"").replace(b"\t", b" ").split(b" ")
    return name.rstrip(_BLANKS).lower() + b":" + b" ".join(filter(None, words)) + b"\r\n"


def hash_body(content: bytes, start: int, algorithm: Algorithm, into: Any, turn: Callable[[], object]) -> None:
    """Feed the canonical body (§3.4.3, §3.4.4) to a hash. start: where the body begins in the content. turn: called
    between two pieces of a large one, so that others can be given a turn. Raises Unclear.
    """
    end = _end(content, start, algorithm)
    view = memoryview(content)
    pieces = (view[at : min(at + PIECE, end)] for at in range(start, end, PIECE))
    for n, piece in enumerate(pieces if algorithm == "simple" else _relaxed(pieces)):
        if n:
            turn()
        into.update(piece)
    if end > start or algorithm == "simple":  # an empty body is empty for "relaxed", and an empty line for "simple"
        into.update(b"\r\n")


def _relaxed(pieces: Iterator[memoryview]) -> Iterator[bytes]:
    """Runs of blanks become one blank, at the end of a line none. What a piece ends with is decided by the next."""
    held = b""
    for piece in pieces:
        text = (held + piece).replace(b"\t", b" ")
        if b" " in text:  # not in base64, and so not in most mail
            for run in _RUNS:
                while run in text:
                    text = text.replace(run, b" ")
            text = text.replace(b" \r\n", b"\r\n")
        keep = len(text) - (2 if text.endswith(b" \r") else text.endswith(b" "))
        held = text[keep:]
        yield text[:keep]
    yield held


def _end(content: bytes, start: int, algorithm: Algorithm) -> int:
    """Where the last line that is not empty ends, without its CRLF. Raises Unclear."""
    begin = max(start, len(content) - _MOST_EMPTY)
    tail = content[begin:]
    kept = len(tail.rstrip(b"\r\n" if algorithm == "simple" else b"\r\n \t"))
    if not kept and begin > start:
        raise Unclear
    tail = tail[kept:]
    lines = tail.translate(None, _BLANKS)
    if lines != b"\r\n" * (len(lines) // 2) or b"\r " in tail or b"\r\t" in tail:
        raise Unclear
    return begin + kept
