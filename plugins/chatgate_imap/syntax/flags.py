"""Flags on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

SYSTEM = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
SEEN, DELETED, FLAGGED, ANSWERED, DRAFT = "\\Seen", "\\Deleted", "\\Flagged", "\\Answered", "\\Draft"
_ORDER = {flag: place for place, flag in enumerate(SYSTEM)}


def written(flags: frozenset[str], recent: bool = False) -> bytes:
    """`(\\Seen $Forwarded)`: system flags first, in one order."""
    words = sorted(flags, key=lambda flag: (_ORDER.get(flag, 9), flag))
    if recent:
        words.append("\\Recent")
    return b"(%s)" % " ".join(words).encode("ascii", "replace")


wire = lru_cache(maxsize=1024)(written)  # for those of one message


@lru_cache(maxsize=200)
def packed(flags: frozenset[str]) -> str:
    """The flags as text, which takes less memory."""
    return " ".join(flags)


@lru_cache(maxsize=200)
def unpacked(text: str) -> frozenset[str]:
    return frozenset(text.split())


def keywords(flags: Iterable[str]) -> set[str]:
    """The flags that are not system flags."""
    return {flag for flag in flags if flag[0] != "\\"}
