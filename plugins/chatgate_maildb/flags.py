"""Flags as the database keeps them: one text, sorted, with a space between."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from chatgate.api import StoreError

SEEN, DELETED = "\\Seen", "\\Deleted"

# Octets of all flags of one message together, and how many they are. IMAP sets no limit, a row must have one, and so
# must the memory of a session, which has the flags of all messages.
_LONGEST = 1000
_MOST = 50
_TOO_MANY = "Too many flags"


@lru_cache(maxsize=1024)
def parsed(text: str) -> frozenset[str]:
    """A mailbox has few different sets of flags, so nearly every row is a cache hit."""
    return frozenset(map(_word, text.split()))


@lru_cache(maxsize=4096)
def _word(flag: str) -> str:
    """One object for a keyword, in however many sets it is."""
    return flag


def has(text: str, flag: str) -> bool:
    """Is the flag in such a text? Nothing is parsed for it, as each message may have flags of its own."""
    return f" {flag} " in f" {text} "


@lru_cache(maxsize=1024)
def text(flags: frozenset[str]) -> str:
    """The opposite of `parsed`, for normal flags. Raises StoreError when they are too many."""
    joined = " ".join(sorted(flags))
    if len(joined) > _LONGEST or len(flags) > _MOST:
        raise StoreError(_TOO_MANY)
    return joined


def normal(flags: Iterable[str]) -> frozenset[str]:
    """System flags in their usual spelling, as they are case-insensitive (RFC 3501 §2.3.2). \\Recent is the sessions'
    own affair and never stored. Raises StoreError.
    """
    unique = frozenset(flags)
    if len(unique) > _MOST or sum(map(len, unique)) > _LONGEST:  # more than any message has, and than shall be cached
        raise StoreError(_TOO_MANY)
    return _normal(unique)


@lru_cache(maxsize=1024)
def _normal(flags: frozenset[str]) -> frozenset[str]:
    for flag in flags:
        if not flag or " " in flag or not flag.isascii() or not flag.isprintable():
            raise StoreError("Not a flag")
    spelled = {"\\" + flag[1:].capitalize() if flag.startswith("\\") else flag for flag in flags}
    return frozenset(spelled - {"\\Recent"})
