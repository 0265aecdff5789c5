"""Flags as the database keeps them: one text, sorted and separated by spaces."""

from __future__ import annotations

from functools import lru_cache

from chatgate.api import few_flags

SEEN, DELETED = "\\Seen", "\\Deleted"


@lru_cache(maxsize=1024)
def parsed(text: str) -> frozenset[str]:
    """The flags in such a text. A mailbox has few different sets of flags, so nearly every row is a cache hit."""
    return frozenset(map(_word, text.split()))


@lru_cache(maxsize=4096)
def _word(flag: str) -> str:
    """The same object for a keyword in every set, to save memory."""
    return flag


def has(text: str, flag: str) -> bool:
    """Is the flag in such a text? Works without parsing, as every message may have a different set of flags."""
    return f" {flag} " in f" {text} "


@lru_cache(maxsize=1024)
def text(flags: frozenset[str]) -> str:
    """The inverse of `parsed`, for normalised flags. Raises LimitReached."""
    return " ".join(sorted(few_flags(flags)))
