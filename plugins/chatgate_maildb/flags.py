"""Flags as the database keeps them: one text, sorted, with a space between."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from chatgate.api import StoreError

SEEN, DELETED = "\\Seen", "\\Deleted"

# Octets of all flags of one message together. IMAP sets no limit, a row must have one.
_LONGEST = 1000


@lru_cache(maxsize=4096)
def parsed(text: str) -> frozenset[str]:
    """A mailbox has few different sets of flags, so nearly every row is a cache hit."""
    return frozenset(text.split())


@lru_cache(maxsize=4096)
def text(flags: frozenset[str]) -> str:
    """The opposite of `parsed`, for normal flags. Raises StoreError when they are too many."""
    joined = " ".join(sorted(flags))
    if len(joined) > _LONGEST:
        raise StoreError("Too many flags")
    return joined


def normal(flags: Iterable[str]) -> frozenset[str]:
    """System flags in their usual spelling, as they are case-insensitive (RFC 3501 §2.3.2). \\Recent is the sessions'
    own affair and never stored.
    """
    return _normal(frozenset(flags))


@lru_cache(maxsize=1024)
def _normal(flags: frozenset[str]) -> frozenset[str]:
    for flag in flags:
        if not flag or " " in flag or not flag.isascii() or not flag.isprintable():
            raise StoreError("Not a flag")
    spelled = {"\\" + flag[1:].capitalize() if flag.startswith("\\") else flag for flag in flags}
    return frozenset(spelled - {"\\Recent"})
