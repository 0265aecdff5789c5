"""Base subjects (RFC 5256 §2.1): what is left of a subject without "Re:", "(fwd)", "[list]" and the like."""

from __future__ import annotations

import re

from . import words

# Characters that are compared. A running command keeps those of all messages in memory.
_MAX_SUBJECT = 300
_MAX_OCTETS = 4 * _MAX_SUBJECT

_BLOB = re.compile(r"\[[^\[\]]*\] *")
_LEADER = re.compile(r" +|(?:\[[^\[\]]*\] *)*(?:re|fwd?) *(?:\[[^\[\]]*\] *)?:")
_TRAILER = re.compile(r"(?: |\(fwd\))+\Z")
_FORWARDED = re.compile(r"\[fwd:(.*)\]\Z")


def base(value: bytes) -> tuple[str, bool]:
    """(the base subject in lower case, whether it is a reply or forward) for the value of a Subject field."""
    text = " ".join(words.folded(words.text(value[:_MAX_OCTETS])[:_MAX_SUBJECT]).split())
    reply = False
    while True:
        text, stripped = _ends(text)
        reply |= stripped
        forwarded = _FORWARDED.match(text)
        if forwarded is None:
            return text, reply
        text, reply = forwarded[1], True


def _ends(text: str) -> tuple[str, bool]:
    """The subject without trailers and leaders, and whether one of these marks a reply or forward."""
    shorter = _TRAILER.sub("", text)
    reply = "(" in text[len(shorter) :]
    pos = 0
    while (leader := _LEADER.match(shorter, pos)) is not None:
        reply |= leader[0].endswith(":")
        pos = leader.end()
    # No leader can follow these blobs: it would have included them.
    while (blob := _BLOB.match(shorter, pos)) is not None and blob.end() < len(shorter):
        pos = blob.end()
    return shorter[pos:], reply
