"""Base subjects (RFC 5256 §2.1): what is left of a subject without "Re:", "(fwd)", "[list]" and the like."""

from __future__ import annotations

import re

from . import words

# Characters that are compared. While a command runs it has those of all messages in memory.
_MAX_SUBJECT = 300
_MAX_OCTETS = 4 * _MAX_SUBJECT

_BLOB = re.compile(r"\[[^\[\]]*\] *")
_LEADER = re.compile(r" +|(?:\[[^\[\]]*\] *)*(?:re|fwd?) *(?:\[[^\[\]]*\] *)?:")
_TRAILER = re.compile(r"(?: |\(fwd\))+\Z")
_FORWARDED = re.compile(r"\[fwd:(.*)\]\Z")


def base(value: bytes) -> tuple[str, bool]:
    """Of the value of a Subject field: its base subject in lower case, and whether it is of a reply or forward."""
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
    """Without trailers and leaders, and whether a leader or trailer said that it is a reply or forward."""
    shorter = _TRAILER.sub("", text)
    reply = "(" in text[len(shorter) :]
    pos = 0
    while (leader := _LEADER.match(shorter, pos)) is not None:
        reply |= leader[0].endswith(":")
        pos = leader.end()
    # Behind blobs no leader can follow: it would have begun with them.
    while (blob := _BLOB.match(shorter, pos)) is not None and blob.end() < len(shorter):
        pos = blob.end()
    return shorter[pos:], reply
