"""Flags as the database keeps them: one text, sorted, with a space between."""

from __future__ import annotations

from functools import lru_cache

from chatgate.api import few_flags

SEEN, DELETED = "\\Seen", "\\Deleted"


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
    """The opposite of `parsed`, for normal flags. Raises LimitReached."""
    return " ".join(sorted(few_flags(flags)))
